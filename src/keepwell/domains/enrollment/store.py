"""Where batches and their parts are found, and how many rows came to what."""

from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from keepwell.domains.enrollment.models import Batch, Part
from keepwell.domains.enrollment.rules import batches, parts
from keepwell.kernel import Finder
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

RESULTS = ("enrolled", "unchanged", "updated", "conflict", "refused", "dead")
_SUMS = ", ".join(f"coalesce(sum({name}), 0)::int AS {name}" for name in (*RESULTS, "undone"))
# Names come from the constant above.
_COUNTS = f"""
SELECT phase, {_SUMS}, max(recorded_at) AS at FROM batch_part
WHERE tenant_id = current_tenant() AND batch = $1 GROUP BY phase
"""  # noqa: S608
_PARTS = (
    "SELECT id, number, complete FROM batch_part WHERE tenant_id = current_tenant() AND batch = $1 AND phase = $2 ORDER BY number"
)
_HOLDING = f"""
SELECT id, number FROM batch_part
WHERE tenant_id = current_tenant() AND batch = $1 AND phase = $2 AND number >= $3
    AND ($4 = '' OR CASE $4 {" ".join(f"WHEN '{name}' THEN {name}" for name in RESULTS)} END > 0)
ORDER BY number LIMIT $5
"""  # noqa: S608
_OPEN = "SELECT count(*) FROM batch WHERE tenant_id = current_tenant() AND status IN ('queued', 'running', 'paused')"
_RUNNABLE = "SELECT tenant_id, id, moved_at FROM directory_batches()"
_DAYS = f"""
SELECT b.program, (b.received_at AT TIME ZONE 'UTC')::date AS day, {_SUMS}
FROM batch b JOIN batch_part p ON p.tenant_id = b.tenant_id AND p.batch = b.id AND p.phase = 'run'
WHERE b.tenant_id = current_tenant() AND NOT b.dry_run AND b.received_at >= $1
GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608


class PartPlace(NamedTuple):
    """A part that is there."""

    id: UUID
    number: int
    complete: bool


class Runnable(NamedTuple):
    """A batch that somebody has to work on, and when it last moved."""

    tenant: UUID
    id: UUID
    moved_at: datetime


class PhaseCounts(NamedTuple):
    """How many rows of one phase came to what, and when the last did."""

    results: dict[str, int]
    undone: int
    at: datetime


class DayCounts(NamedTuple):
    """How many rows of one day's batches of a program came to what."""

    program: UUID
    day: date
    results: dict[str, int]


def _batch_row(snapshot: Snapshot, _blind: object) -> tuple[Any, ...]:
    state: Batch = snapshot.state
    about = (state.program, state.status, state.dry_run, state.received_at)
    return (*about, batches.runnable(state), snapshot.updated_at)


def _part_row(snapshot: Snapshot, _blind: object) -> tuple[Any, ...]:
    state: Part = snapshot.state
    counts = parts.counted(state)
    about = (state.batch, state.phase, state.number, parts.complete(state))
    return (*about, *(counts[name] for name in RESULTS), len(state.undone), snapshot.updated_at)


BATCH_LOOKUP = Lookup(
    table="batch",
    columns={
        "program": "uuid",
        "status": "text",
        "dry_run": "boolean",
        "received_at": "timestamptz",
        "runnable": "boolean",
        "moved_at": "timestamptz",
    },
    row=_batch_row,
)
PART_LOOKUP = Lookup(
    table="batch_part",
    columns={
        "batch": "uuid",
        "phase": "text",
        "number": "integer",
        "complete": "boolean",
        **dict.fromkeys((*RESULTS, "undone"), "integer"),
        "recorded_at": "timestamptz",
    },
    row=_part_row,
)
BATCHES = Finder(kind="batch", table="batch", columns={"program": "t.program", "status": "t.status"})


async def counts(connection: Any, batch: UUID) -> dict[str, PhaseCounts]:
    """How far each phase of a batch is."""
    rows = await connection.fetch(_COUNTS, batch)
    return {row["phase"]: PhaseCounts({name: row[name] for name in RESULTS}, row["undone"], row["at"]) for row in rows}


async def known_parts(connection: Any, batch: UUID, phase: str) -> list[PartPlace]:
    """The parts of a phase that anything was recorded of, by number."""
    return [PartPlace(*row) for row in await connection.fetch(_PARTS, batch, phase)]


async def parts_holding(connection: Any, batch: UUID, phase: str, result: str, first: int, limit: int) -> list[tuple[UUID, int]]:
    """Id and number of the parts from `first` on that hold rows of a result; of any, when it is empty."""
    return [tuple(row) for row in await connection.fetch(_HOLDING, batch, phase, first, result, limit)]


async def open_batches(connection: Any) -> int:
    """How many batches of the clinic are not finished."""
    return await connection.fetchval(_OPEN)


async def runnable_batches(connection: Any) -> list[Runnable]:
    """Every batch that somebody has to work on, the oldest first."""
    return [Runnable(*row) for row in await connection.fetch(_RUNNABLE)]


async def by_day(connection: Any, since: datetime) -> list[DayCounts]:
    """What came of the rows of each program's batches, by the day they were received."""
    rows = await connection.fetch(_DAYS, since)
    return [DayCounts(row["program"], row["day"], {name: row[name] for name in RESULTS}) for row in rows]
