"""The kernel's front door: `execute`, `read`, `history`, `search`, `find`, `record`. Every change and read goes through here."""

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog

from keepwell.kernel import finding, metrics
from keepwell.kernel.admission import ELSEWHERE, Admitted, admit, in_place
from keepwell.kernel.aggregate import Catalog
from keepwell.kernel.announce import Announcer
from keepwell.kernel.cache import Cache
from keepwell.kernel.codec import Codec
from keepwell.kernel.derived import DerivedCache
from keepwell.kernel.envelope import Actor, Closing, Envelope, Origin, Outcome, Snapshot
from keepwell.kernel.environment import Environment
from keepwell.kernel.execute import Executor, Parcel
from keepwell.kernel.finding import Condition, Finder, Found, Selection
from keepwell.kernel.follow import Follow, Followed, Follower, PendingFollow
from keepwell.kernel.gather import Lane, OverloadedError
from keepwell.kernel.journal import Entry, StoredAccess
from keepwell.kernel.key_watch import KeyWatch
from keepwell.kernel.keys import KeyRing, TenantKeys
from keepwell.kernel.look import Looker, Spreads
from keepwell.kernel.permissions import Grant, Permission, grant
from keepwell.kernel.pieces import Pieces
from keepwell.kernel.position import KEY as POSITION_KEY
from keepwell.kernel.position import Positions
from keepwell.kernel.problems import FORBIDDEN, OVERLOADED, Refusal, Refused
from keepwell.kernel.read import PendingRead, Read, Reader, Search, View
from keepwell.kernel.recording import Noted, Recorder
from keepwell.kernel.rehearsal import Rehearsal
from keepwell.kernel.store import Versions, Wanted
from keepwell.kernel.tally import Tally
from keepwell.kit.time import Clock
from keepwell.platform.crypto import UnreadableError
from keepwell.platform.postgres import Database
from keepwell.platform.replicas import Replicas
from keepwell.platform.telemetry import describe

Result = TypeVar("Result")
Witness = Callable[[Actor, Origin, str], None]
"""Is told who did what, from where: the name of a command, or kind and action of a read."""

_LONG = 64
_LONG_AT_ONCE = 3  # one is decided, one is written, one waits for its turn
_MOST_LONG = 8
_NEWEST = 2**31 - 1
_log = structlog.get_logger("keepwell.kernel")


class Limits(msgspec.Struct, frozen=True):
    """How much a process takes on. `batch` 1 turns gathering off; `patience` is in seconds; `queue` counts commands."""

    batch: int = 64
    patience: float = 2.0
    queue: int = 5_000
    idempotency_lifetime: timedelta = timedelta(hours=24)
    recency: timedelta = timedelta(minutes=15)


