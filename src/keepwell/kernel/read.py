"""Reads of health information: permission, tenant and compartment checked, and the access recorded, before anything is returned.

Concurrent reads share one statement and one commit, so a durable record for each costs little.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from keepwell.kernel import journal, store
from keepwell.kernel.codec import Codec
from keepwell.kernel.envelope import Actor, Origin, Snapshot
from keepwell.kernel.gather import Gatherable
from keepwell.kernel.journal import Entry
from keepwell.kernel.keys import KeyRing, TenantKeys
from keepwell.kernel.permissions import Permission
from keepwell.kernel.problems import FORBIDDEN, INTERNAL, NOT_FOUND, OVERLOADED, UNAUTHENTICATED, UNAVAILABLE, Refusal, Refused
from keepwell.kernel.store import ReadRow
from keepwell.kit.ids import NIL, new_id
from keepwell.kit.time import Clock
from keepwell.platform.crypto import UnreadableError
from keepwell.platform.postgres import Database, DatabaseUnavailable

Found = TypeVar("Found")

_HISTORY = """
SELECT version, at, event, command, actor, role, door, request_id, purpose, payload FROM journal_entry
WHERE tenant_id = $1 AND kind = $2 AND id = $3 AND version <= $4 ORDER BY version
"""
_FAILURES = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection ended between two steps of the driver's own
    OSError,
    TimeoutError,
)
_LOCKED = Refusal(OVERLOADED, "Somebody else holds it for too long.", retry_after=1)
_REFUSALS = {
    "unauthenticated": Refusal(UNAUTHENTICATED, "The session has ended."),
    "not-found": Refusal(NOT_FOUND),
    "forbidden": Refusal(FORBIDDEN, "It belongs to another person."),
}


class Read(msgspec.Struct, frozen=True):
    """Asks for one aggregate. `action` names the read in the audit."""

    kind: str
    id: UUID
    actor: Actor
    origin: Origin
    permission: Permission
    action: str = "read"


class Search(msgspec.Struct, frozen=True):
    """Asks to look through one kind of aggregate in the actor's clinic.

    `own_compartment_only` searches are run by rooms with the actor's own blind index as a filter.
    """

    kind: str
    actor: Actor
    origin: Origin
    permission: Permission
    action: str = "search"


class PendingRead(Gatherable):
    """A read waiting for its batch."""

    __slots__ = ("own_compartment_only", "read")

    def __init__(self, read: Read, *, own_compartment_only: bool) -> None:
        super().__init__(read.actor.tenant, 1)
        self.read = read
        self.own_compartment_only = own_compartment_only


class Reader:
    """Runs gathered reads, and the single ones that need more than a state."""

    def __init__(self, database: Database, ring: KeyRing, codec: Codec, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._codec = codec
        self._clock = clock

    async def run(self, reads: Sequence[PendingRead]) -> None:
        """Settles every read with a snapshot, or fails it with `Refused`."""
        try:
            await self._run(reads)
        except DatabaseUnavailable as unavailable:
            refusal = Refusal(UNAVAILABLE, "The database cannot be reached.", retry_after=unavailable.retry_after)
            _fail_all(reads, refusal)
        except asyncpg.LockNotAvailableError:
            _fail_all(reads, _LOCKED)
        except _FAILURES:
            _fail_all(reads, Refusal(UNAVAILABLE, "The connection to the database was lost.", retry_after=2))

    async def _run(self, reads: Sequence[PendingRead]) -> None:
        moment = self._clock.now()
        async with self._database.connection() as connection:
            keys = {each.tenant: await self._ring.get(connection, each.tenant) for each in reads}
            rows = [self._row(each.read, keys[each.tenant], own=each.own_compartment_only) for each in reads]
            answers = await store.read(connection, rows, moment)
        for each, answer in zip(reads, answers, strict=True):
            try:
                each.resolve(self._snapshot(each.read, keys[each.tenant], answer))
            except Refused as refused:
                each.fail(refused)

    async def history(self, read: Read, *, own_compartment_only: bool, most: int) -> tuple[Snapshot, list[Entry]]:
        """The aggregate and its entries up to version `most`, oldest first, with the access recorded.

        Raises:
            Refused: as for a single read.
        """

        async def entries(connection: Any, keys: TenantKeys, snapshot: Snapshot) -> tuple[Snapshot, list[Entry]]:
            rows = await connection.fetch(_HISTORY, read.actor.tenant, read.kind, read.id, most)
            return snapshot, [self._entry(keys, read, row) for row in rows]

        return await self._guarded(read, entries, own=own_compartment_only)

    async def search(self, search: Search, *, own_compartment_only: bool, query: Callable[[Any], Awaitable[Found]]) -> Found:
        """What `query` finds, run in a transaction that sees the actor's clinic only, with the access recorded.

        Raises:
            Refused: the session has ended, or the database is out of reach.
        """
        read = Read(search.kind, NIL, search.actor, search.origin, search.permission, search.action)

        async def run(connection: Any, _keys: TenantKeys, _snapshot: Any) -> Found:
            return await query(connection)

        return await self._guarded(read, run, own=own_compartment_only)

    async def _guarded(self, read: Read, then: Callable[[Any, TenantKeys, Any], Awaitable[Found]], *, own: bool) -> Found:
        try:
            async with self._database.connection() as connection:
                keys = await self._ring.get(connection, read.actor.tenant)
                async with connection.transaction():
                    row = self._row(read, keys, own=own)
                    (answer,) = await store.read(connection, [row], self._clock.now())
                    await connection.execute(store.CLAIM_TENANT, str(read.actor.tenant))
                    refusal = _REFUSALS.get(answer["outcome"])
                    found = None
                    if refusal is None:
                        snapshot = None if read.id == NIL else self._snapshot(read, keys, answer)
                        found = await then(connection, keys, snapshot)
        except DatabaseUnavailable as unavailable:
            detail = "The database cannot be reached."
            raise Refused(Refusal(UNAVAILABLE, detail, retry_after=unavailable.retry_after)) from unavailable
        except asyncpg.LockNotAvailableError as locked:
            raise Refused(_LOCKED) from locked
        except _FAILURES as failure:
            raise Refused(Refusal(UNAVAILABLE, "The connection to the database was lost.", retry_after=2)) from failure
        # Raised only now: the record of a refusal must be committed like that of a read.
        if refusal is not None:
            raise Refused(refusal)
        return found  # pyright: ignore[reportReturnType] - None only together with a refusal

    def _row(self, read: Read, keys: TenantKeys, *, own: bool) -> ReadRow:
        actor, origin, at, id_ = read.actor, read.origin, self._clock.now(), new_id()
        agent = (actor.id, actor.role, origin.door, origin.request_id, origin.purpose)
        digest = journal.access_digest(actor.tenant, read.id, at, id_, read.kind, read.action, *agent)
        compartment = keys.blind(actor.subject or "") if own and read.id != NIL else None
        return ReadRow(actor.tenant, read.kind, read.id, compartment, actor.credential, at, id_, read.action, *agent, digest)

    def _snapshot(self, read: Read, keys: TenantKeys, answer: Any) -> Snapshot:
        refusal = _REFUSALS.get(answer["outcome"])
        if refusal is not None:
            raise Refused(refusal)
        try:
            return self._codec.snapshot(keys, read.kind, read.id, answer, answer["state"])
        except (UnreadableError, msgspec.DecodeError) as error:
            raise Refused(Refusal(INTERNAL, "The stored state cannot be read.")) from error

    def _entry(self, keys: TenantKeys, read: Read, row: Any) -> Entry:
        event = self._codec.open_event(keys, read.kind, read.id, row["version"], row["payload"])
        return Entry(
            row["version"],
            row["at"],
            event,
            row["command"],
            row["actor"],
            row["role"],
            row["door"],
            row["request_id"],
            row["purpose"],
        )


def _fail_all(reads: Sequence[PendingRead], refusal: Refusal) -> None:
    for each in reads:
        each.fail(Refused(refusal))
