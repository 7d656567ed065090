"""Running batches of commands: load, decide, store, and what to do when any of these fails.

A batch that lost a race is decided again, the tenant that lost it under row locks. A batch that a statement refused is
halved until the poison command stands alone. Nothing in flight is ever cancelled.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from msgspec import structs

from keepwell.kernel import lookups, metrics, store
from keepwell.kernel.admission import Admitted, admit
from keepwell.kernel.aggregate import Aggregate, Catalog
from keepwell.kernel.announce import Change
from keepwell.kernel.cache import Cache, Held
from keepwell.kernel.codec import Codec
from keepwell.kernel.envelope import Closing, Outcome
from keepwell.kernel.environment import Environment
from keepwell.kernel.gather import Gatherable
from keepwell.kernel.journal import StoredAccess
from keepwell.kernel.keys import KeyRing, TenantDestroyedError, TenantKeys, UnknownVersionError
from keepwell.kernel.plan import LookupRow, NeedMoreError, Past, Plan, Target
from keepwell.kernel.preconditions import mergeable
from keepwell.kernel.problems import (
    CONFLICT,
    IDEMPOTENCY_KEY_IN_USE,
    INTERNAL,
    OUTCOME_UNKNOWN,
    OVERLOADED,
    TOO_MUCH_AT_ONCE,
    UNAVAILABLE,
    Refusal,
    Refused,
)
from keepwell.kernel.rehearsal import Rehearsal
from keepwell.kernel.store import Loaded, StaleBatchError, StateRow, Wanted
from keepwell.platform.postgres import LOST, Database, DatabaseUnavailable
from keepwell.platform.telemetry import describe

_log = structlog.stdlib.get_logger("keepwell.kernel")
_HELD = Refusal(OVERLOADED, "Somebody else holds it for too long.", retry_after=1)
_ATTEMPTS = 8
_AT_ONCE = 64
_MOST_SHOWN = 64_000_000  # bytes
_LOCK_WAITS = 3
_RACES = (StaleBatchError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_ROLLED_BACK = (
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)


class Parcel(Gatherable):
    """Commands of one tenant that travel together, and access records to write with them."""

    __slots__ = ("admitted", "atomic", "closing", "dry_run", "judged", "records", "rehearsal")

    def __init__(
        self,
        tenant: UUID,
        admitted: Sequence[Admitted],
        *,
        atomic: bool = False,
        dry_run: bool = False,
        records: Sequence[StoredAccess] = (),
        rehearsal: Rehearsal | None = None,
        closing: Closing | None = None,
    ) -> None:
        super().__init__(tenant, max(1, len(admitted)))
        self.closing = closing
        self.rehearsal = rehearsal
        self.admitted = admitted
        self.atomic = atomic
        self.dry_run = dry_run
        self.records = records
        self.judged = False

    def judge(self, refusal: Refusal, culprits: Aggregate | None) -> None:
        """Lets commands of one kind (None: all) be decided once more, as refused: to be recorded, and kept for a retry."""
        self.admitted = [
            structs.replace(each, refusal=refusal) if culprits is None or each.aggregate is culprits else each
            for each in self.admitted
        ]
        self.judged = True

    def answer(self, outcomes: list[Outcome], codec: Codec) -> None:
        """Settles it with what was decided, which counts from now on."""
        if self.rehearsal is not None:
            self.rehearsal.settle(codec)
        self.resolve(outcomes)

    def refuse(self, refusal: Refusal) -> None:
        """Settles it with nothing done. Records alone have no outcome to carry the refusal: it is raised."""
        if not self.admitted:
            self.fail(Refused(refusal))
            return
        self.resolve([Outcome(each.aggregate.kind, each.envelope.command.id, refusal=refusal) for each in self.admitted])


class Executor:
    """Runs gathered parcels against one database. `committed` is told the changed aggregates after each commit.

    `tells_position`: callers' sessions learn how far the log was after it, so that replicas can be held to that.
    """

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        environment: Environment,
        committed: Callable[[Sequence[Change]], None],
        cache: Cache | None = None,
        *,
        tells_position: bool = False,
    ) -> None:
        self._database = database
        self._tells_position = tells_position
        self._ring = ring
        self._environment = environment
        self._committed = committed
        self._cache = cache

    async def run(self, parcels: Sequence[Parcel]) -> None:
        """Settles every parcel."""
        await self._attempt(parcels, attempt=0)

    async def _attempt(self, parcels: Sequence[Parcel], *, attempt: int) -> None:
        writing = False

        def on_write() -> None:
            nonlocal writing
            writing = True

        try:
            # Locks are taken once a race was lost: then nobody can win another one against this batch.
            lock = attempt > 0 or any(each.command_type.holds for parcel in parcels for each in parcel.admitted)
            answers = await self._once(parcels, lock=lock, on_write=on_write)
        except _RACES as race:
            await self._again(parcels, race, attempt + 1)
        except asyncpg.LockNotAvailableError:
            await self._waited_too_long(parcels)
        except DatabaseUnavailable as unavailable:
            _refuse_all(parcels, Refusal(UNAVAILABLE, "The database cannot be reached.", retry_after=unavailable.retry_after))
        except _ROLLED_BACK:
            _refuse_all(parcels, Refusal(UNAVAILABLE, "The database took too long, or takes no changes now.", retry_after=2))
        except LOST:
            lost = Refusal(OUTCOME_UNKNOWN if writing else UNAVAILABLE, "The connection to the database was lost.", retry_after=2)
            _refuse_all(parcels, lost)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one parcel's fault: it must not take its neighbours down
            await self._isolate(parcels, error, attempt)
        else:
            for parcel, outcomes in answers:
                parcel.answer(outcomes, self._environment.codec)

    async def _again(self, parcels: Sequence[Parcel], race: Exception, attempt: int) -> None:
        if attempt >= _ATTEMPTS:
            _refuse_all(parcels, Refusal(OVERLOADED, "Too many writers at once.", retry_after=1))
            return
        metrics.REDONE.labels("race").inc()
        loser = race.tenant if isinstance(race, StaleBatchError) else None
        losers = [parcel for parcel in parcels if loser is None or parcel.tenant == loser]
        others = [parcel for parcel in parcels if loser is not None and parcel.tenant != loser]
        if others:
            await self._attempt(others, attempt=0)
        await self._attempt(losers, attempt=attempt)

    async def _waited_too_long(self, parcels: Sequence[Parcel]) -> None:
        if len(parcels) > 1:
            # Alone, only those wait again that need what is held. When these are too many, the rest is not put through it.
            clock = asyncio.get_running_loop().time
            until = clock() + _LOCK_WAITS * self._database.settings.lock_timeout
            for parcel in parcels:
                if clock() < until:
                    await self._attempt([parcel], attempt=0)
                else:
                    parcel.refuse(_HELD)
        elif any(each.key for each in parcels[0].admitted):
            _refuse_all(parcels, Refusal(IDEMPOTENCY_KEY_IN_USE, retry_after=1))
        else:
            _refuse_all(parcels, _HELD)

    async def _isolate(self, parcels: Sequence[Parcel], error: Exception, attempt: int) -> None:
        if isinstance(error, TenantDestroyedError):
            await self._without(error, parcels, attempt)
            return
        if isinstance(error, Refused):
            _refuse_all(parcels, error.refusal)
            return
        if isinstance(error, UnknownVersionError):
            # Some process learned of a new key before this one. The next attempt asks for the keys again.
            await self._attempt(parcels, attempt=attempt)
            return
        metrics.REDONE.labels("isolated").inc()
        if len(parcels) > 1:
            half = len(parcels) // 2
            await self._attempt(parcels[:half], attempt=attempt)
            await self._attempt(parcels[half:], attempt=attempt)
            return
        (parcel,) = parcels
        if len(parcel.admitted) > 1 and not parcel.atomic:
            await self._one_by_one(parcel)
            return
        refusal, culprits = self._verdict(parcel, error)
        if parcel.judged or not parcel.admitted:
            parcel.refuse(refusal)
            return
        parcel.judge(refusal, culprits)
        await self._attempt(parcels, attempt=attempt)

    async def _without(self, destroyed: TenantDestroyedError, parcels: Sequence[Parcel], attempt: int) -> None:
        """Refuses what is of a tenant whose keys are gone, and goes on with the rest."""
        _refuse_all([parcel for parcel in parcels if parcel.tenant == destroyed.tenant], destroyed.refusal)
        others = [parcel for parcel in parcels if parcel.tenant != destroyed.tenant]
        if others:
            await self._attempt(others, attempt=attempt)

    async def _one_by_one(self, parcel: Parcel) -> None:
        same: dict[str, Any] = {"dry_run": parcel.dry_run, "rehearsal": parcel.rehearsal, "closing": parcel.closing}
        alone = [Parcel(parcel.tenant, [each], **same) for each in parcel.admitted]
        for each in alone:
            await self._attempt([each], attempt=0)
        parcel.resolve([each.future.result()[0] for each in alone])

    def _verdict(self, parcel: Parcel, error: Exception) -> tuple[Refusal, Aggregate | None]:
        """What an error of the database means to one parcel, and to which kind of its commands; None: to any of them."""
        if isinstance(error, asyncpg.UniqueViolationError | asyncpg.CheckViolationError):
            name = str(getattr(error, "constraint_name", ""))
            for each in parcel.admitted:
                lookup = each.aggregate.lookup
                if lookup is not None and name in lookup.violations:
                    return Refusal(lookup.violations[name]), each.aggregate
        if isinstance(error, asyncpg.UniqueViolationError):
            return Refusal(CONFLICT), None
        self._environment.report(error, parcel.admitted[0] if parcel.admitted else None)
        return Refusal(INTERNAL), None

    async def _once(
        self, parcels: Sequence[Parcel], *, lock: bool, on_write: Callable[[], None]
    ) -> list[tuple[Parcel, list[Outcome]]]:
        async with self._database.connection() as connection:
            keys = {tenant: await self._ring.get(connection, tenant) for tenant in {parcel.tenant for parcel in parcels}}
            if lock:
                async with connection.transaction():
                    plan, answers = await self._decide(connection, parcels, keys, lock=True)
                    on_write()
                    states, writer = await self._store(connection, plan, parcels, in_transaction=True)
            else:
                plan, answers = await self._decide(connection, parcels, keys, lock=False)
                on_write()
                states, writer = await self._store(connection, plan, parcels, in_transaction=False)
            if self._tells_position:
                await self._mark(connection, parcels)
        if states:
            self._tell(states, writer, plan, keys, kept=all(parcel.closing is None for parcel in parcels))
        return answers

    async def _mark(self, connection: Any, parcels: Sequence[Parcel]) -> None:
        """Tells each caller's session how far the log is. Where that fails, the session's next reads see the newest there is."""
        reached = 0
        try:
            reached = await connection.fetchval(store.POSITION)
        except Exception:  # noqa: BLE001 - everything is stored by now: this must not become its outcome
            with suppress(asyncpg.InterfaceError):  # it noticed its own end first
                connection.terminate()
        for parcel in parcels:
            for each in parcel.admitted:
                if (position := each.envelope.origin.position) is not None:
                    position.saw(reached)

    def _tell(self, states: Sequence[StateRow], writer: int, plan: Plan, keys: dict[UUID, TenantKeys], *, kept: bool) -> None:
        """Tells cache and listener what was committed. A failure there must not become the outcome of what is stored."""
        try:
            if kept:
                self._write_through(states, writer, plan, keys)
            self._committed([Change(row.tenant, row.kind, row.id, row.version) for row in states])
        except Exception as error:  # noqa: BLE001 - see above
            _log.error("kernel.change-not-told", count=len(states), **describe(error))

    def _write_through(self, states: Sequence[StateRow], writer: int, plan: Plan, keys: dict[UUID, TenantKeys]) -> None:
        """Hands what was committed to the cache. Views are sealed here where they are large, which is where it pays."""
        if self._cache is None:
            return
        for row in states:
            held = Held.of(row.version, row.head, writer, row.state)
            target = (row.tenant, row.kind, row.id)
            if row.kind in self._cache.kinds and self._cache.is_large(held) and (body := plan.view_of(target, row.head)):
                held = held._replace(view=self._environment.codec.seal_view(keys[row.tenant], row.kind, row.id, held.known, body))
            self._cache.keep(target, held)

    async def _decide(
        self, connection: Any, parcels: Sequence[Parcel], keys: dict[UUID, TenantKeys], *, lock: bool
    ) -> tuple[Plan, list[tuple[Parcel, list[Outcome]]]]:
        moment = self._environment.clock.now()
        wanted = _wanted(parcels, self._environment.catalog)
        loaded = Loaded({}, {}, set())
        if wanted:
            loaded = await store.load(connection, wanted, moment, lock=lock)
        known = {(tenant, *target) for tenant, want in wanted.items() for target in want.aggregates}
        held = set(known) if lock else set[Target]()
        pasts: dict[Target, Past] = {}
        underived: set[Target] = set()
        while True:
            plan = Plan(self._environment, keys, loaded, known, held, pasts, underived, moment)
            try:
                answers = [(each, await _outcomes(plan, each, self._environment.catalog)) for each in parcels]
                plan.complete()
            except NeedMoreError as need:
                for targets, locked in ((need.held, True), (need.targets - need.held, False)):
                    if targets:
                        more = await store.load(connection, _together(targets), moment, lock=locked)
                        loaded.aggregates.update(more.aggregates)
                known |= need.targets
                held |= need.held
                if need.events:
                    first = {**need.events, **_first_events(parcels, loaded)}
                    pasts.update(await self._events(connection, keys, loaded, first))
                for target, snapshot in need.derive.items():
                    if not await self._environment.derived.derive(self._environment.catalog, target, snapshot):
                        underived.add(target)
                continue
            return plan, answers

    async def _events(
        self, connection: Any, keys: dict[UUID, TenantKeys], loaded: Loaded, first: Mapping[Target, int]
    ) -> dict[Target, Past]:
        """The events of each aggregate from a version on, up to the one that was loaded."""
        targets = list(first)
        spans = [store.Span(*target, first[target], loaded.aggregates[target]["version"]) for target in targets]
        found: dict[Target, Past] = {}
        for target, rows in zip(targets, await store.entries(connection, spans), strict=True):
            tenant, kind, id_ = target
            opened = (self._environment.codec.open_event(keys[tenant], kind, id_, row["version"], row["payload"]) for row in rows)
            found[target] = Past(first[target], tuple(opened))
        return found

    async def _store(
        self, connection: Any, plan: Plan, parcels: Sequence[Parcel], *, in_transaction: bool
    ) -> tuple[list[StateRow], int]:
        """The stored aggregates, and the id of the transaction that stored them."""
        looked_up = plan.lookup_rows()
        if not looked_up or in_transaction:
            return await self._save(connection, plan, parcels, looked_up)
        async with connection.transaction():
            return await self._save(connection, plan, parcels, looked_up)

    async def _save(
        self, connection: Any, plan: Plan, parcels: Sequence[Parcel], looked_up: Sequence[LookupRow]
    ) -> tuple[list[StateRow], int]:
        states = plan.state_rows()
        records = [*plan.records, *(record for parcel in parcels for record in parcel.records)]
        writer = 0
        if states or plan.key_rows or records:
            writer = await store.write(connection, states, plan.entries, plan.key_rows, records)
        if looked_up:
            await lookups.save(connection, self._environment.catalog, looked_up)
        return states, writer


def _wanted(parcels: Sequence[Parcel], catalog: Catalog) -> dict[UUID, Wanted]:
    wanted: dict[UUID, Wanted] = {}
    for parcel in parcels:
        if parcel.closing is not None:
            wanted.setdefault(parcel.tenant, Wanted(set(), set(), set())).aggregates.add((parcel.closing.kind, parcel.closing.id))
        for each in parcel.admitted:
            if each.refusal is not None and not each.key:
                continue
            want = wanted.get(parcel.tenant)
            if want is None:
                want = wanted[parcel.tenant] = Wanted(set(), set(), set())
            want.aggregates.add((each.aggregate.kind, each.envelope.command.id))
            if each.key:
                want.keys.add(each.key)
            if each.envelope.actor.credential is not None:
                want.credentials.add(each.envelope.actor.credential)
            if (credential := each.proof_of) is not None:
                want.aggregates.update((kind, credential) for kind in catalog.proofs)
    return wanted


def _together(targets: set[Target]) -> dict[UUID, Wanted]:
    """Aggregates to load, by tenant."""
    wanted: dict[UUID, Wanted] = {}
    for tenant, kind, id_ in targets:
        wanted.setdefault(tenant, Wanted(set(), set(), set())).aggregates.add((kind, id_))
    return wanted


async def _outcomes(plan: Plan, parcel: Parcel, catalog: Catalog) -> list[Outcome]:
    """The outcomes of one parcel. Between the parts of a long one the rest of the process has its turn.

    Raises:
        Refused: what a long one would show is more than can be held at once.
    """
    commands, atomic, dry_run = parcel.admitted, parcel.atomic, parcel.dry_run
    mark = plan.begin(reversible=atomic or dry_run, shown=parcel.closing is None, rehearsal=parcel.rehearsal)
    outcomes: list[Outcome] = []
    shown = 0
    for start in range(0, len(commands), _AT_ONCE):
        if start:
            shown += sum(len(outcome.body) for outcome in outcomes[-_AT_ONCE:])
            if shown > _MOST_SHOWN:
                raise Refused(Refusal(TOO_MUCH_AT_ONCE))
            await asyncio.sleep(0)
        outcomes += plan.decide(commands[start : start + _AT_ONCE], dry_run=dry_run)
    outcomes = plan.end(mark, commands, outcomes, atomic=atomic, dry_run=dry_run)
    if parcel.closing is not None and not plan.lacks:
        _close(plan, catalog, parcel.closing, commands, outcomes)
    return outcomes


def _close(plan: Plan, catalog: Catalog, closing: Closing, commands: Sequence[Admitted], outcomes: Sequence[Outcome]) -> None:
    """Decides the last command of a parcel whose others are decided.

    Raises:
        Refused: it is not carried out, so nothing of the parcel may be.
    """
    pairs = [(each.envelope, outcome) for each, outcome in zip(commands, outcomes, strict=True)]
    [outcome] = plan.decide([admit(catalog, closing.make(pairs))], dry_run=False)
    if outcome.refusal is not None and not plan.lacks:
        raise Refused(outcome.refusal)


def _first_events(parcels: Sequence[Parcel], loaded: Loaded) -> dict[Target, int]:
    """Of each aggregate, the first version whose event a merging command of the batch needs."""
    first: dict[Target, int] = {}
    for parcel in parcels:
        for each in parcel.admitted:
            envelope = each.envelope
            target = (parcel.tenant, each.aggregate.kind, envelope.command.id)
            row = loaded.aggregates.get(target)
            if row is not None and each.command_type.merge is not None and mergeable(envelope, row["version"]):
                version: int = row["version"]
                first[target] = min(first.get(target, version), (envelope.if_match or 0) + 1)
    return first


def _refuse_all(parcels: Sequence[Parcel], refusal: Refusal) -> None:
    for parcel in parcels:
        parcel.refuse(refusal)


__all__ = ["Executor", "Parcel"]
