"""Many monitors, several schedulers and workers, some of them killed: every instant is accounted for, once."""

from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.fleet import GAPS, Target, add, settled, started, stored
from tests.support.watching import Watch

DELAYS = "SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY delay_ms) FROM check_result"


async def run(watch: Watch, count: int, rounds: int, kills: int, interval: int) -> tuple[Target, Any]:
    """So many monitors for so many rounds of some seconds, while processes are killed and others started in their place."""
    target = Target()
    async with target.serving():
        await add(watch, count, target.port, interval)
        with ExitStack() as stack:
            url = watch.database.settings.url
            processes = {(kind, number): started(kind, url, stack) for kind in ("scheduler", "worker") for number in range(2)}
            for killed in range(kills):
                await stored(watch, 1 + killed, 60)
                for kind in ("scheduler", "worker"):
                    processes[kind, killed % 2].kill()
                    processes[kind, killed % 2] = started(kind, url, stack)
            await stored(watch, rounds, 60 + 2 * interval * rounds)
            await settled(watch)
    statuses = dict(await watch.rows("SELECT status, sum(instants) FROM check_result GROUP BY status"))
    return target, statuses


@pytest.mark.timeout(240)
async def test_of_a_thousand_monitors_every_instant_of_a_minute_is_told_of_once_whoever_is_killed(watch: Watch):
    target, statuses = await run(watch, 1_000, 4, 1, interval=15)
    assert await watch.value("SELECT count(DISTINCT monitor_id) FROM check_result") == 1_000
    assert await watch.value(GAPS, 15.0) == 0
    assert statuses["up"] >= 1_000
    assert set(statuses) <= {"up", "missed"}
    assert target.asked >= statuses["up"]
    assert await watch.value("SELECT count(*) FROM check_result WHERE status = 'missed' AND reason IS NULL") == 0
    assert await watch.incidents() == []


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_ten_thousand_monitors_are_checked_for_ten_minutes_without_a_gap(watch: Watch):
    _, statuses = await run(watch, 10_000, 20, 0, interval=30)
    delays = await watch.rows(DELAYS)
    print(statuses, delays)  # noqa: T201 - shown with -s
    assert await watch.value(GAPS, 30.0) == 0
    assert set(statuses) == {"up"}
    assert await watch.incidents() == []
