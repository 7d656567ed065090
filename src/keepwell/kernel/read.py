"""Reads of health information: permission, tenant and compartment checked, and the access recorded, before anything is returned.

Concurrent reads share one statement and one commit, so a durable record for each costs little.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from keepwell.kernel import journal, store
from keepwell.kernel.aggregate import Aggregate
from keepwell.kernel.cache import Cache, Found, Held, Target
from keepwell.kernel.codec import Codec, view_json
from keepwell.kernel.envelope import Actor, Origin, Snapshot
from keepwell.kernel.gather import Gatherable
from keepwell.kernel.keys import KeyRing, TenantDestroyedError, TenantKeys, UnknownVersionError
from keepwell.kernel.permissions import Permission
from keepwell.kernel.problems import ENDED, FORBIDDEN, INTERNAL, NOT_FOUND, OVERLOADED, UNAVAILABLE, Refusal, Refused
from keepwell.kernel.store import ReadRow
from keepwell.kit.ids import NIL, new_id
from keepwell.kit.time import Clock
from keepwell.platform.crypto import UnreadableError
from keepwell.platform.postgres import LOST, Database, DatabaseUnavailable

# A server that takes no changes, after a failover, takes no access records.
_FAILURES = (*LOST, asyncpg.ReadOnlySQLTransactionError)
_UNREADABLE = Refusal(INTERNAL, "What is stored cannot be read.")
_LOCKED = Refusal(OVERLOADED, "Somebody else holds it for too long.", retry_after=1)
REFUSALS = {
    "unauthenticated": ENDED,
    "not-found": Refusal(NOT_FOUND),
    "forbidden": Refusal(FORBIDDEN, "It belongs to another person."),
}
"""By what the statement says came of a read; nothing for one that may go on."""


class _UnreadableCopyError(Exception):
    """The database called a copy current, and it cannot be opened. The database has to send its own."""


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

    `own_compartment_only` searches are run by rooms with the actor's own blind index as a filter. `spread`: a replica may answer,
    once it has all that the caller's session has seen; not for what a decision is made from.
    """

    kind: str
    actor: Actor
    origin: Origin
    permission: Permission
    action: str = "search"
    spread: bool = False


class View(msgspec.Struct, frozen=True):
    """What a caller sees of an aggregate at `version`, as JSON."""

    version: int
    body: bytes


class PendingRead(Gatherable):
    """A read waiting for its batch. With `view_will_do` it may be settled with a `View` instead of a snapshot."""

    __slots__ = ("held", "own_compartment_only", "read", "target", "view_will_do")

    def __init__(self, read: Read, *, own_compartment_only: bool, view_will_do: bool = False) -> None:
        super().__init__(read.actor.tenant, 1)
        self.read = read
        self.target = (read.actor.tenant, read.kind, read.id)
        self.view_will_do = view_will_do
        self.held: Held | None = None
        self.own_compartment_only = own_compartment_only


