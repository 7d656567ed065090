"""A target that goes down and up is told of as often, in whatever order results come in, however the channel behaves."""

from collections.abc import AsyncIterator
from typing import Literal
from uuid import UUID

import pytest
from msgspec.structs import replace

from keepwell.domains.notifications import NotificationSettings
from tests.support.cluster import DatabaseUrls
from tests.support.receiver import Manner, Receiver
from tests.support.telling import Clinic, clinic, each_told
from tests.support.waiting import eventually_async
from tests.support.watching import QUICK, Watch, watching

Behaviour = Manner | Literal["refuses"]
BEHAVIOURS: tuple[Behaviour, ...] = ("good", "refuses", "good", "fails", "hangs", "cuts", "good", "limits")
SETTINGS = NotificationSettings("https://keepwell.test", private=True, seconds=1.0)
WORKER = replace(QUICK, lease=86_400.0)
"""The clock of these tests moves by minutes: no lease is to lapse meanwhile."""


class Ward:
    """A clinic with one monitor, which tells its outages to one webhook."""

    def __init__(self, watch: Watch, desk: Clinic, hook: Receiver) -> None:
        self.watch = watch
        self.desk = desk
        self.hook = hook
        self.outages = 0
        watch.tenant = desk.actor.tenant
        watch.slow = 0.2

    async def look(self, down: set[UUID]) -> None:
        """The next check begins, and ends whenever it likes: perhaps after those that follow."""
        self.watch.down = down
        begun = self.watch.begun
        await self.watch.tick(minutes=1)

        async def seen() -> bool:
            return self.watch.begun > begun

        await eventually_async(seen, 60)

    async def outage(self, monitor: UUID, behaviour: Behaviour) -> None:
        """Two checks find it down, and two up again; the channel behaves in one way from before its begin till after its end."""
        if behaviour == "refuses":
            await self.hook.refuse()
        else:
            self.hook.manner = behaviour
        for down in ({monitor}, {monitor}, set[UUID](), set[UUID]()):
            await self.look(down)
        self.outages += 1
        if behaviour != "good":
            await self._felt(behaviour)
        if behaviour == "refuses":
            await self.hook.listen()

    async def all_due(self) -> None:
        """Waits until all that happened is to be told, and moves on to where all of it is due, however gathered."""
        await self.desk.planned(2 * self.outages)
        for _ in range(2):
            await self.look(set())

    async def _felt(self, behaviour: Behaviour) -> None:
        """Waits until the channel was tried in vain."""
        await self.all_due()
        asked = len(self.hook.requests)

        async def tried() -> bool:
            waiting = await self.desk.notifications(status="waiting")
            return (
                any(each["error"] == "refused" for each in waiting)
                if behaviour == "refuses"
                else self.hook.requests[asked:] != []
            )

        await eventually_async(tried, 60)


@pytest.fixture
async def ward(clean_database: DatabaseUrls, hook: Receiver) -> AsyncIterator[Ward]:
    async with watching(clean_database) as watch, clinic(clean_database, watch.clock, SETTINGS) as desk:
        yield Ward(watch, desk, hook)


async def have(ward: Ward, count: int) -> None:
    """Lets a target go down and up so often, and looks at what became of it."""
    watch, desk, hook = ward.watch, ward.desk, ward.hook
    monitor = await watch.add()
    await desk.channel(hook.url)
    async with watch.working(4, WORKER), desk.notifying():
        await ward.look(set())
        for number in range(count):
            await ward.outage(monitor, BEHAVIOURS[number % len(BEHAVIOURS)])
        hook.manner = "good"
        await watch.settled()
        await ward.all_due()
        await desk.all_told()
    assert await watch.story(monitor) == ["up", *["down", "up"] * count]
    assert await watch.incidents() == [("resolved", count)]
    await each_told(desk, hook, [row[0] for row in await watch.rows("SELECT id FROM incident")])


async def test_outages_are_told_once_each_though_results_come_in_any_order_and_the_channel_fails(ward: Ward):
    await have(ward, 8)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_hundred_outages_are_a_hundred_incidents_that_are_told_once_each(ward: Ward):
    await have(ward, 100)
