"""Checks in the database: telemetry of all clinics, through functions that hand out ids, instants and words of the program only.

Every call is one statement that commits by itself. What is due is told by the database's clock, the same for all schedulers and
workers, unless another clock is given.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from keepwell.domains.checks.models import (
    CheckRequest,
    DueBeat,
    MonitorState,
    Result,
    Run,
    Settled,
    Standing,
    Stretch,
    Transition,
    Vote,
)
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot
from keepwell.kit.time import Clock
from keepwell.platform.postgres import Database

_STORE = "SELECT * FROM check_store($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
_DECIDE = (
    "SELECT tenant_id, monitor_id FROM check_decide($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
    " $18, $19, $20, $21, $22)"
)
_SETTLED = "SELECT * FROM check_settled($1, $2, $3, $4, $5, $6, $7)"


def _row(snapshot: Snapshot, _blind: object) -> tuple[UUID, datetime]:
    state: CheckRequest = snapshot.state
    return state.monitor, state.requested_at


LOOKUP = Lookup(table="check_request", columns={"monitor_id": "uuid", "requested_at": "timestamptz"}, row=_row)
"""What was asked for, until a scheduler puts it before the workers."""


class CheckStore:
    """Schedule, runs, results and states of all clinics, as schedulers and workers see them."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock

    async def follow(self) -> int | None:
        """Brings the schedule to what monitors are now; how many changed, None while another scheduler is at it."""
        return await self._value("SELECT check_follow($1)", self._at)

    async def tick(self, ahead: float, most: int) -> tuple[int, int] | None:
        """Puts what is due before the workers: how many monitors, and how many instants passed unseen. Or None."""
        rows = await self._rows("SELECT moved, missed FROM check_tick($1, $2, $3)", self._at, ahead, most)
        return (rows[0]["moved"], rows[0]["missed"]) if rows else None

    async def expire(self, most: int) -> int:
        """Gives up what no worker began; how many checks that were."""
        return await self._value("SELECT check_expire($1, $2)", self._at, most)

    async def claim(self, region: str, most: int, lease: UUID, seconds: float) -> list[Run]:
        """Takes up to so many checks of a region, held for so many seconds."""
        rows = await self._rows("SELECT * FROM check_claim($1, $2, $3, $4, $5)", self._at, region, most, lease, seconds)
        return [Run(*row.values()) for row in rows]

    async def prolong(self, lease: UUID, seconds: float) -> int:
        """Holds what is held for longer; how many checks that are."""
        return await self._value("SELECT check_prolong($1, $2, $3)", self._at, lease, seconds)

    async def release(self, lease: UUID, runs: Sequence[tuple[Run, float, str | None]]) -> int:
        """Frees checks, each for another attempt after so many seconds, or after an error of ours by its name."""
        columns = (
            [run.tenant for run, _, _ in runs],
            [run.monitor for run, _, _ in runs],
            [run.scheduled_at for run, _, _ in runs],
            [run.region for run, _, _ in runs],
            [delay for _, delay, _ in runs],
            [error for _, _, error in runs],
        )
        return await self._value("SELECT check_release($1, $2, $3, $4, $5, $6, $7, $8)", self._at, lease, *columns)

    async def give_back(self, lease: UUID) -> int:
        """Gives back everything a worker holds; how many checks that were."""
        return await self._value("SELECT check_give_back($1)", lease)

    async def store(self, lease: UUID, done: Sequence[tuple[Run, Result]]) -> list[Standing]:
        """Stores results of checks that are still held, each once; what is to be judged now."""
        results = [result for _, result in done]
        columns = (
            [run.tenant for run, _ in done],
            [run.monitor for run, _ in done],
            [run.scheduled_at for run, _ in done],
            [run.region for run, _ in done],
            *([getattr(result, name) for result in results] for name in _COLUMNS),
        )
        return [_standing(row) for row in await self._rows(_STORE, self._at, lease, *columns)]

    async def load(self, monitors: Sequence[tuple[UUID, UUID]]) -> list[Standing]:
        """The states of monitors, with what came in since they were set."""
        columns = [tenant for tenant, _ in monitors], [monitor for _, monitor in monitors]
        return [_standing(row) for row in await self._rows("SELECT * FROM check_load($1, $2)", *columns)]

    async def decide(
        self,
        decided: Sequence[tuple[Standing, MonitorState, Sequence[Transition]]],
    ) -> set[tuple[UUID, UUID]]:
        """Sets states that are still as they were loaded, with their transitions; which those are."""
        states = [state for _, state, _ in decided]
        made = [(standing, transition) for standing, _, transitions in decided for transition in transitions]
        columns: tuple[list[Any], ...] = (
            [standing.tenant for standing, _, _ in decided],
            [standing.monitor for standing, _, _ in decided],
            [standing.revision for standing, _, _ in decided],
            *([getattr(state, name) for state in states] for name in _STATE),
            [transition.id for _, transition in made],
            [standing.tenant for standing, _ in made],
            [standing.monitor for standing, _ in made],
            *([getattr(transition, name) for _, transition in made] for name in _TRANSITION),
        )
        return {(row["tenant_id"], row["monitor_id"]) for row in await self._rows(_DECIDE, self._at, *columns)}

    async def settled(
        self, since: Mapping[tuple[UUID, UUID], datetime], width: timedelta, patience: timedelta, most: int
    ) -> dict[tuple[UUID, UUID], Settled]:
        """What came of monitors' checks since an instant of each, in stretches of `width`, at most so many. Nobody waits longer
        than `patience` for a check to be made.
        """
        columns = [tenant for tenant, _ in since], [monitor for _, monitor in since], list(since.values())
        rows = await self._rows(_SETTLED, self._at, *columns, width, patience, most)
        return {(row["tenant_id"], row["monitor_id"]): _settled(row) for row in rows}

    async def unjudged(self, most: int) -> list[tuple[UUID, UUID]]:
        """Clinic and monitor of which results were stored and not judged."""
        return [tuple(row.values()) for row in await self._rows("SELECT * FROM check_unjudged($1)", most)]

    async def untold(self, most: int) -> list[tuple[UUID, UUID, Transition]]:
        """Clinic, monitor and transition where an incident is still to be opened or resolved, the oldest first."""
        rows = await self._rows("SELECT * FROM check_untold($1)", most)
        return [
            (
                row["tenant_id"],
                row["monitor_id"],
                Transition(
                    row["id"],
                    row["at"],
                    row["before"],
                    row["after"],
                    row["reason"],
                    None,
                    row["flapping"],
                    row["incident_id"],
                ),
            )
            for row in rows
        ]

    async def told(self, transitions: Sequence[tuple[UUID, UUID]]) -> None:
        """Notes that incidents followed. `transitions` are clinic and id."""
        await self._value(
            "SELECT check_told($1, $2, $3)",
            self._at,
            [tenant for tenant, _ in transitions],
            [id_ for _, id_ in transitions],
        )

    async def beat(
        self,
        monitor: tuple[UUID, UUID],
        at: datetime,
        outcome: tuple[str, str | None] | None,
        next_at: datetime,
        expected: datetime | None = None,
    ) -> bool:
        """A sign of life, or with `expected` that none came by then; no outcome: it is due later. Whether it counted."""
        status, reason = outcome or (None, None)
        arguments = (*monitor, at, status, reason, next_at, expected)
        return await self._value("SELECT check_beat($1, $2, $3, $4, $5, $6, $7)", *arguments)

    async def beats_due(self, most: int) -> list[DueBeat]:
        """Heartbeats whose next sign of life is due, the longest due first."""
        return [DueBeat(*row.values()) for row in await self._rows("SELECT * FROM check_beats_due($1, $2)", self._at, most)]

    async def held(self) -> list[tuple[UUID, UUID, datetime, str, int, str | None]]:
        """What could not be made, of all clinics, the oldest first, at most a thousand."""
        return [tuple(row.values()) for row in await self._rows("SELECT * FROM check_held()")]

    async def redrive(self, tenant: UUID, monitor: UUID) -> int:
        """Has a monitor checked now in place of what is held of it; how many checks were held."""
        return await self._value("SELECT check_redrive($1, $2)", tenant, monitor)

    async def measures(self) -> list[tuple[str, str, int, float]]:
        """Region, state, number and age in seconds of what lies there."""
        return [tuple(row.values()) for row in await self._rows("SELECT * FROM check_measures()")]

    async def partitions(self, today: datetime, ahead: int, kept: int) -> int:
        """Makes the partitions of the days ahead, and drops those of days that were kept long enough; how many that were."""
        return await self._value("SELECT check_partitions($1, $2, $3)", today.date(), ahead, kept)

    async def trim(self, largest: int) -> int:
        """Drops the oldest days of clinics that have more results than this; how many results went."""
        return await self._value("SELECT check_trim($1)", largest)

    @property
    def _at(self) -> datetime | None:
        return None if self._clock is None else self._clock.now()

    async def _rows(self, statement: str, *arguments: Any) -> list[Any]:
        async with self._database.connection() as connection:
            return await connection.fetch(statement, *arguments)

    async def _value(self, statement: str, *arguments: Any) -> Any:
        async with self._database.connection() as connection:
            return await connection.fetchval(statement, *arguments)


_COLUMNS = (
    "status",
    "reason",
    "attempts",
    "code",
    "delay_ms",
    "dns_ms",
    "connect_ms",
    "tls_ms",
    "first_byte_ms",
    "total_ms",
)
_STATE = ("status", "since", "settled_at", "reason", "suspended", "incident", "changes", "flapping")
_TRANSITION = ("at", "before", "after", "reason", "suspended", "flapping", "incident")


def _standing(row: Any) -> Standing:
    columns = (row["v_at"] or (), row["v_region"] or (), row["v_status"] or (), row["v_reason"] or ())
    return Standing(
        row["tenant_id"],
        row["monitor_id"],
        row["version"],
        row["revision"],
        MonitorState(
            row["status"],
            row["since"],
            row["settled_at"],
            row["reason"],
            row["suspended"],
            row["incident_id"],
            row["changes"],
            row["flapping"],
        ),
        row["parent_down"],
        tuple(Vote(*vote) for vote in zip(*columns, strict=True)),
    )


def _settled(row: Any) -> Settled:
    columns = (row["v_at"] or (), row["v_attempts"] or (), row["v_failed"] or (), row["v_average"] or ())
    return Settled(row["version"], row["until"], tuple(Stretch(*each) for each in zip(*columns, strict=True)))
