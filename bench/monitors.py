"""Checks of monitors, made, stored and judged, beside prometheus-blackbox-exporter's probes of the same nginx.

`python -m bench.monitors`. By turns: worker processes as an operator starts them make checks of as many monitors as there are,
each at an address of its own, put before them by a scheduler's step as fast as they are made; and the exporter, asked by wrk,
makes probes that nobody stores. A check counts once it is in the sums of its day. Ours is the processor time of the workers
and, told apart, of PostgreSQL; the exporter's its own. Neither nginx nor wrk counts, nor does this process, which makes checks
due. What is not installed (Debian: nginx, prometheus-blackbox-exporter, wrk) is left out, and said to be.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import psutil
import uvloop

from bench import effort, exporter, machine, nginx, stage
from bench.database import connect
from bench.measurement import Comparison, Run, by_turns, compare
from keepwell.domains.monitors.models import Configuration, CreateMonitor
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope, Origin
from keepwell.kit.ids import new_id
from keepwell.main.addresses import Servers
from keepwell.main.parts import Parts
from keepwell.platform import migrations
from keepwell.platform.master_key import make_master_key
from keepwell.platform.settings import ProcessKind, Settings

AIM = 2.0
OURS = "ours, stored and judged"
_ORIGIN = Origin("bench", "bench")
_START_SECONDS = 60.0
_LEFT = "SELECT count(*) FROM check_run"
_UNJUDGED = "SELECT EXISTS (SELECT FROM check_unjudged(1))"
_STORED = "SELECT coalesce(sum(checks), 0)::bigint FROM check_rollup WHERE width = 'day'"
_DUE = "UPDATE check_schedule SET next_at = clock_timestamp() WHERE monitor_id = ANY ($1)"
_NOT_DUE = "UPDATE check_schedule SET next_at = NULL"
_FAULTS = """
SELECT (SELECT count(*) FROM check_result WHERE status <> 'up')
    + (SELECT count(*) FROM monitor_state s WHERE status <> 'up' OR settled_at IS DISTINCT FROM
        (SELECT max(scheduled_at) FROM check_result r WHERE r.tenant_id = s.tenant_id AND r.monitor_id = s.monitor_id))
    + abs((SELECT count(*) FROM check_result) - (SELECT sum(checks) FROM check_rollup WHERE width = 'day'))
