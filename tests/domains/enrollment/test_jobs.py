"""Batches as jobs: enqueued by what makes them runnable, run by one worker at a time, found again where nobody enqueued them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from keepwell.domains.enrollment import EnrollmentService, EnrollmentSettings
from keepwell.domains.enrollment.jobs import enqueue_runnable, handlers
from keepwell.domains.enrollment.models import PART_ROWS
from keepwell.domains.enrollment.service import Upload
from keepwell.domains.participants import ParticipantService
from keepwell.domains.programs import ProgramService
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id
from keepwell.platform.queue import Queue, QueueSettings
from tests.support.clinic import Clinic, opened
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.enrolling import act, batch, people, program, table
from tests.support.waiting import eventually_async

FAST = QueueSettings(lease=1.0, poll=0.05, first_delay=0.01, longest_delay=0.05, grace=0.0)
JOBS = "SELECT payload, state FROM job WHERE kind = 'enrollment.run'"


class Office:
    """A clinic whose batches are enqueued."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.database = clinic.kernel.database
        self.queue = Queue(self.database, FAST)
        self.service = self.serving(self.queue.put)
        self.quiet = self.serving(None)

    def serving(self, enqueue: Any) -> EnrollmentService:
        kernel = self.clinic.kernel
        rooms = (ProgramService(kernel), ParticipantService(kernel))
        return EnrollmentService(kernel, *rooms, EnrollmentSettings(pauses=(0.01, 0.05)), enqueue)

    async def upload(self, service: EnrollmentService, rows: int) -> str:
        async def content() -> AsyncIterator[bytes]:
            yield table(people(*range(rows)))

        upload = Upload(UUID(await program(self.clinic)), "text/csv")
        actor = self.clinic.actors["Bearer clinician"]
        return str((await service.upload(actor, Origin("test", "test"), upload, content())).id)

    @asynccontextmanager
    async def working(self, workers: int = 1) -> AsyncGenerator[None]:
        """Workers of their own, until the block ends."""
        queues = [Queue(self.database, FAST) for _ in range(workers)]
        tasks = [asyncio.create_task(queue.run(handlers(self.service))) for queue in queues]
        yield
        for queue in queues:
            queue.stop()
        await asyncio.gather(*tasks)

    async def completed(self, id_: str, rows: int) -> None:
        """Returns when the batch is, and its job gone; and everybody was journaled once."""

        async def over() -> bool:
            return (await batch(self.clinic, id_))["status"] == "completed" and await self.clinic.stored(JOBS) == []

        await eventually_async(over, 60)
        assert (await batch(self.clinic, id_))["rows"]["enrolled"] == rows
        counted = "SELECT count(*), max(version) FROM journal_entry WHERE kind = 'participant' AND tenant_id = $1"
        assert await self.clinic.stored(counted, self.clinic.tenant) == [(rows, 1)]


@pytest.fixture
async def office(clean_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Office]:
    async with opened(clean_database, manual_clock) as clinic:
        yield Office(clinic)


async def test_what_is_uploaded_is_run_by_whoever_is_there(office: Office):
    id_ = await office.upload(office.service, 700)
    assert await office.clinic.stored(JOBS) == [(f'{{"batch":"{id_}"}}', "ready")]
    async with office.working(2):
        await office.completed(id_, 700)


async def test_a_batch_that_nobody_enqueued_is_found_and_enqueued_once(office: Office):
    id_ = await office.upload(office.quiet, 3)
    assert await office.clinic.stored(JOBS) == []
    for _ in range(2):
        await enqueue_runnable(office.service, office.queue)
    assert len(await office.clinic.stored(JOBS)) == 1
    async with office.working():
        await office.completed(id_, 3)
    await enqueue_runnable(office.service, office.queue)
    assert await office.clinic.stored(JOBS) == []


async def test_a_job_of_a_batch_that_rests_ends_and_resuming_makes_another(office: Office):
    id_ = await office.upload(office.service, 3)
    await act(office.clinic, id_, "pause")
    async with office.working():

        async def gone() -> bool:
            return await office.clinic.stored(JOBS) == []

        await eventually_async(gone)
        assert (await batch(office.clinic, id_))["status"] == "paused"
        await act(office.clinic, id_, "resume")
        await office.service.enqueue(office.clinic.tenant, UUID(id_))
        await office.completed(id_, 3)


async def test_who_lost_the_lease_stops_and_another_goes_on(office: Office):
    rows = 4 * PART_ROWS
    id_ = await office.upload(office.service, rows)
    async with office.working():

        async def moved() -> bool:
            return (await office.clinic.stored("SELECT count(*) FROM batch_part")) != [(0,)]

        await eventually_async(moved)
        lost = "UPDATE job SET lease = $1, lease_until = clock_timestamp() WHERE kind = 'enrollment.run' RETURNING attempts"
        assert await office.clinic.stored(lost, new_id()) == [(1,)]
        await office.completed(id_, rows)