class Kernel:
    """One per process. Safe to call from any number of tasks of its event loop.

    `positions` makes the tokens by which sessions carry what they have seen; None where no replica answers anybody.
    """

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        ring: KeyRing,
        clock: Clock,
        limits: Limits,
        announcer: Announcer | None = None,
        cache: Cache | None = None,
        replicas: Replicas | None = None,
    ) -> None:
        self.catalog = catalog
        self.clock = clock
        self.ring = ring
        self.database = database
        self.codec = Codec(catalog)
        self.announcer = announcer or Announcer(catalog)
        self.tally = Tally(database, clock)
        self.key_watch = KeyWatch(database, ring)
        self._witness: Witness = _nobody
        self.pieces = Pieces(database, clock, self._opened)
        self._limits = limits
        self._derived = DerivedCache()
        self._preparing = asyncio.Semaphore(2)
        environment = Environment(catalog, self.codec, clock, limits.idempotency_lifetime, self._derived, _report, limits.recency)
        executor = Executor(database, ring, environment, self.announcer.committed, cache, tells_position=replicas is not None)
        self._reader = Reader(database, ring, self.codec, clock, cache)
        self.positions = None if replicas is None else Positions(partial(ring.derive, POSITION_KEY), clock)
        self._follower = Follower(database, ring, self.codec, clock)
        self._looker = Looker(database, ring, self.codec, clock, replicas)
        most, patience, capacity = limits.batch, limits.patience, limits.queue
        # Without gathering each lane may use half of the pool at once, as a server that never gathered would.
        width = 1 if most > 1 else max(1, database.settings.largest // 2)
        bounds: dict[str, Any] = {"most": most, "patience": patience, "capacity": capacity, "width": width}
        self._executor = executor
        self._recorder = Recorder(self._write_record, clock)
        self._long = asyncio.Semaphore(_LONG_AT_ONCE)
        self._waiting_long = 0
        self.writes: Lane[Parcel] = Lane(executor.run, name="write", **bounds)
        self.reads: Lane[PendingRead] = Lane(self._reader.run, name="read", **bounds)
        self.follows: Lane[PendingFollow] = Lane(self._follower.run, name="follow", **bounds)

    def watch_use(self, witness: Witness) -> None:
        """Has every command and read told to `witness`, whatever comes of it. It may not wait or fail."""
        self._witness = witness

    def spread_if(self, allowed: Spreads) -> None:
        """Lets replicas answer only those of whom `allowed` says so; without it, everybody. It must not fail."""
        self._looker.spreads = allowed

    async def execute(
        self,
        envelopes: Sequence[Envelope],
        *,
        dry_run: bool = False,
        atomic: bool = False,
        rehearsal: Rehearsal | None = None,
        closing: Closing | None = None,
    ) -> list[Outcome]:
        """One outcome for each envelope, in order. A refused command changes nothing; with `atomic`, nor do the others.

        A list longer than a batch is run in batches, each committed before the next unless `atomic`. With `dry_run`
        everything is decided as it would be and nothing but the record of the attempt is stored; who makes one dry run in
        several calls hands the same `rehearsal` to each. With `closing` all go in one transaction, and so does the command that
        it makes of their outcomes, which has no outcome here.
        """
        admitted = [admit(self.catalog, envelope) for envelope in envelopes]
        if any(each.command_type.prepare is not None for each in admitted):
            admitted = [await self._prepared(each) for each in admitted]
        if dry_run and rehearsal is None:
            rehearsal = Rehearsal()
        outcomes: list[Outcome] = []
        together = atomic or closing is not None
        for tenant, chunk in _chunks(admitted, len(admitted) if together else self._limits.batch):
            rehearsed = rehearsal if dry_run else None
            parcel = Parcel(tenant, chunk, atomic=atomic, dry_run=dry_run, rehearsal=rehearsed, closing=closing)
            try:
                outcomes.extend(await self._settle(parcel))
            except OverloadedError:
                refusal = Refusal(OVERLOADED, retry_after=1)
                outcomes.extend(Outcome(each.aggregate.kind, each.envelope.command.id, refusal=refusal) for each in chunk)
        came = Counter((each.command_type.name, _word(outcome)) for each, outcome in zip(admitted, outcomes, strict=True))
        for labels, number in came.items():
            metrics.commands(*labels).inc(number)
        for each in admitted:
            self._witness(each.envelope.actor, each.envelope.origin, each.command_type.name)
        return outcomes

    async def _prepared(self, admitted: Admitted) -> Admitted:
        prepare = admitted.command_type.prepare
        if prepare is None or admitted.refusal is not None:
            return admitted
        async with self._preparing:
            prepared = await asyncio.to_thread(prepare, admitted.envelope.command)
        return msgspec.structs.replace(admitted, prepared=prepared)

    async def derive(self, tenant: UUID, snapshot: Snapshot) -> Any:
        """What is derived of an aggregate just read, such as the compiled form of a questionnaire. Done once, and in a thread."""
        target = (tenant, snapshot.kind, snapshot.id)
        aggregate = self.catalog.kinds[snapshot.kind]
        if aggregate.derive is None:
            return None
        immutable = aggregate.immutable is not None and aggregate.immutable(snapshot.state)
        if immutable and await self._derived.derive(self.catalog, target, snapshot):
            found = self._derived.get(target)
            if found is not None:
                return found[1]
        return await asyncio.to_thread(aggregate.derive, snapshot.state)

    async def _settle(self, parcel: Parcel) -> list[Outcome]:
        """The outcomes of a parcel. One too long for a batch runs beside the lane, so that nobody waits behind it."""
        if parcel.weight <= max(self._limits.batch, _LONG):
            return await self.writes.submit(parcel)
        if self._waiting_long >= _MOST_LONG:
            raise OverloadedError
        self._waiting_long += 1
        try:
            async with self._long:
                await self._executor.run([parcel])
        finally:
            self._waiting_long -= 1
        return await parcel.future

    async def read(self, read: Read) -> Snapshot:
        """The aggregate as it is now. Its access record is durable when this returns.

        Raises:
            Refused: `not-found`, `forbidden`, `unauthenticated`, `overloaded` or `temporarily-unavailable`.
        """
        return await self._settled(await self._pending(read, view_will_do=False))

    async def view(self, read: Read) -> View:
        """What a caller sees of the aggregate as it is now, as JSON: cheaper than a snapshot. Raises as `read` does."""
        pending = await self._pending(read, view_will_do=True)
        found = await self._settled(pending)
        return found if isinstance(found, View) else self._reader.view(self.catalog.kinds[read.kind], pending, found)

    async def _pending(self, read: Read, *, view_will_do: bool) -> PendingRead:
        granted = await self._granted(read, read.permission, read.kind, read.id, read.action)
        return PendingRead(read, own_compartment_only=granted.own_compartment_only, view_will_do=view_will_do)

    async def _settled(self, pending: PendingRead) -> Any:
        read = pending.read
        try:
            found = await self.reads.submit(pending)
        except OverloadedError as error:
            metrics.reads(read.kind, OVERLOADED.code).inc()
            raise Refused(Refusal(OVERLOADED, retry_after=1)) from error
        except Refused as refused:
            metrics.reads(read.kind, refused.refusal.code).inc()
            raise
        metrics.reads(read.kind, "ok").inc()
        return found

    async def follow(self, follow: Follow) -> Followed:
        """What happened since a version, for several readers. Each that is shown it is recorded, durably, when this returns.

        Raises:
            Refused: a reader has no permission for it at all; `overloaded` or `temporarily-unavailable`.
        """
        grants = [await self._granted(read, read.permission, read.kind, read.id, read.action) for read in follow.readers]
        kind = follow.readers[0].kind
        try:
            followed: Followed = await self.follows.submit(PendingFollow(follow, grants))
        except OverloadedError as error:
            raise Refused(Refusal(OVERLOADED, retry_after=1)) from error
        for refusal in followed.refusals:
            metrics.reads(kind, refusal.code if refusal else "ok").inc()
        return followed

    async def versions(self, wanted: dict[UUID, Wanted]) -> Versions:
        """How far aggregates are, and which sessions live, for those who wait for that. Nothing is shown, so nothing recorded.

        Raises:
            Refused: the database is out of reach.
        """
        return await self._follower.versions(wanted)

    async def history(self, read: Read, *, most: int = _NEWEST) -> list[Entry]:
        """The aggregate's entries up to version `most`, oldest first, recorded like a read. Raises as `read` does."""
        granted = await self._granted(read, read.permission, read.kind, read.id, read.action)
        return await self._looker.history(read, own_compartment_only=granted.own_compartment_only, most=most)

    async def search(self, search: Search, query: Callable[[Any], Awaitable[Result]]) -> Result:
        """What `query` finds when given a connection that sees the actor's clinic only. Recorded; raises as `read` does.

        `query` reads the room's own tables, and may be run twice. When `compartment_of` gives one, it must filter by it.
        """
        granted = await self._granted(search, search.permission, search.kind, UUID(int=0), search.action)
        return await self._looker.search(search, own_compartment_only=granted.own_compartment_only, query=query)

    def allows(self, actor: Actor, permission: Permission) -> bool:
        """Whether an actor may do this to anything at all, be it only in its own compartment."""
        return grant(actor.scopes, permission) is not None

    async def find(self, search: Search, finder: Finder, wanted: Selection) -> list[Found]:
        """What is wanted among all that the actor may see. Recorded as one search; raises as `read` does."""

        async def query(connection: Any) -> list[Found]:
            return await finding.find(connection, finder, wanted, self.compartment_of(search.actor, search.permission))

        return await self.search(search, query)

    async def count(self, search: Search, finder: Finder, conditions: tuple[Condition, ...]) -> int:
        """How many `find` would find without a limit. As `find`."""

        async def query(connection: Any) -> int:
            return await finding.count(connection, finder, conditions, self.compartment_of(search.actor, search.permission))

        return await self.search(search, query)

    def compartment_of(self, actor: Actor, permission: Permission) -> bytes | None:
        """The blind index that a search by `actor` must be held to; None when the whole clinic is open to it."""
        granted = grant(actor.scopes, permission)
        if granted is not None and not granted.own_compartment_only:
            return None
        return self.blind(actor.tenant)(actor.subject or "")

    async def record(self, actor: Actor, origin: Origin, action: str, kind: str, entity: UUID, outcome: str) -> None:
        """Writes an access record of something that was no command; durable when this returns.

        Raises:
            Refused: it cannot be written now.
        """
        await self._recorder.each(Noted(actor, origin.door, action, kind, entity, outcome), origin)

    async def record_often(self, actor: Actor, origin: Origin, action: str, kind: str, entity: UUID, outcome: str) -> None:
        """As `record`, of what may come by the hundred, such as failed log-ins: then one record tells how many there were."""
        await self._recorder.often(Noted(actor, origin.door, action, kind, entity, outcome), origin)

    async def _write_record(self, tenant: UUID, record: StoredAccess) -> None:
        try:
            await self.writes.submit(Parcel(tenant, (), records=(record,)))
        except OverloadedError as error:
            raise Refused(Refusal(OVERLOADED, retry_after=1)) from error

    async def know_keys(self) -> None:
        """Sees to it that what is derived from the installation's keys can be had. Raises `Refused` when it cannot be now."""
        if not self.ring.known:
            await self.key_watch.look()

    async def open_keys(self, tenant: UUID) -> None:
        """Opens (or makes) a tenant's keys, so that `blind` can be used."""
        await self._opened(tenant)

    async def blinding(self, tenant: UUID) -> Callable[[str], bytes]:
        """The tenant's blind index function, its keys opened first where need be."""
        return (await self._opened(tenant)).blind

    async def seal(self, tenant: UUID, text: bytes, purpose: str) -> str:
        """A text that callers carry for us and cannot read, to be used in this tenant for this purpose only: URL-safe."""
        sealed = (await self._opened(tenant)).seal(text, "token", purpose, "")
        return base64.urlsafe_b64encode(sealed).decode("ascii").rstrip("=")

    async def unseal(self, tenant: UUID, sealed: str, purpose: str) -> bytes | None:
        """What was sealed; None when it was not, or not here, or not for this."""
        keys = await self._opened(tenant)
        try:
            return keys.open(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)), "token", purpose, "")
        except (ValueError, UnreadableError):
            return None

    async def _opened(self, tenant: UUID) -> TenantKeys:
        keys = self.ring.cached(tenant)
        if keys is None:
            async with self.database.connection() as connection:
                keys = await self.ring.get(connection, tenant)
        return keys

    def blind(self, tenant: UUID) -> Callable[[str], bytes]:
        """The tenant's blind index function. Its keys must be open, which any command or read of the tenant sees to.

        Raises:
            LookupError: they are not open yet.
        """
        keys = self.ring.cached(tenant)
        if keys is None:
            raise LookupError("the tenant's keys are not open in this process")
        return keys.blind

    async def close(self) -> None:
        """Waits for what was accepted, and writes what was counted."""
        await self._recorder.close()
        async with AsyncExitStack() as nobody_long:
            for _ in range(_LONG_AT_ONCE):
                await nobody_long.enter_async_context(self._long)
            await self.writes.close()
        await self.reads.close()
        await self.follows.close()
        await self.tally.close()

    async def _granted(self, who: Any, permission: Permission, kind: str, entity: UUID, action: str) -> Grant:
        self._witness(who.actor, who.origin, f"{kind}.{action}")
        granted = grant(who.actor.scopes, permission)
        if granted is not None and not in_place(who.actor, who.origin):
            await self.record(who.actor, who.origin, action, kind, entity, FORBIDDEN.code)
            raise Refused(ELSEWHERE)
        if granted is None:
            await self.record(who.actor, who.origin, action, kind, entity, FORBIDDEN.code)
            raise Refused(Refusal(FORBIDDEN, f"This needs {permission.resource}.{permission.action}."))
        return granted