"""


class Load:
    """Monitors of a clinic, in two halves that become due by turns, so that one check of a monitor lies there at a time."""

    def __init__(self, parts: Parts, database: Any, processes: list[psutil.Process], seconds: float) -> None:
        self._parts = parts
        self._database = database
        self._processes = processes
        self._seconds = seconds
        self._halves: list[list[Any]] = []

    async def prepare(self, monitors: int, port: int) -> None:
        """Makes the monitors, and has each checked until every worker knows about all of them."""
        commands = [CreateMonitor(new_id(), _configuration(number, port), private=True) for number in range(monitors)]
        actor = operator(new_id())
        for start in range(0, monitors, 1_000):
            envelopes = [Envelope(command, actor, _ORIGIN) for command in commands[start : start + 1_000]]
            outcomes = await self._parts.kernel.execute(envelopes)
            if refused := next((outcome.refusal for outcome in outcomes if outcome.refusal), None):
                raise SystemExit(f"no monitor: {refused}")
        await self._parts.rooms.checks.scheduler.tick()
        ids = [command.id for command in commands]
        self._halves = [ids[::2], ids[1::2]]
        for _ in range(4 * len(self._processes)):
            await self._due()
            await self._done()

    async def run(self) -> Run:
        """Checks a second from the moment that they are made until the last that was due then is judged.

        Raises:
            FailedError: a check failed, was not judged, or not counted.
        """
        data = self._parts.settings.data_dir
        await self._database.execute("TRUNCATE check_result, check_rollup")
        await self._database.execute("CHECKPOINT")
        workers, before, started = _processor(self._processes), effort.so_far(data).postgres, perf_counter()
        while perf_counter() - started < self._seconds:
            await self._due()
            while await self._database.fetchval(_LEFT) > len(self._halves[0]) // 2:  # noqa: ASYNC110 - rows are no event
                await asyncio.sleep(0.02)
        await self._done()
        seconds = perf_counter() - started
        done = await self._database.fetchval(_STORED)
        facts = {
            "done": done,
            "cpu_us_server": round((_processor(self._processes) - workers) / done * 1e6),
            "cpu_us_postgres": round((effort.so_far(data).postgres - before) / done * 1e6),
            "cpu_us_load": 0,
        }
        if faults := await self._database.fetchval(_FAULTS):
            raise exporter.FailedError(f"{faults} checks failed, or were not judged or counted")
        return Run(done / seconds, facts={**facts, "cpu_us_all": facts["cpu_us_server"] + facts["cpu_us_postgres"]})

    async def _due(self) -> None:
        half = self._halves[0]
        self._halves.reverse()
        await self._database.execute(_DUE, half)
        await self._parts.rooms.checks.scheduler.tick()
        await self._database.execute(_NOT_DUE)

    async def _done(self) -> None:
        for left in (_LEFT, _UNJUDGED):
            while await self._database.fetchval(left):  # noqa: ASYNC110 - rows are no event
                await asyncio.sleep(0.02)


def _configuration(number: int, port: int) -> Configuration:
    return Configuration(
        name=f"Monitor {number}",
        kind="http",
        target=f"http://127.1.{number >> 8 & 255}.{number & 255}:{port}/",
        interval_s=30,
        timeout_s=5.0,
        retries=0,
        retry_interval_s=5,
        regions=("default",),
        quorum=None,
        assertions=(),
        priority="normal",
        severity="warning",
    )


def _processor(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


@contextmanager
def workers(folder: Path, count: int) -> Generator[list[psutil.Process]]:
    """So many worker processes on the data directory in `folder`."""
    program = shutil.which("keepwell", path=str(Path(sys.executable).parent))
    if program is None:
        raise stage.NotReadyError("keepwell is not installed in this environment")
    usual = {name: value for name, value in os.environ.items() if not name.startswith("KEEPWELL_")}
    settings = {"KEEPWELL_DATA_DIR": str(folder / "data"), "KEEPWELL_MONITOR_ALLOW_PRIVATE": "true"}
    processes: list[subprocess.Popen[bytes]] = []
    with (folder / "workers.log").open("wb") as log:
        try:
            command, environment = [program, "worker"], usual | settings
            for _ in range(count):
                process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
                processes.append(process)
            yield [psutil.Process(process.pid) for process in processes]
        finally:
            stage.Server("", processes, folder / "workers.log").stop()


@asynccontextmanager
async def stored(asked: argparse.Namespace, folder: Path, port: int) -> AsyncGenerator[Load]:
    """The load of our own, on servers of its own."""
    data = folder / "data"
    make_master_key(data)
    settings = Settings(_env_file=None, data_dir=data, monitor_allow_private=True)  # pyright: ignore[reportCallIssue]
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(Servers.attach(settings))
        migrations.upgrade(servers.addresses.owner)
        database = await connect(servers.addresses.owner.replace("keepwell_owner@", "postgres@", 1))
        stack.push_async_callback(database.close)
        print(await machine.postgres(database))
        parts = Parts(settings, servers.addresses, ProcessKind.SCHEDULER)
        await stack.enter_async_context(parts.running())
        processes = stack.enter_context(workers(folder, asked.workers))
        load = Load(parts, database, processes, asked.seconds)
        async with asyncio.timeout(_START_SECONDS + asked.monitors / 100):
            await load.prepare(asked.monitors, port)
        yield load


async def measure(asked: argparse.Namespace, folder: Path) -> Comparison | None:
    """The comparison; none without the exporter: our own rate is printed all the same."""
    async with AsyncExitStack() as stack:
        _, port = await stack.enter_async_context(nginx.answering(asked.nginx, folder))
        load = await stack.enter_async_context(stored(asked, folder, port))
        contenders = {OURS: load.run}
        if asked.exporter is None:
            print(f"{exporter.PROGRAM} is not installed: its part is left out.")
        else:
            theirs = await stack.enter_async_context(exporter.running(asked.exporter, folder, folder))
            contenders[exporter.PROGRAM] = lambda: theirs.run("plain", f"http://127.0.0.1:{port}/", asked.seconds)
        series = await by_turns(contenders, asked.rounds, lambda line: print(line, flush=True))
    return None if asked.exporter is None else compare("checks", series, OURS, exporter.PROGRAM, AIM)


def told(found: Comparison) -> str:
    """The comparison in words, the workers by themselves too."""
    mine = found.contenders[OURS]
    alone = sorted(run.facts["cpu_us_server"] for run in mine.runs)[len(mine.runs) // 2]
    return (
        f"stored and judged beside probed: {found.ratio:.2f} times the rate (aim {AIM:.0f}), {found.effort:.2f} times by"
        f" processor time, {found.contenders[exporter.PROGRAM].cpu_us / alone:.2f} times without PostgreSQL's"
    )


def main() -> int:
    """0 when the aim is reached by rate, or the exporter is absent; 1 when not; 2 when something else is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.monitors", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--monitors", type=int, default=4_000)
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--nginx", default=shutil.which(nginx.PROGRAM), help="where nginx is")
    parser.add_argument("--exporter", default=shutil.which(exporter.PROGRAM), help="where the exporter's program is")
    asked = parser.parse_args()
    if asked.nginx is None or (asked.exporter is not None and shutil.which("wrk") is None):
        print("nginx is needed to be probed, and wrk to ask the exporter: `apt-get install nginx-light wrk`.")
        return 2
    for name, value in {**machine.facts(), "load_average": machine.load_average()}.items():
        print(f"{name}: {value}")
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        found = uvloop.run(measure(asked, Path(folder)))
    if found is not None:
        print(told(found))
    return 0 if found is None or found.reached else 1


if __name__ == "__main__":
    sys.exit(main())
