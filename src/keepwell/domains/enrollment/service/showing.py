"""What callers see of batches: how far they are, what came of each row, a report of all of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from msgspec.structs import asdict

from keepwell.domains.enrollment.models import PART_ROWS, Batch, BatchView, Counts, Part, Phase, RowOutcome, RowView
from keepwell.domains.enrollment.rules.rows import GOOD
from keepwell.domains.enrollment.service.settings import BATCH, PART, RESOURCE, EnrollmentSettings
from keepwell.domains.enrollment.store import (
    BATCHES,
    DayCounts,
    PhaseCounts,
    by_day,
    counts,
    parts_holding,
)
from keepwell.domains.uploads import csv_lines
from keepwell.kernel import (
    Actor,
    Comparison,
    Condition,
    Found,
    Kernel,
    Origin,
    Permission,
    Read,
    Search,
    Selection,
    Snapshot,
)

_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")
_PARTS_AT_ONCE = 8


class Showing:
    """Reads of batches."""

    def __init__(self, kernel: Kernel, settings: EnrollmentSettings) -> None:
        self._kernel = kernel
        self._settings = settings

    async def get(self, actor: Actor, id: UUID, origin: Origin) -> Snapshot:
        """One batch; the state is a `Batch`. Raises `Refused` as any read."""
        return await self._kernel.read(Read(BATCH, id, actor, origin, _READ))

    async def show(self, actor: Actor, id: UUID, origin: Origin) -> BatchView:
        """One batch, with what came of its rows so far. Raises as `get` does."""
        return await self._view(actor, await self.get(actor, id, origin), origin)

    async def page(self, actor: Actor, origin: Origin, program: UUID | None, after: UUID | None, limit: int) -> list[BatchView]:
        """Batches, the newest first; of one program, if one is named. Raises as `get` does."""
        of: tuple[Condition, ...] = () if program is None else (((Comparison("program", "=", program),),),)
        wanted = Selection(of, after=None if after is None else Found(after), limit=limit)
        found = await self._kernel.find(Search(BATCH, actor, origin, _SEARCH), BATCHES, wanted)
        return [await self.show(actor, one.id, origin) for one in found]

    async def _view(self, actor: Actor, snapshot: Snapshot, origin: Origin) -> BatchView:
        state: Batch = snapshot.state
        search = Search(BATCH, actor, origin, _READ, "count-rows")
        found = await self._kernel.search(search, lambda connection: counts(connection, state.id))
        return batch_view(state, found, self._kernel.clock.now(), self._settings.stall, snapshot.updated_at)

    async def rows(self, actor: Actor, id: UUID, origin: Origin, result: str, after: int, limit: int) -> list[RowView]:
        """What came of rows, those after row `after`; of one result only, unless that is empty. Raises as `get` does."""
        batch: Batch = (await self.get(actor, id, origin)).state
        shown: list[RowView] = []
        async for views in self._all(actor, batch, origin, result, after):
            shown += views
            if len(shown) >= limit:
                break
        return shown[:limit]

    async def report(self, actor: Actor, id: UUID, origin: Origin) -> AsyncIterator[bytes]:
        """Every row's outcome, as CSV with a header. Raises as `get` does, before the first line."""
        batch: Batch = (await self.get(actor, id, origin)).state
        return self._lines(actor, batch, origin)

    async def _lines(self, actor: Actor, batch: Batch, origin: Origin) -> AsyncIterator[bytes]:
        yield csv_lines([("row", "outcome", "reason", "participant", "attempts")])
        async for views in self._all(actor, batch, origin, "", 0):
            yield csv_lines([(one.row, one.outcome, one.reason or "", one.participant or "", one.attempts) for one in views])

    async def _all(self, actor: Actor, batch: Batch, origin: Origin, result: str, after: int) -> AsyncIterator[list[RowView]]:
        # What did not come through all together shows as other results than those recorded: every part is looked at then.
        search, phase, aborted = Search(PART, actor, origin, _READ, "list-rows"), shown_phase(batch), is_aborted(batch)
        first, wanted = after // PART_ROWS, "" if aborted else result
        while True:
            query = partial(parts_holding, batch=batch.id, phase=phase, result=wanted, first=first, limit=_PARTS_AT_ONCE)
            found = await self._kernel.search(search, query)
            reads = (self._kernel.read(Read(PART, id_, actor, origin, _READ, "list")) for id_, _ in found)
            for snapshot in await asyncio.gather(*reads):
                views = row_views(snapshot.state, aborted=aborted)
                yield [one for one in views if one.row > after and result in ("", one.outcome)]
            if len(found) < _PARTS_AT_ONCE:
                return
            first = found[-1][1] + 1

    async def days(self, actor: Actor, origin: Origin, since: datetime) -> list[DayCounts]:
        """What came of the rows of each program's batches, by day. Raises as `get` does."""
        return await self._kernel.search(Search(BATCH, actor, origin, _SEARCH), lambda connection: by_day(connection, since))


def shown_phase(batch: Batch) -> Phase:
    """The phase whose rows count: the rehearsal's while an atomic batch is not past it."""
    failed = batch.status == "failed" and batch.reason == "rows-refused"
    return "rehearsal" if batch.atomic and not batch.dry_run and failed else "run"


def is_aborted(batch: Batch) -> bool:
    """Whether the rows that would have come through did not, because others of an atomic batch did not."""
    return batch.atomic and batch.status == "failed"


def batch_view(batch: Batch, found: dict[str, PhaseCounts], now: datetime, stall: float, updated_at: datetime) -> BatchView:
    """A batch as callers see it."""
    phase = found.get(shown_phase(batch))
    results = dict.fromkeys(("enrolled", "unchanged", "updated", "conflict", "refused", "dead"), 0)
    if phase is not None:
        results |= phase.results
    if is_aborted(batch):
        results["refused"] += sum(results[name] for name in GOOD)
        results |= dict.fromkeys(GOOD, 0)
    rows = Counts(batch.total, **results)
    latest = max((each.at for each in found.values()), default=updated_at)
    moves = batch.status in ("queued", "running")
    stalled = moves and (now - max(latest, updated_at)).total_seconds() > stall
    rate, end = _pace(batch, rows, now)
    shared = {name: value for name, value in asdict(batch).items() if name in BatchView.__struct_fields__}
    return BatchView(**shared, rows=rows, rate=rate, estimated_end=end, stalled=stalled)


def _pace(batch: Batch, rows: Counts, now: datetime) -> tuple[float | None, datetime | None]:
    if batch.started_at is None or not rows.done:
        return None, None
    seconds = max(0.001, ((batch.finished_at or now) - batch.started_at).total_seconds())
    rate = rows.done / seconds
    going = batch.status == "running" and batch.task == "enroll"
    return round(rate, 1), now + timedelta(seconds=(rows.total - rows.done) / rate) if going else None


def row_views(part: Part, *, aborted: bool) -> list[RowView]:
    """The rows of a part as callers see them."""
    undone, left = set(part.undone), set(part.left)
    return [_row_view(outcome, undone, left, aborted=aborted) for outcome in part.rows]


def _row_view(outcome: RowOutcome, undone: set[int], left: set[int], *, aborted: bool) -> RowView:
    result, reason = outcome.result, outcome.reason
    if outcome.row in undone:
        reason = "rolled-back"
    elif outcome.row in left:
        reason = "changed-since"
    elif aborted and result in GOOD:
        result, reason = "refused", "aborted"
    return RowView(outcome.row, result, reason, outcome.participant, outcome.attempts)
