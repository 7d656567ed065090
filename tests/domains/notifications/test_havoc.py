"""Schedulers, workers and notifiers are killed at random while targets fail: each outage is one incident, and told."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from uuid import UUID

import pytest

from keepwell.domains.monitors.models import CreateMonitor
from keepwell.domains.notifications import NotificationSettings
from keepwell.kit.ids import new_id
from keepwell.kit.time import SystemClock
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.fleet import GAPS, Target, add, settled, started, stored
from tests.support.receiver import Receiver, receiver
from tests.support.telling import Clinic, clinic, each_told
from tests.support.waiting import eventually_async
from tests.support.watching import Watch, configuration, watching

pytestmark = pytest.mark.timeout(300)
KINDS = ("scheduler", "worker", "notifier")
SETTINGS = NotificationSettings("https://keepwell.test", private=True)
_STANDING = "SELECT count(*) FROM incident WHERE subject = ANY($1) AND status = $2"
_DOWNS = "SELECT monitor_id, count(*) FROM monitor_transition WHERE after = 'down' AND before <> 'down' GROUP BY monitor_id"


@pytest.fixture
async def watch(clean_database: DatabaseUrls) -> AsyncIterator[Watch]:
    async with watching(clean_database) as there:
        yield there


@pytest.fixture
async def desk(clean_database: DatabaseUrls, watch: Watch) -> AsyncIterator[Clinic]:
    """By the machine's clock, which the processes go by."""
    async with clinic(clean_database, ManualClock(SystemClock().now()), SETTINGS) as made:
        watch.tenant = made.actor.tenant
        yield made


async def fail(watch: Watch, targets: dict[UUID, Receiver], outages: Counter[UUID], count: int) -> None:
    """Some of the targets go down until an incident is open for each, and come up until none is."""
    monitors = random.sample(sorted(targets), count)
    subjects = [f"monitor/{monitor}" for monitor in monitors]

    async def wait(status: str, least: int) -> None:
        async def there() -> bool:
            return await watch.value(_STANDING, subjects, status) >= least

        await eventually_async(there, 90)

    before = sum(outages[monitor] for monitor in monitors)
    for monitor in monitors:
        await targets[monitor].refuse()
    await wait("open", count)
    for monitor in monitors:
        await targets[monitor].listen()
    await wait("resolved", before + count)
    outages.update(monitors)


class Fleet:
    """Two processes of each kind, until the stack ends."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack
        self.kills: Counter[str] = Counter()
        self._processes = {(kind, number): started(kind, url, stack) for kind in KINDS for number in range(2)}

    def kill(self, kind: str, number: int) -> None:
        """Kills one; another takes its place."""
        self._processes[kind, number].kill()
        self._processes[kind, number] = started(kind, self._url, self._stack)
        self.kills[kind] += 1

    @asynccontextmanager
    async def killed(self, pause: float) -> AsyncGenerator[None]:
        """One after the other, every so many seconds."""
        killing = asyncio.create_task(self._keep_killing(pause))
        try:
            yield
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)

    async def _keep_killing(self, pause: float) -> None:
        while True:
            await asyncio.sleep(random.random() * 2 * pause)  # noqa: S311 - no secret
            self.kill(random.choice(KINDS), random.randrange(2))  # noqa: S311 - no secret


async def have(watch: Watch, desk: Clinic, hook: Receiver, monitors: int, interval: int, rounds: int, pause: float) -> None:
    """So many monitors, of which five at a time fail in each round, while somebody is killed every so many seconds."""
    await desk.channel(hook.url, group_after=1000, group_window_s=10)
    outages: Counter[UUID] = Counter()
    target = Target()
    async with target.serving(), AsyncExitStack() as failing:
        targets: dict[UUID, Receiver] = {}
        for _ in range(10):
            one = await failing.enter_async_context(receiver("127.200.0.1"))
            id_ = new_id()
            await watch.do(
                CreateMonitor(
                    id_, configuration(target=f"{one.host}:{one.port}", interval_s=interval, timeout_s=5.0), private=True
                )
            )
            targets[id_] = one
        await add(watch, monitors, target.port, interval)
        with ExitStack() as stack:
            fleet = Fleet(watch.database.settings.url, stack)
            await stored(watch, 1, 120)
            async with fleet.killed(pause):
                for _ in range(rounds):
                    await fail(watch, targets, outages, 5)
            await settled(watch)
            await desk.planned(2 * outages.total())
            await desk.all_told()
    statuses = dict(await watch.rows("SELECT status, sum(instants) FROM check_result GROUP BY status"))
    reasons = await watch.rows("SELECT status, reason, count(*) FROM check_result WHERE status <> 'up' GROUP BY 1, 2")
    print(fleet.kills, statuses, reasons, outages.total(), len(hook.taken))  # noqa: T201 - shown with -s
    assert await watch.value(GAPS, float(interval)) == 0
    assert set(statuses) <= {"up", "down", "missed"}
    assert await watch.value("SELECT count(*) FROM check_result WHERE status = 'missed' AND reason IS NULL") == 0
    assert dict(await watch.rows(_DOWNS)) == dict(outages)
    assert await watch.incidents() == [("resolved", outages.total())]
    await each_told(desk, hook, [row[0] for row in await watch.rows("SELECT id FROM incident")])


async def test_whoever_is_killed_each_outage_is_one_incident_that_is_told(watch: Watch, desk: Clinic, hook: Receiver):
    await have(watch, desk, hook, 50, 5, 1, 2.0)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_of_a_thousand_monitors_none_is_lost_through_minutes_of_random_kills(watch: Watch, desk: Clinic, hook: Receiver):
    await have(watch, desk, hook, 1000, 10, 14, 3.0)
