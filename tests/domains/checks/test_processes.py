"""Many monitors, several schedulers and workers, some of them killed: every instant is accounted for, once."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keepwell.domains.monitors.models import CreateMonitor
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope
from keepwell.kit.ids import new_id
from tests.support.listening import end
from tests.support.waiting import eventually_async
from tests.support.watching import ORIGIN, Watch, configuration

ROOT = Path(__file__).parents[3]
PROCESS = ROOT / "tests" / "support" / "check_process.py"
GAPS = """
SELECT count(*) FROM (
    SELECT monitor_id, sum(instants) AS told,
        extract(epoch FROM max(scheduled_at) - min(scheduled_at - (instants - 1) * make_interval(secs => $1))) / $1 + 1 AS due
    FROM check_result GROUP BY monitor_id) seen
WHERE told <> due
"""
DELAYS = "SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY delay_ms) FROM check_result"


class Target:
    """A server on every loopback address, and how often it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.asked = 0

    def _answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        writer.close()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        server = await asyncio.start_server(self._answer, "0.0.0.0", 0)  # noqa: S104 - all of 127.0.0.0/8
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            await end(server)


def started(kind: str, url: str, stack: ExitStack) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, str(PROCESS), kind, url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    stack.callback(_ended, process)
    return process


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(15)


async def add(watch: Watch, count: int, port: int, interval: int) -> None:
    """Monitors that are due every so many seconds, each at an address of its own."""
    places = [f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}:{port}" for number in range(2**8 + 1, 2**8 + 1 + count)]
    commands = [CreateMonitor(new_id(), configuration(target=place, interval_s=interval), private=True) for place in places]
    outcomes = await watch.service.reader.kernel.execute(
        [Envelope(command, operator(watch.tenant), ORIGIN) for command in commands]
    )
    assert not [outcome for outcome in outcomes if outcome.refusal]


async def stored(watch: Watch, least: int, seconds: float) -> None:
    """Waits until of every monitor so many instants are told of, and none is under way."""

    async def enough() -> bool:
        query = "SELECT coalesce(min(told), 0) FROM (SELECT sum(instants) AS told FROM check_result GROUP BY monitor_id) seen"
        return await watch.value(query) >= least

    await eventually_async(enough, seconds)


async def settled(watch: Watch) -> None:
    """Lets nothing more become due, and waits for what is under way."""
    await watch.everything.execute("UPDATE check_schedule SET next_at = NULL")
    await watch.settled()


async def run(watch: Watch, count: int, rounds: int, kills: int, interval: int = 5) -> tuple[Target, Any]:
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


async def test_of_many_monitors_every_instant_is_told_of_once_whoever_is_killed(watch: Watch):
    target, statuses = await run(watch, 200, 3, 1)
    assert await watch.value("SELECT count(DISTINCT monitor_id) FROM check_result") == 200
    assert await watch.value(GAPS, 5.0) == 0
    assert statuses["up"] >= 200
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
