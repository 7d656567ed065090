"""Reads of more than one state: histories and searches. The gate is on the primary; what follows may be done on a replica.

The gate checks session and compartment and makes the record durable; only then is anything looked up. A history from a replica
must end in the very entry the gate saw; a search goes only where all is that the caller's session has seen.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from keepwell.kernel import store
from keepwell.kernel.codec import Codec, readable
from keepwell.kernel.envelope import Actor
from keepwell.kernel.journal import Entry
from keepwell.kernel.keys import KeyRing, TenantKeys, UnknownVersionError
from keepwell.kernel.problems import Refused
from keepwell.kernel.read import REFUSALS, Read, Search, refusal_for, row_of
from keepwell.kit.ids import NIL
from keepwell.kit.time import Clock
from keepwell.platform.pool_metrics import REFUSED
from keepwell.platform.postgres import Database, DatabaseUnavailable
from keepwell.platform.replicas import Answered, BehindError, Replicas

Result = TypeVar("Result")
Spreads = Callable[[Actor], Awaitable[bool]]
"""Whether replicas may answer what an actor looks up."""

_NOT_WANTED = b""
_LEFT_TO_LANES = 2
_CLAIM_THERE = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint FROM set_config('app.tenant', $1, true)"
_HISTORY = """
SELECT version, at, event, command, actor, role, door, request_id, purpose, payload, hash FROM journal_entry
WHERE tenant_id = $1 AND kind = $2 AND id = $3 AND version <= $4 ORDER BY version
"""


class Looker:
    """Looks things up for those who may see them."""

    def __init__(self, database: Database, ring: KeyRing, codec: Codec, clock: Clock, replicas: Replicas | None = None) -> None:
        self._database = database
        self._ring = ring
        self._codec = codec
        self._clock = clock
        self._replicas = replicas
        self.spreads: Spreads = _everybody
        self._room = asyncio.Semaphore(max(1, database.settings.largest - _LEFT_TO_LANES))

    async def history(self, read: Read, *, own_compartment_only: bool, most: int) -> list[Entry]:
        """The aggregate's entries up to version `most`, oldest first, with the access recorded.

        Raises:
            Refused: as for a single read.
        """
        keys, answer = await self._gate(read, own=own_compartment_only)
        last = min(most, answer["version"])

        async def rows(connection: Any) -> list[Any]:
            return await connection.fetch(_HISTORY, read.actor.tenant, read.kind, read.id, last)

        async def all_rows(connection: Any) -> list[Any]:
            found = await rows(connection)
            if last > 0 and not (found and found[-1]["version"] == last):
                raise BehindError
            if last == answer["version"] and found[-1]["hash"] != answer["head"]:
                raise BehindError
            return found

        answered = await self._spread(read, 0, all_rows)
        found = await self._here(read, rows) if answered is None else answered.found
        with _refusing():
            try:
                return [readable(self._codec, keys, read.kind, read.id, row) for row in found]
            except UnknownVersionError:  # sealed by a process that learned of a new key before this one
                async with self._connection() as connection:
                    keys = await self._ring.get(connection, read.actor.tenant)
                return [readable(self._codec, keys, read.kind, read.id, row) for row in found]

    async def search(self, search: Search, *, own_compartment_only: bool, query: Callable[[Any], Awaitable[Result]]) -> Result:
        """What `query` finds, run in a transaction that sees the actor's clinic only, with the access recorded.

        Raises:
            Refused: the session has ended, or the database is out of reach.
        """
        read = Read(search.kind, NIL, search.actor, search.origin, search.permission, search.action)
        _, answer = await self._gate(read, own=own_compartment_only)
        if search.spread:
            position = search.origin.position
            at_least = answer["seen"] if position is None else position.floor(answer["seen"])
            if (answered := await self._spread(read, at_least, query)) is not None:
                return answered.found
        return await self._here(read, query)

    async def _gate(self, read: Read, *, own: bool) -> tuple[TenantKeys, Any]:
        """Checks and records; durable when this returns."""
        with _refusing():
            async with self._connection() as connection:
                keys = await self._ring.get(connection, read.actor.tenant)
                row = row_of(read, keys, self._clock.now(), own=own, known=_NOT_WANTED)
                (answer,) = await store.read(connection, [row], self._clock.now())
        if self._replicas is not None:
            self._replicas.overheard(answer["seen"])
        if (refusal := REFUSALS.get(answer["outcome"])) is not None:
            _saw(read, answer["seen"])
            raise Refused(refusal)
        return keys, answer

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        """A connection to the primary. However many look things up, the lanes find one each: a crowd there is no outage here."""
        try:
            async with asyncio.timeout(self._database.settings.wait):
                await self._room.acquire()
        except TimeoutError:
            REFUSED.labels(self._database.name, "exhausted").inc()
            raise DatabaseUnavailable("exhausted") from None
        try:
            async with self._database.connection() as connection:
                yield connection
        finally:
            self._room.release()

    async def _here(self, read: Read, work: Callable[[Any], Awaitable[Result]]) -> Result:
        with _refusing():
            async with self._connection() as connection, connection.transaction(readonly=True):
                await connection.execute(store.CLAIM_TENANT, str(read.actor.tenant))
                found = await work(connection)
                if read.origin.position is not None:
                    _saw(read, await connection.fetchval(store.POSITION))
                return found

    async def _spread(self, read: Read, at_least: int, work: Callable[[Any], Awaitable[Result]]) -> Answered[Result] | None:
        if self._replicas is None or not await self.spreads(read.actor):
            return None
        reached = 0

        async def there(connection: Any) -> Result:
            nonlocal reached
            # The snapshot is taken before the position is read: nothing in it lies beyond.
            reached = await connection.fetchval(_CLAIM_THERE, str(read.actor.tenant)) or 0
            return await work(connection)

        answered = await self._replicas.attempt(at_least, there)
        if answered is not None:
            _saw(read, reached)
        return answered


async def _everybody(_: Actor) -> bool:
    """Replicas may answer everybody."""
    return True


def _saw(read: Read, position: int) -> None:
    if read.origin.position is not None:
        read.origin.position.saw(position)


@contextmanager
def _refusing() -> Generator[None]:
    """Turns what a database fails with into the refusal a reader gets."""
    try:
        yield
    except Exception as error:
        refusal = refusal_for(error)
        if refusal is None:
            raise
        raise Refused(refusal) from error
