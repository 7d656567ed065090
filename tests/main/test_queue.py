"""The queue in a process: readiness names it when it is stuck, and it has ended before the database is closed."""

import asyncio

import psycopg
import pytest
from msgspec.structs import replace

from keepwell.kit.ids import new_id
from keepwell.main.checks import Checks
from keepwell.main.health import NotReadyError
from keepwell.main.parts import Parts
from keepwell.platform.queue import Claimed, Job
from keepwell.platform.settings import Settings
from tests.support.cluster import DatabaseUrls


async def test_a_job_that_nobody_does_makes_the_process_unready_unless_it_has_just_begun(parts: Parts):
    async with parts.running():
        checks = Checks(parts)
        await parts.queue.put(new_id(), [Job("test", "fresh")])
        checks._began -= parts.queue.settings.stuck + 1
        await checks.queue()
        await parts.queue.put(new_id(), [Job("test", "old", delay=-600)])
        with pytest.raises(NotReadyError, match="see whether workers run"):
            await checks.queue()
        await Checks(parts).queue()  # what lay there before is no fault of a process that starts


async def test_what_a_job_did_is_written_down_before_the_database_is_closed(parts: Parts, clean_database: DatabaseUrls):
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def handle(_: Claimed) -> None:
        begun.set()
        await may_end.wait()

    async with parts.running():
        await parts.queue.put(new_id(), [Job("test", "slow")])
        working = asyncio.create_task(parts.queue.run({"test": handle}))
        await begun.wait()
        parts.leave()
        may_end.set()
    assert working.done()
    assert left(clean_database) == []


async def test_what_does_not_end_in_time_is_given_back(parts: Parts, clean_database: DatabaseUrls):
    begun = asyncio.Event()

    async def handle(_: Claimed) -> None:
        begun.set()
        await asyncio.Event().wait()

    parts.queue.settings = replace(parts.queue.settings, grace=0.05)
    async with parts.running():
        await parts.queue.put(new_id(), [Job("test", "endless")])
        working = asyncio.create_task(parts.queue.run({"test": handle}))
        await begun.wait()
    assert working.done()
    assert left(clean_database) == ["ready"]


def test_how_the_queue_works_is_set_by_the_environment(chosen: Settings, parts: Parts):
    assert (parts.queue.settings.width, parts.queue.settings.stuck) == (chosen.queue_width, chosen.queue_stuck_s)
    assert parts.rooms.enrollment.settings.rows == chosen.enrollment_rows


def left(urls: DatabaseUrls) -> list[str]:
    """The states of the jobs that lie in the queue."""
    with psycopg.connect(urls.superuser) as everything:
        return [state for (state,) in everything.execute("SELECT state FROM job").fetchall()]
