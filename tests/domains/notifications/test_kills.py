"""Notifiers are killed at the worst moments: what they told is told again, what they did not is told, all is recorded once."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keepwell.domains.notifications import NotificationSettings
from keepwell.kit.time import SystemClock
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.receiver import Receiver
from tests.support.telling import Clinic, clinic
from tests.support.waiting import eventually_async

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[3]


@pytest.fixture
async def desk(clean_database: DatabaseUrls) -> AsyncIterator[Clinic]:
    """By the machine's clock, which the processes go by."""
    settings = NotificationSettings("https://keepwell.test", private=True)
    async with clinic(clean_database, ManualClock(SystemClock().now()), settings) as made:
        yield made


@contextmanager
def notifier(urls: DatabaseUrls) -> Generator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", "tests.support.notifier_process", urls.app], cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_who_is_killed_between_sending_and_marking_sends_again_under_the_same_id(
    desk: Clinic, hook: Receiver, clean_database: DatabaseUrls
):
    hook.manner = "keeps"
    await desk.channel(hook.url)
    await desk.open("monitor/1")

    async def was_sent() -> bool:
        return len(hook.taken) >= 1

    with notifier(clean_database):
        await eventually_async(was_sent, 60)
    hook.manner = "good"
    with notifier(clean_database):
        [sent] = await desk.settled(1)
    assert {each.headers["webhook-id"] for each in hook.taken} == {sent["id"]}
    assert len(hook.taken) >= 2
    assert len({each.body for each in hook.taken}) == 1
    assert (await desk.database_events(sent["id"])).count("notification-sent") == 1


async def rounds(desk: Clinic, hook: Receiver, urls: DatabaseUrls, count: int) -> None:
    await desk.channel(hook.url, group_after=1000)
    for number in range(count):
        opened = [await desk.open(f"monitor/{number}-{each}") for each in range(4)]
        wanted = len(hook.requests) + number % 3 + 1

        async def told_some(wanted: int = wanted) -> bool:
            return len(hook.requests) >= wanted

        with notifier(urls):
            await desk.resolve(opened[0])
            await eventually_async(told_some, 60)
    with notifier(urls):
        sent = await desk.settled(5 * count)
    told = {each.headers["webhook-id"]: each.json["data"]["incidents"] for each in hook.taken}
    assert told.keys() == {each["id"] for each in sent}
    assert len({(line["id"], line["happened"]) for lines in told.values() for line in lines}) == 5 * count
    for each in sent:
        assert (await desk.database_events(each["id"])).count("notification-sent") == 1


async def test_notifiers_that_are_killed_at_any_moment_lose_nothing(desk: Clinic, hook: Receiver, clean_database: DatabaseUrls):
    await rounds(desk, hook, clean_database, 3)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_notifiers_that_are_killed_fifty_times_lose_nothing(desk: Clinic, hook: Receiver, clean_database: DatabaseUrls):
    await rounds(desk, hook, clean_database, 50)
