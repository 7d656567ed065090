"""Jobs are done, by whoever is there, whatever happens to who began them; what fails is kept."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.queue import (
    AGE,
    JOBS,
    Claimed,
    Handler,
    HoldError,
    Job,
    PutOffError,
    Queue,
    QueueSettings,
    delay_after,
    enqueue,
)
from tests.support.cluster import DatabaseUrls
from tests.support.waiting import eventually, eventually_async

FAST = QueueSettings(lease=1.0, poll=0.05, first_delay=0.01, longest_delay=0.05, grace=0.2)
WORKER = Path(__file__).parents[1] / "support" / "queue_worker.py"


class Desk:
    """A database with a queue, and what was done."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.done: list[Claimed] = []

    async def put(self, tenant: UUID, jobs: Iterable[Job]) -> None:
        async with self.database.connection() as connection, connection.transaction():
            await connection.execute("SELECT set_config('app.tenant', $1, true)", str(tenant))
            await enqueue(connection, tenant, list(jobs))

    async def note(self, job: Claimed) -> None:
        self.done.append(job)

    @asynccontextmanager
    async def working(self, handler: Handler | None = None, settings: QueueSettings = FAST) -> AsyncGenerator[Queue]:
        queue = Queue(self.database, settings)
        task = asyncio.create_task(queue.run({"test": handler or self.note}))
        yield queue
        queue.stop()
        await task

    async def rows(self) -> list[tuple[str, int]]:
        """State and attempts of what lies in the queue, as its measures and its dead letters say."""
        async with self.database.connection() as connection:
            return [(row["state"], row["jobs"]) for row in await connection.fetch("SELECT state, jobs FROM job_measures()")]

    async def wait_for(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.done) >= count

        await eventually_async(enough)


@pytest.fixture
async def desk(clean_database: DatabaseUrls) -> AsyncIterator[Desk]:
    database = Database(PoolSettings(clean_database.app))
    await database.open()
    yield Desk(database)
    await database.close()


def jobs(count: int, **fields: Any) -> list[Job]:
    return [Job("test", f"key-{number}", {"number": str(number)}, **fields) for number in range(count)]


async def test_jobs_are_done_once_and_leave_nothing(desk: Desk):
    await desk.put(new_id(), jobs(20))
    async with desk.working(), desk.working():
        await desk.wait_for(20)
    assert sorted(int(job.payload["number"]) for job in desk.done) == list(range(20))
    assert await desk.rows() == []


async def test_a_job_of_the_same_key_is_not_enqueued_twice(desk: Desk):
    tenant = new_id()
    await desk.put(tenant, [*jobs(1), *jobs(1)])
    await desk.put(tenant, jobs(1))
    await desk.put(new_id(), jobs(1))
    assert await desk.rows() == [("ready", 2)]


async def test_a_transaction_that_is_rolled_back_enqueues_nothing(desk: Desk):
    async with desk.database.connection() as connection:
        await (transaction := connection.transaction()).start()
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(tenant := new_id()))
        await enqueue(connection, tenant, jobs(1))
        await transaction.rollback()
    assert await desk.rows() == []


async def test_urgent_jobs_go_first_and_a_busy_clinic_does_not_starve_another(desk: Desk):
    busy, quiet = new_id(), new_id()
    await desk.put(busy, jobs(30))
    await desk.put(quiet, [Job("test", "late", {"number": "100"}), Job("test", "urgent", {"number": "101"}, priority=1)])
    async with desk.working(settings=QueueSettings(width=1, poll=0.01)):
        await desk.wait_for(32)
    order = [(job.tenant, job.payload["number"]) for job in desk.done]
    assert order[0] == (quiet, "101")
    assert order.index((quiet, "100")) < 31  # the chance to be the last of the draws by luck is one in a billion


async def test_what_fails_is_tried_again_and_then_held_until_it_is_redriven(desk: Desk):
    failing = True

    async def handle(job: Claimed) -> None:
        if failing:
            raise LookupError("about a person")
        await desk.note(job)

    await desk.put(tenant := new_id(), jobs(1, most_attempts=3))
    async with desk.working(handle) as queue:
        [held] = await eventually_async(queue.held)
        assert (held.tenant, held.attempts, held.error) == (tenant, 3, "LookupError")
        failing = False
        assert await queue.redrive(tenant, held.id)
        assert not await queue.redrive(new_id(), held.id)
        await desk.wait_for(1)
    assert await desk.rows() == []


async def test_what_can_never_succeed_is_held_at_once(desk: Desk):
    async def handle(_: Claimed) -> None:
        raise HoldError

    await desk.put(new_id(), jobs(1))
    async with desk.working(handle) as queue:
        [held] = await eventually_async(queue.held)
    assert held.attempts == 1


async def test_a_worker_that_ends_gives_back_what_it_cannot_finish(desk: Desk):
    begun = asyncio.Event()

    async def handle(_: Claimed) -> None:
        begun.set()
        await asyncio.Event().wait()

    await desk.put(new_id(), jobs(1))
    async with desk.working(handle):
        await begun.wait()
    assert await desk.rows() == [("ready", 1)]
    async with desk.working():
        await desk.wait_for(1)
    assert desk.done[0].attempt == 1


