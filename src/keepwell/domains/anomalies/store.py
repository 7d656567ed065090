"""Series and anomalies in the database: telemetry of all clinics, through functions that hand out ids, instants and numbers only.

Every call is one statement that commits by itself. Time is the database's, unless another clock is given.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from keepwell.domains.anomalies.models import Anomaly, AnomalyView, Habit, Measure
from keepwell.domains.anomalies.rules.feeding import WIDTH
from keepwell.kit.time import Clock
from keepwell.platform.postgres import Database

_SAVE = (
    "SELECT tenant_id, monitor_id, measure FROM anomaly_save($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
    " $16, $17, $18, $19, $20)"
)
_PAGE = """
SELECT id, measure, at, ended_at, score, now, usual, ratio, explanation, CASE WHEN incident THEN id END FROM anomaly
WHERE tenant_id = current_tenant() AND monitor_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""


class Claimed(NamedTuple):
    """A series that is to be told what is new, as it is stored."""

    tenant: UUID
    monitor: UUID
    measure: Measure
    told_up_to: datetime
    learned: bytes | None
    course: bytes | None


class Saved(NamedTuple):
    """A series that was told everything before an instant, so many `values`; without `course` nothing is known of it any more."""

    before: Claimed
    told_up_to: datetime
    learned: bytes | None
    course: bytes | None
    values: int
    anomalies: Sequence[Anomaly]


class Untold(NamedTuple):
    """An anomaly whose incident is to be opened, or where it `opened` already, resolved."""

    tenant: UUID
    monitor: UUID
    anomaly: Anomaly
    opened: bool


class AnomalyStore:
    """The series and anomalies of all clinics, as those see them who tell of them."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock

    async def follow(self) -> None:
        """Begins the series of new monitors, and ends those of deleted ones."""
        await self._rows("SELECT anomaly_follow($1, $2)", self._at, WIDTH)

    async def claim(self, most: int, seconds: float) -> list[Claimed]:
        """Both series of up to so many monitors that may have to be told something; for so many seconds nobody else gets them."""
        rows = await self._rows("SELECT * FROM anomaly_claim($1, $2, $3, $4)", self._at, WIDTH, most, seconds)
        return [Claimed(*row.values()) for row in rows]

    async def save(self, told: Sequence[Saved]) -> set[tuple[UUID, UUID, str]]:
        """Sets series that nobody else has told anything since they were claimed, with their anomalies; which those are."""
        made = [(each.before, anomaly) for each in told for anomaly in each.anomalies]
        columns = (
            [each.before.tenant for each in told],
            [each.before.monitor for each in told],
            [each.before.measure for each in told],
            [each.before.told_up_to for each in told],
            [each.told_up_to for each in told],
            [each.learned for each in told],
            [each.course for each in told],
            [series.tenant for series, _ in made],
            [anomaly.id for _, anomaly in made],
            [series.monitor for series, _ in made],
            *([getattr(anomaly, name) for _, anomaly in made] for name in _ANOMALY),
        )
        return {tuple(row.values()) for row in await self._rows(_SAVE, *columns)}

    async def untold(self, most: int) -> list[Untold]:
        """Anomalies of which something is to be told, the oldest first."""
        rows = await self._rows("SELECT * FROM anomaly_untold($1)", most)
        return [_untold(row) for row in rows]

    async def note(self, told: Sequence[Untold], *, ends: bool) -> None:
        """Notes that incidents were opened, or resolved."""
        ids = [each.tenant for each in told], [each.anomaly.id for each in told]
        await self._rows("SELECT anomaly_told($1, $2, $3, $4)", self._at, *ids, ends)

    async def purge(self, before: datetime, most: int) -> int:
        """Deletes anomalies that ended before an instant, up to so many; how many."""
        return (await self._rows("SELECT anomaly_purge($1, $2)", before, most))[0][0]

    @property
    def _at(self) -> datetime | None:
        return None if self._clock is None else self._clock.now()

    async def _rows(self, statement: str, *arguments: Any) -> list[Any]:
        async with self._database.connection() as connection:
            return await connection.fetch(statement, *arguments)


_ANOMALY = ("measure", "at", "ended_at", "score", "habit", "now", "usual", "ratio", "explanation", "incident")


def _untold(row: Any) -> Untold:
    said: dict[str, Any] = {name: row[name] for name in _ANOMALY} | {"habit": Habit(row["habit"])}
    return Untold(row["tenant_id"], row["monitor_id"], Anomaly(row["id"], **said), row["opened"])


async def page(connection: Any, monitor: UUID, before: UUID | None, limit: int) -> list[AnomalyView]:
    """Anomalies of a monitor of the clinic, the newest first, from behind `before`. For queries handed to `Kernel.search`."""
    return [AnomalyView(*row.values()) for row in await connection.fetch(_PAGE, monitor, before, limit)]
