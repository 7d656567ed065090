"""Many monitors of many targets, and schedulers and workers in processes of their own, to be killed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from keepwell.domains.monitors.models import CreateMonitor
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope
from keepwell.kit.ids import new_id
from tests.support.listening import end
from tests.support.waiting import eventually_async
from tests.support.watching import ORIGIN, Watch, configuration

ROOT = Path(__file__).parents[2]
_PROGRAMS = {
    "scheduler": ("tests.support.check_process", "scheduler"),
    "worker": ("tests.support.check_process", "worker"),
    "notifier": ("tests.support.notifier_process",),
}
GAPS = """
SELECT count(*) FROM (
    SELECT monitor_id, sum(instants) AS told,
        extract(epoch FROM max(scheduled_at) - min(scheduled_at - (instants - 1) * make_interval(secs => $1))) / $1 + 1 AS due
    FROM check_result GROUP BY monitor_id) seen
WHERE told <> due
"""


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
        # A backlog for all who ask at once: whoever finds it full would wait for a second, and call the target down.
        server = await asyncio.start_server(self._answer, "0.0.0.0", 0, backlog=4096)  # noqa: S104 - all of 127.0.0.0/8
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            await end(server)


def started(kind: str, url: str, stack: ExitStack) -> "subprocess.Popen[bytes]":
    """A scheduler, a worker or a notifier."""
    process = subprocess.Popen(
        [sys.executable, "-m", *_PROGRAMS[kind], url],
        cwd=ROOT,
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
    commands = [
        CreateMonitor(new_id(), configuration(target=place, interval_s=interval, timeout_s=5.0), private=True) for place in places
    ]
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