def _word(outcome: Outcome) -> str:
    """What came of a command, in a word."""
    return outcome.refusal.code if outcome.refusal else "replayed" if outcome.replayed else "ok"


def _nobody(_actor: Actor, _origin: Origin, _operation: str) -> None:
    """Nobody wants to know."""


def _chunks(admitted: Sequence[Admitted], size: int) -> list[tuple[UUID, list[Admitted]]]:
    """Runs of commands of one tenant, in order, none longer than `size`."""
    chunks: list[tuple[UUID, list[Admitted]]] = []
    for each in admitted:
        tenant = each.envelope.actor.tenant
        if not chunks or chunks[-1][0] != tenant or len(chunks[-1][1]) >= size:
            chunks.append((tenant, []))
        chunks[-1][1].append(each)
    return chunks


def _report(error: BaseException, admitted: Admitted | None) -> None:
    """Logs a fault of ours: which command, which kind of error, where. Never a value."""
    fields: dict[str, Any] = describe(error)
    if admitted is not None:
        fields |= {"command": admitted.command_type.name, "kind": admitted.aggregate.kind}
        fields |= {"request_id": admitted.envelope.origin.request_id}
    _log.error("kernel.command-failed", **fields)


__all__ = ["Follow", "Followed", "Kernel", "Limits", "Read", "Rehearsal", "Search", "Versions", "View", "Wanted"]
