"""Each outage opens one incident and ends it, whoever works, in whatever order results come in, whatever dies in between."""

import asyncio
import random

from keepwell.domains.checks.models import Result, Run
from keepwell.kit.ids import new_id
from tests.support.watching import Watch, service_over


async def test_a_target_that_goes_down_and_up_has_one_incident_each_time(watch: Watch):
    monitor = await watch.add()
    watch.slow = 0.02
    async with watch.working(4):
        for outage in range(5):
            for state in ("up", "down"):
                watch.down = {monitor} if state == "down" else set()
                for _ in range(3):
                    await watch.tick(minutes=1)
                await watch.settled()
        watch.down = set()
        await watch.tick(minutes=1)
        await watch.settled()
    assert await watch.story(monitor) == ["up", *["down", "up"] * 5]
    assert await watch.incidents() == [("resolved", 5)]