async def test_a_worker_that_is_cancelled_gives_back_as_well(desk: Desk):
    begun = asyncio.Event()

    async def handle(_: Claimed) -> None:
        begun.set()
        await asyncio.Event().wait()

    await desk.put(new_id(), jobs(1))
    task = asyncio.create_task(Queue(desk.database, FAST).run({"test": handle}))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await desk.rows() == [("ready", 1)]


async def test_a_worker_that_lost_its_lease_cannot_finish_the_job(desk: Desk):
    await desk.put(tenant := new_id(), jobs(1))
    late, other = new_id(), new_id()
    async with desk.database.connection() as connection:
        [row] = await connection.fetch("SELECT * FROM job_claim($1, 1, $2, 0)", ["test"], late)
        await connection.fetchval("SELECT count(*) FROM job_claim($1, 1, $2, 60)", ["test"], other)
        assert not await connection.fetchval("SELECT job_finish($1, $2, $3)", tenant, row["id"], late)
        assert not await connection.fetchval("SELECT job_fail($1, $2, $3, NULL, 'Late')", tenant, row["id"], late)
        assert await connection.fetchval("SELECT job_finish($1, $2, $3)", tenant, row["id"], other)


async def test_of_jobs_finished_together_those_count_that_the_worker_still_holds(desk: Desk):
    tenants, lease, other = (new_id(), new_id()), new_id(), new_id()
    for tenant in tenants:
        await desk.put(tenant, [Job("test", str(number)) for number in range(2)])
    async with desk.database.connection() as connection:
        [lost] = await connection.fetch("SELECT * FROM job_claim($1, 1, $2, 60)", ["test"], other)
        held = await connection.fetch("SELECT * FROM job_claim($1, 10, $2, 60)", ["test"], lease)
        ids = [row["id"] for row in (lost, *held)]
        counted = await connection.fetch("SELECT id FROM job_finish_all($1, $2, $3)", list(tenants), ids, lease)
        left = await connection.fetchval("SELECT sum(jobs) FROM job_measures()")
    assert {row["id"] for row in counted} == {row["id"] for row in held}
    assert (len(held), left) == (3, 1)


async def test_many_jobs_done_at_once_all_leave_the_queue(desk: Desk):
    tenants = [new_id() for _ in range(3)]
    for tenant in tenants:
        await desk.put(tenant, [Job("test", str(number)) for number in range(100)])
    async with desk.working(settings=msgspec.structs.replace(FAST, width=50)):
        await desk.wait_for(300)
    assert len({job.id for job in desk.done}) == len(desk.done) == 300
    assert await desk.rows() == []


async def test_what_takes_every_worker_with_it_is_held(desk: Desk):
    await desk.put(new_id(), jobs(1, most_attempts=2))
    async with desk.database.connection() as connection:
        for _ in range(3):
            await connection.fetch("SELECT * FROM job_claim($1, 1, $2, 0)", ["test"], new_id())
    [held] = await Queue(desk.database).held()
    assert (held.attempts, held.error) == (2, "WorkerLost")


async def test_jobs_of_a_killed_process_are_taken_over_by_another_within_seconds(desk: Desk, clean_database: DatabaseUrls):
    await desk.put(new_id(), jobs(8))
    with started(clean_database.app, "60") as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("begun")
        first.kill()
    with started(clean_database.app, "0") as second:
        assert second.stdout is not None
        done: set[str] = set()
        while len(done) < 8:
            words = second.stdout.readline().split()
            done |= {words[1]} if words[0] == "done" else set[str]()
        assert done == {str(number) for number in range(8)}

        async def empty() -> bool:
            return await desk.rows() == []

        await eventually_async(empty)


def started(url: str, seconds: str) -> Any:
    return _Killed(subprocess.Popen([sys.executable, str(WORKER), url, seconds], stdout=subprocess.PIPE, text=True))


class _Killed:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def __enter__(self) -> "subprocess.Popen[str]":
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        eventually(lambda: self.process.poll() is not None)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.mark.parametrize("word", ["Ada Lovelace", "ada@example.org", "", "1815-12-10 "])
async def test_a_payload_that_could_be_about_a_person_is_refused(desk: Desk, word: str):
    with pytest.raises(ValueError, match="more than ids and names"):
        await desk.put(new_id(), [Job("test", "key", {"who": word})])


async def test_depth_and_age_are_measured(desk: Desk):
    await desk.put(new_id(), jobs(3))
    await Queue(desk.database).measure()
    assert JOBS.labels("test", "ready")._value.get() == 3
    assert 0 <= AGE.labels("test", "ready")._value.get() < 60


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_delays_grow_up_to_a_bound_and_are_never_nothing(attempt: int, luck: float):
    settings = QueueSettings()
    found = delay_after(attempt, settings, luck)
    assert settings.first_delay / 2 <= found <= settings.longest_delay
    assert delay_after(attempt + 1, settings, luck) >= found


async def test_who_knows_when_trying_again_may_help_is_not_asked_before(desk: Desk, clean_database: DatabaseUrls):
    tenant = new_id()
    await desk.put(tenant, jobs(1))

    async def busy(job: Claimed) -> None:
        await desk.note(job)
        raise PutOffError(600)

    async with desk.working(busy):
        await desk.wait_for(1)

        async def put_off() -> bool:
            return await desk.rows() == [("ready", 1)]

        await eventually_async(put_off)
    with psycopg.connect(clean_database.superuser) as everything:
        [(wait,)] = everything.execute("SELECT extract(epoch FROM due_at - clock_timestamp())::float FROM job").fetchall()
    assert 500 < wait <= 600
