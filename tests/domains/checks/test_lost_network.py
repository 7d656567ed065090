"""The host that watches loses its network: nobody is blamed, not while it is away and not when it is back."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keepwell.domains.monitors.models import CreateMonitor
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope
from keepwell.kit.ids import new_id
from tests.support.cut_off import APART, may_be_apart
from tests.support.host_process import TARGET
from tests.support.waiting import eventually_async
from tests.support.watching import ORIGIN, Watch, configuration

ROOT = Path(__file__).parents[3]
LEAST = """
SELECT coalesce(min(seen), 0) FROM (
    SELECT count(r) AS seen FROM check_schedule s LEFT JOIN check_result r ON r.monitor_id = s.monitor_id AND r.status = $1
        AND r.scheduled_at > $2 GROUP BY s.monitor_id) each
"""


class Host:
    """A host of its own. `namespace`: in a network namespace; `blocked`: what leads out of it is blocked."""

    def __init__(self, kind: str, watch: Watch, process: "subprocess.Popen[bytes]") -> None:
        self.kind = kind
        self._watch = watch
        self._process = process

    def say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.flush()

    async def seen(self, status: str, count: int = 1) -> None:
        """Waits until from now on each monitor has so many results of a status."""
        since = await self._watch.value("SELECT clock_timestamp()")

        async def enough() -> bool:
            assert self._process.poll() is None
            return await self._watch.value(LEAST, status, since) >= count

        await eventually_async(enough, 60)


@contextmanager
def host(kind: str, watch: Watch) -> Generator[Host]:
    before = APART if kind == "namespace" else ()
    command = [*before, sys.executable, "-m", "tests.support.host_process", kind, watch.database.settings.url]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            yield Host(kind, watch, process)
        finally:
            process.kill()


async def add(watch: Watch) -> None:
    places = {"tcp": f"127.0.0.5:{TARGET}", "http": f"http://127.0.0.5:{TARGET}/"}
    for kind, place in places.items():
        made = configuration(kind=kind, target=place, interval_s=1)
        envelope = Envelope(CreateMonitor(new_id(), made, private=True), operator(watch.tenant), ORIGIN)
        [outcome] = await watch.service.reader.kernel.execute([envelope])
        assert outcome.refusal is None, outcome.refusal


@pytest.mark.parametrize(("kind", "reason"), [("namespace", "no-route"), ("blocked", "own-outage")])
async def test_a_host_without_network_blames_nobody_and_then_finds_who_is_really_down(watch: Watch, kind: str, reason: str):
    if kind == "namespace" and not may_be_apart():
        pytest.skip("network namespaces are not permitted here; the other case blocks what leads out")
    await add(watch)
    with host(kind, watch) as watching:
        await watching.seen("up")
        watching.say("down")
        await watching.seen("suspended", 3)
        assert await watch.incidents() == []
        watching.say("up")
        await watching.seen("up", 2)
        assert await watch.incidents() == []
        watching.say("gone")
        await watching.seen("down")

        async def told() -> bool:
            return await watch.incidents() == [("open", 2)]

        await eventually_async(told, 30)
    for (monitor,) in await watch.rows("SELECT monitor_id FROM check_schedule"):
        assert await watch.story(monitor) == ["up", reason, "up", "down"]
