"""Series of a watched monitor: weeks of results as checks would have stored them, and the room that learns from them."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from math import pi, sin
from random import Random
from typing import Any
from uuid import UUID

from keepwell.domains.anomalies import AnomalyService
from keepwell.domains.anomalies.store import AnomalyStore
from keepwell.kit import zones
from tests.support.watching import Watch, service_over

FIVE = timedelta(minutes=5)
BERLIN = "Europe/Berlin"
_INSERT = """
INSERT INTO check_result (tenant_id, monitor_id, scheduled_at, region, status, instants, attempts, total_ms, stored_at)
SELECT $1, $2, at, 'default', status, 1, attempts, ms, at FROM unnest($3::timestamptz[], $4::text[], $5::integer[], $6::real[])
    r (at, status, attempts, ms)
"""
Row = tuple[datetime, str, int, float | None]
"""An instant, what was said of it, after how many attempts, and how many milliseconds that took."""


def anomalies_of(watch: Watch) -> AnomalyService:
    """The room in a process of its own, as it were, by the clock of the watch."""
    checks = service_over(watch.database, watch.clock)
    return AnomalyService(checks.reader.kernel, checks, AnomalyStore(watch.database, watch.clock))


def daily(at: datetime) -> float:
    """A latency in milliseconds at an instant: by the clocks of Berlin half as much by night as by day, with some noise."""
    shown = zones.local_time(at, BERLIN)
    part = (shown.hour * 60 + shown.minute) / 1440
    noise = Random(int(at.timestamp()))  # noqa: S311 - noise, the same in every run
    return float(round(1000 + 500 * sin(2 * pi * (part - 0.25)) + noise.gauss(0, 40)))


def each_five(since: datetime, until: datetime, latency: Callable[[datetime], float] = daily) -> Iterable[Row]:
    """A check that is up in each five minutes of a stretch of time."""
    while since < until:
        yield since, "up", 1, latency(since)
        since += FIVE


async def stored(watch: Watch, monitor: UUID, rows: Iterable[Row]) -> None:
    """Stores results, and has them judged as far as they are told."""
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    await watch.everything.execute(_INSERT, watch.tenant, monitor, *columns)
    await watch.everything.execute(
        "UPDATE monitor_state SET settled_at = greatest(settled_at, $2) WHERE monitor_id = $1", monitor, max(columns[0])
    )


async def idle(watch: Watch, monitor: UUID) -> None:
    """Has no check of it be due: what is stored is what tests store."""
    await watch.everything.execute("UPDATE check_schedule SET next_at = NULL WHERE monitor_id = $1", monitor)


async def learned(watch: Watch, service: AnomalyService, monitor: UUID, days: int) -> None:
    """Has so many usual days pass, and tells the detector of them."""
    await service.feeder.feed()  # begins the series
    since = watch.clock.now()
    until = watch.clock.advance(days=days)
    await stored(watch, monitor, each_five(since, until))
    await service.feeder.feed()
