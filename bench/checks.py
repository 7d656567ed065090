"""Checks of monitors, made, stored and judged: `python -m bench.checks`.

One worker makes checks that are due already, as fast as it can: with a look at a target that takes no time, which leaves the
database's part, and over HTTP at a server on this machine. Then a scheduler and a worker in one process check monitors at their
own times; what is told is how late checks began. The aims: 2,000 checks a second (twice what blackbox_exporter makes on a core,
storing none), and 99 of 100 less than 2 s late.
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

import uvloop

from bench import machine
from bench.database import connect
from keepwell.domains.checks import CheckService, jobs
from keepwell.domains.checks.service.examining import Finding
from keepwell.domains.checks.service.working import CheckWorker
from keepwell.domains.monitors import Monitor
from keepwell.domains.monitors.models import Configuration, CreateMonitor
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope, Origin
from keepwell.kit.ids import new_id
from keepwell.main import periodic
from keepwell.main.addresses import Servers
from keepwell.main.parts import Parts
from keepwell.platform import migrations
from keepwell.platform.master_key import make_master_key
from keepwell.platform.settings import ProcessKind, Settings

AIM, AIM_DELAY = 2_000, 2.0
_ORIGIN = Origin("bench", "bench")
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
_INTERVAL = 5
_DUE = """
INSERT INTO check_run (tenant_id, monitor_id, scheduled_at, region, priority, due_at)
SELECT tenant_id, monitor_id, t.at, 'default', 20, t.at
FROM check_schedule, (SELECT clock_timestamp() - n * interval '1 millisecond' AS at FROM generate_series(1, $1) n) t
"""


class _Target(asyncio.Protocol):
    """Answers whatever is asked, and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(_ANSWER)
            self._transport.close()


def _configuration(number: int, port: int) -> Configuration:
    return Configuration(
        name=f"Monitor {number}",
        kind="http",
        target=f"http://127.1.{number >> 8 & 255}.{number & 255}:{port}/",
        interval_s=_INTERVAL,
        timeout_s=5.0,
        retries=0,
        retry_interval_s=5,
        regions=("default",),
        quorum=None,
        assertions=(),
        priority="normal",
        severity="warning",
    )


class Load:
    """A clinic with monitors, and a superuser's connection to count by."""

    def __init__(self, parts: Parts, database: Any) -> None:
        self.parts = parts
        self.service: CheckService = parts.rooms.checks
        self._database = database

    async def prepare(self, monitors: int, port: int) -> None:
        actor = operator(new_id())
        commands = [CreateMonitor(new_id(), _configuration(number, port), private=True) for number in range(monitors)]
        outcomes = await self.parts.kernel.execute([Envelope(command, actor, _ORIGIN) for command in commands])
        if refused := next((outcome.refusal for outcome in outcomes if outcome.refusal), None):
            raise SystemExit(f"no monitor: {refused}")
        await self.service.scheduler.tick()
        await self._database.execute("DELETE FROM check_run")

    async def rate(self, rounds: int, worker: Coroutine[Any, Any, None]) -> float:
        """Checks a second, from the first claim to the last result judged."""
        await self._database.execute("UPDATE check_schedule SET next_at = NULL")
        await self._database.execute(_DUE, rounds)
        due = await self._database.fetchval("SELECT count(*) FROM check_run")
        started, used = perf_counter(), process_time()
        async with _running(worker):
            while await self._database.fetchval("SELECT EXISTS (SELECT FROM check_run)"):  # noqa: ASYNC110 - rows are no event
                await asyncio.sleep(0.02)
            elapsed = perf_counter() - started
        print(f"  {due} checks took this process {(process_time() - used) / due * 1e6:,.0f} us of a core each", flush=True)
        return due / elapsed

    async def delays(self, seconds: float, worker: Coroutine[Any, Any, None]) -> tuple[float, float, int, int]:
        """Median and 99th percentile of how late checks began, in seconds; how many were made, and missed."""
        await self._database.execute("TRUNCATE check_result")
        await self._database.execute("UPDATE check_schedule SET next_at = clock_timestamp() + random() * interval '5 seconds'")
        async with _running(worker), _running(periodic.schedule(self.parts)):
            await asyncio.sleep(seconds)
        row = await self._database.fetchrow(
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY delay_ms) / 1000,"
            " percentile_cont(0.99) WITHIN GROUP (ORDER BY delay_ms) / 1000, count(*) FILTER (WHERE status <> 'missed'),"
            " coalesce(sum(instants) FILTER (WHERE status = 'missed'), 0) FROM check_result"
        )
        return row[0], row[1], row[2], row[3]


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _look(_tenant: UUID, _monitor: Monitor) -> Finding:
    return Finding(up=True, code=200, total_ms=1.0)


async def _well(_since: float) -> bool:
    return True


async def measure(servers: Servers, settings: Settings, monitors: int, rounds: int, seconds: float) -> bool:
    """Whether the aims are reached."""
    database = await connect(servers.addresses.owner.replace("keepwell_owner@", "postgres@", 1))
    print(await machine.postgres(database))
    parts = Parts(settings, servers.addresses, ProcessKind.WORKER)
    wanted = periodic.check_settings(parts)
    target = await asyncio.get_running_loop().create_server(_Target, "0.0.0.0", 0, backlog=4_096)  # noqa: S104 - 127.0.0.0/8
    async with target, parts.running():
        load = Load(parts, database)
        await load.prepare(monitors, target.sockets[0].getsockname()[1])
        stored = await load.rate(rounds, CheckWorker(load.service, _look, _well, wanted).run())
        print(f"stored and judged, without a look: {stored:,.0f} checks/s", flush=True)
        made = await load.rate(rounds, jobs.keep_checking(load.service, parts.prober, wanted))
        print(f"made over HTTP, stored and judged: {made:,.0f} checks/s (aim {AIM:,})", flush=True)
        half, most, checks, missed = await load.delays(seconds, jobs.keep_checking(load.service, parts.prober, wanted))
    print(f"{monitors} monitors every {_INTERVAL} s for {seconds:.0f} s: {checks} checks, {missed} missed")
    print(f"late by {half:.2f} s at the median, {most:.2f} s at the 99th percentile (aim {AIM_DELAY:.0f})")
    await database.close()
    return made >= AIM and most < AIM_DELAY


def main() -> int:
    """0 when the aims are reached, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m bench.checks", description=__doc__)
    parser.add_argument("--monitors", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5, help="checks of each monitor that are due at once")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long monitors are checked at their own times")
    asked = parser.parse_args()
    for name, value in machine.facts().items():
        print(f"{name}: {value}")
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        data = Path(folder) / "data"
        make_master_key(data)
        settings = Settings(_env_file=None, data_dir=data, monitor_allow_private=True)  # pyright: ignore[reportCallIssue]
        with Servers.attach(settings) as servers, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            migrations.upgrade(servers.addresses.owner)
            reached = runner.run(measure(servers, settings, asked.monitors, asked.rounds, asked.seconds))
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