class Reader:
    """Runs gathered reads."""

    def __init__(self, database: Database, ring: KeyRing, codec: Codec, clock: Clock, cache: Cache | None = None) -> None:
        self._database = database
        self._cache = cache
        self._ring = ring
        self._codec = codec
        self._clock = clock

    async def run(self, reads: Sequence[PendingRead]) -> None:
        """Settles every read with a snapshot, or fails it with `Refused`."""
        try:
            await self._run(reads)
        except Exception as error:
            refusal = refusal_for(error)
            if refusal is None:
                raise
            _fail_all(reads, refusal)

    async def _run(self, reads: Sequence[PendingRead], *, trusting: bool = True) -> None:
        found: dict[Target, Found] = {}
        if trusting and self._cache is not None:
            viewed = (each.target for each in reads if each.view_will_do)
            found = await self._cache.find((each.target for each in reads), viewed)
        moment = self._clock.now()
        async with self._database.connection() as connection:
            keys = await open_keys(self._ring, connection, reads)
            reads = [each for each in reads if each.tenant in keys]
            copies = [_usable(each, found.get(each.target)) for each in reads]
            rows: list[ReadRow] = []
            for each, copy in zip(reads, copies, strict=True):
                known = None if copy is None else copy.held.known
                rows.append(row_of(each.read, keys[each.tenant], moment, own=each.own_compartment_only, known=known))
            answers = await store.read(connection, rows, moment)
        again: list[PendingRead] = []
        for each, copy, answer in zip(reads, copies, answers, strict=True):
            if (position := each.read.origin.position) is not None:
                position.saw(answer["seen"])
            try:
                each.resolve(self._settled(each, keys[each.tenant], answer, copy))
            except Refused as refused:
                each.fail(refused)
            except (_UnreadableCopyError, UnknownVersionError):
                again.append(each)
        if again:
            await self._run(again, trusting=False)

    def _settled(self, pending: PendingRead, keys: TenantKeys, answer: Any, found: Found | None) -> Snapshot | View:
        read, sealed = pending.read, answer["state"]
        if found is not None and sealed is None and answer["outcome"] == "ok":
            return self._opened(pending, keys, answer, found)
        snapshot = self._snapshot(read, keys, answer, sealed)
        if self._cache is not None and sealed is not None:
            pending.held = Held.of(snapshot.version, snapshot.head, answer["writer"], sealed)
            self._cache.loaded(pending.target, pending.held, found)
        return snapshot

    def _opened(self, pending: PendingRead, keys: TenantKeys, answer: Any, found: Found) -> Snapshot | View:
        """What a copy holds that the database called current."""
        held, (_, kind, id_) = found.held, pending.target
        result: Snapshot | View
        try:
            if pending.view_will_do and held.view:
                result = View(answer["version"], self._codec.open_view(keys, kind, id_, held.known, held.view))
            else:
                result = self._codec.snapshot(keys, kind, id_, answer, held.state)
        except (UnreadableError, msgspec.DecodeError):
            if self._cache is not None:
                self._cache.unreadable(pending.target)
            raise _UnreadableCopyError from None
        if self._cache is not None:
            self._cache.served(pending.target, found)
        pending.held = held
        return result

    def view(self, aggregate: Aggregate, pending: PendingRead, snapshot: Snapshot) -> View:
        """The view of the snapshot that `pending` was settled with; kept, sealed, when that is likely to pay."""
        body = view_json(aggregate, snapshot)
        held, keys = pending.held, self._ring.cached(pending.tenant)
        if self._cache is not None and held is not None and keys is not None and self._cache.wants_view(pending.target, held):
            sealed = self._codec.seal_view(keys, snapshot.kind, snapshot.id, held.known, body)
            self._cache.keep(pending.target, held._replace(view=sealed))
        return View(snapshot.version, body)

    def _snapshot(self, read: Read, keys: TenantKeys, answer: Any, sealed: Any) -> Snapshot:
        refusal = REFUSALS.get(answer["outcome"])
        if refusal is not None:
            raise Refused(refusal)
        try:
            return self._codec.snapshot(keys, read.kind, read.id, answer, sealed)
        except UnknownVersionError:
            raise
        except (UnreadableError, msgspec.DecodeError) as error:
            raise Refused(_UNREADABLE) from error


async def open_keys(ring: KeyRing, connection: Any, waiting: Sequence[Gatherable]) -> dict[UUID, TenantKeys]:
    """The keys of all tenants that have readable ones; what waits for the others fails here, without its neighbours."""
    keys: dict[UUID, TenantKeys] = {}
    for tenant in {each.tenant for each in waiting}:
        try:
            keys[tenant] = await ring.get(connection, tenant)
        except (UnreadableError, TenantDestroyedError) as error:
            refusal = refusal_for(error) or _UNREADABLE
            _fail_all([each for each in waiting if each.tenant == tenant], refusal)
    return keys


def refusal_for(error: Exception) -> Refusal | None:
    """What a reader is told of a database that failed; None when the exception means something else."""
    if isinstance(error, TenantDestroyedError):
        return error.refusal
    if isinstance(error, DatabaseUnavailable):
        return Refusal(UNAVAILABLE, "The database cannot be reached.", retry_after=error.retry_after)
    if isinstance(error, UnreadableError):
        return _UNREADABLE
    if isinstance(error, asyncpg.LockNotAvailableError):
        return _LOCKED
    if isinstance(error, _FAILURES):
        return Refusal(UNAVAILABLE, "The connection to the database was lost.", retry_after=2)
    return None


def row_of(read: Read, keys: TenantKeys, at: datetime, *, own: bool, known: bytes | None) -> ReadRow:
    """What the statement needs of one read. `own` holds it to the actor's own compartment."""
    actor, origin, id_ = read.actor, read.origin, new_id()
    agent = (actor.id, actor.role, origin.door, origin.request_id, actor.purpose or origin.purpose)
    digest = journal.access_digest(actor.tenant, read.id, at, id_, read.kind, read.action, *agent)
    compartment = keys.blind(actor.subject or "") if own and read.id != NIL else None
    return ReadRow(actor.tenant, read.kind, read.id, compartment, actor.credential, at, id_, read.action, *agent, digest, known)


def _usable(pending: PendingRead, found: Found | None) -> Found | None:
    """What was found, if this read can be answered from it once the database calls it current."""
    if found is None or not (found.held.state or (pending.view_will_do and found.held.view)):
        return None
    return found


def _fail_all(reads: Sequence[Gatherable], refusal: Refusal) -> None:
    for each in reads:
        each.fail(Refused(refusal))
