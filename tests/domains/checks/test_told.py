"""Outages found by four workers in any order, told on a channel that behaves badly: each once, and recorded once."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from keepwell.domains.checks.models import Result
from keepwell.domains.notifications import NotificationSettings
from keepwell.kit.ids import new_id
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.receiver import Receiver, receiver
from tests.support.telling import Clinic, clinic
from tests.support.waiting import eventually_async
from tests.support.watching import TODAY, Watch, service_over

_asyncpg: Any = asyncpg  # partly typed
MANNERS = ("good", "fails", "cuts", "limits")


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


@pytest.fixture
async def desk(clean_database: DatabaseUrls) -> AsyncIterator[Clinic]:
    settings = NotificationSettings("https://keepwell.test", private=True, seconds=1.0)
    async with clinic(clean_database, ManualClock(TODAY), settings) as made:
        yield made


@pytest.fixture
async def watched(desk: Clinic, clean_database: DatabaseUrls) -> AsyncIterator[Watch]:
    """Monitors of the same clinic, by the same clock."""
    everything = await _asyncpg.connect(clean_database.superuser)
    watch = Watch(desk.database, everything, desk.clock)
    watch.tenant = desk.actor.tenant
    yield watch
    await everything.close()


async def work(watch: Watch, states: dict[datetime, str]) -> None:
    """What one worker of several does: takes some checks, and stores what came of them one by one, in any order."""
    service, lease = service_over(watch.database, watch.clock), new_id()
    while runs := await service.store.claim("default", 4, lease, 60.0):
        random.shuffle(runs)
        for run in runs:
            await asyncio.sleep(random.random() / 100)  # noqa: S311 - no secret
            state: Any = states[run.scheduled_at]
            result = Result(run.scheduled_at, run.region, state, None if state == "up" else "refused")
            if await service.judge.judge(await service.store.store(lease, [(run, result)])):
                await service.teller.tell()


async def due(watch: Watch, states: Sequence[str]) -> dict[datetime, str]:
    """Puts a check before the workers for each, a minute apart; what comes of it by its instant."""
    found: dict[datetime, str] = {}
    for state in states:
        await watch.tick(minutes=1)
        newest = await watch.value("SELECT max(scheduled_at) FROM check_run")
        found[newest] = state
    assert len(found) == len(states)
    return found


def happened(hook: Receiver) -> list[tuple[str, str]]:
    """What was told: of which incident, that what happened. What came again is left out."""
    return [(line["id"], line["happened"]) for each in hook.told for line in each.json["data"]["incidents"]]


async def told(desk: Clinic, hook: Receiver, count: int) -> None:
    """Waits until so many things were told, and all of it is recorded. What is gathered, as the target flaps, is due later."""

    async def all_told() -> bool:
        desk.clock.advance(minutes=2)
        return len(happened(hook)) >= count and not await desk.notifications(status="waiting")

    await eventually_async(all_told, 60)


async def outages(watch: Watch, desk: Clinic, hook: Receiver, count: int) -> None:
    await desk.channel(hook.url, group_after=1000)
    monitor = await watch.add()
    states = await due(watch, ["up"])
    await work(watch, states)
    async with desk.notifying():
        for number in range(count):
            if number % 5 == 4:  # nobody listens while it is down and when it comes up
                await hook.refuse()
            hook.manner = MANNERS[number % len(MANNERS)]  # pyright: ignore[reportAttributeAccessIssue]
            states = await due(watch, ["down", "down", "up", "up"])
            await asyncio.gather(*(work(watch, states) for _ in range(4)))
            await watch.service.scheduler.judge()
            if number % 5 == 4:
                await hook.listen()
        hook.manner = "good"
        await told(desk, hook, 2 * count)
    assert await watch.story(monitor) == ["up", *["down", "up"] * count]
    assert await watch.incidents() == [("resolved", count)]
    assert await watch.value("SELECT count(*) FROM check_result") == 1 + 4 * count
    lines = happened(hook)
    assert len(lines) == len(set(lines)) == 2 * count
    recorded = await desk.notifications(status="sent")
    assert {each.headers["webhook-id"] for each in hook.told} == {each["id"] for each in recorded}
    for each in recorded:
        assert (await desk.database_events(each["id"])).count("notification-sent") == 1


async def test_outages_are_found_told_of_and_recorded_once(watched: Watch, desk: Clinic, hook: Receiver):
    await outages(watched, desk, hook, 6)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_hundred_outages_are_found_told_of_and_recorded_once(watched: Watch, desk: Clinic, hook: Receiver):
    await outages(watched, desk, hook, 100)
