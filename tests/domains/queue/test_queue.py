"""Jobs of a clinic: seen by its administrators only, tried again on their word, told of while they fail or wait too long."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from keepwell.domains import incidents, tenants
from keepwell.domains.incidents import IncidentService
from keepwell.domains.queue import QueueService, jobs, routes
from keepwell.kernel import Actor, Catalog, Kernel, Limits
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.queue import Claimed, HoldError, Job, Queue, QueueSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.http_server import serving
from tests.support.problems import assert_refused
from tests.support.waiting import eventually_async

FAST = QueueSettings(poll=0.05, stuck=300.0)


class Office:
    """Two clinics, whose administrators look at one queue."""

    def __init__(self, database: Database, kernel: Kernel, http: httpx.AsyncClient, clock: ManualClock) -> None:
        self.clock = clock
        self.database = database
        self.kernel = kernel
        self.http = http
        self.queue = Queue(database, FAST)
        self.incidents = IncidentService(kernel)
        self.service = QueueService(kernel, self.queue, self.incidents)
        self.here, self.there = (Actor(new_id(), new_id(), "admin", ("user/*.cruds",)) for _ in range(2))
        self.nobody = Actor(self.here.tenant, new_id(), "clinician", ("user/Batch.crus",))

    def authenticate(self, authorization: str) -> Actor:
        return {"here": self.here, "there": self.there, "nobody": self.nobody}[authorization]

    async def put(self, key: str, delay: float = 0.0) -> None:
        await self.queue.put(self.here.tenant, [Job("test", key, delay=delay)])

    async def work(self, *, fails: bool = False) -> None:
        """Does what is due, or fails at it for good."""

        async def handle(_: Claimed) -> None:
            if fails:
                raise HoldError

        worker = Queue(self.database, FAST)
        running = asyncio.create_task(worker.run({"test": handle}))

        async def settled() -> bool:
            return all(job["status"] == "held" for job in await self.jobs())

        await eventually_async(settled)
        worker.stop()
        await running

    async def jobs(self, who: str = "here", **query: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/v1/jobs", params=query, headers={"authorization": who})
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    async def retry(self, id_: str, who: str = "here") -> httpx.Response:
        return await self.http.post(f"/v1/jobs/{id_}/retry", headers={"authorization": who})

    async def told(self) -> list[tuple[str, str]]:
        """Subject and status of the clinic's incidents, the oldest first."""
        await jobs.watch(self.service)
        found = await asyncio.gather(*(self._incident(row) for row in await self._stored()))
        return [(one.subject, one.status) for one in found]

    async def _incident(self, id_: UUID) -> Any:
        return await self.incidents.get(self.here, id_, jobs._origin())

    async def _stored(self) -> list[UUID]:
        async with self.database.connection() as connection, connection.transaction():
            await connection.execute("SELECT set_config('app.tenant', $1, true)", str(self.here.tenant))
            return [row["id"] for row in await connection.fetch("SELECT id FROM incident ORDER BY id")]


@pytest.fixture
async def office(clean_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Office]:
    database = Database(PoolSettings(clean_database.app, largest=6, wait=2.0))
    await database.open()
    catalog = Catalog((*tenants.AGGREGATES, *incidents.AGGREGATES))
    kernel = Kernel(database, catalog, KeyRing(MASTER_KEY, manual_clock), manual_clock, Limits())
    async with httpx.AsyncClient(timeout=20) as http:
        office = Office(database, kernel, http, manual_clock)
        async with serving(Door(kernel, office.authenticate, routes.endpoints(office.service))) as base:
            http.base_url = httpx.URL(base)
            yield office
    await kernel.close()
    await database.close()


async def test_a_held_job_is_listed_with_what_it_was_and_done_when_it_is_tried_again(office: Office):
    await office.put("broken")
    await office.work(fails=True)
    await office.put("later", delay=600)
    [held] = await office.jobs(status="held")
    assert (held["kind"], held["key"], held["attempts"], held["error"]) == ("test", "broken", 1, "HoldError")
    assert [job["status"] for job in await office.jobs()] == ["ready", "held"]
    again = (await office.retry(held["id"])).json()
    assert (again["id"], again["status"], again["attempts"]) == (held["id"], "ready", 0)
    assert_refused(await office.retry(held["id"]), 409, "job-not-held")


async def test_jobs_are_seen_and_tried_again_by_administrators_of_their_clinic_only(office: Office):
    await office.put("broken")
    await office.work(fails=True)
    [held] = await office.jobs()
    assert await office.jobs("there") == []
    assert_refused(await office.retry(held["id"], "there"), 404, "not-found")
    assert_refused(await office.retry(held["id"], "nobody"), 403, "forbidden")
    assert_refused(await office.http.get("/v1/jobs", headers={"authorization": "nobody"}), 403, "forbidden")
    assert [job["status"] for job in await office.jobs()] == ["held"]


async def test_that_a_job_was_tried_again_is_in_the_audit(office: Office):
    await office.put("broken")
    await office.work(fails=True)
    [held] = await office.jobs()
    await office.retry(held["id"])
    async with office.database.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(office.here.tenant))
        rows = await connection.fetch(
            "SELECT actor, outcome FROM access_record WHERE action = 'jobs.redrive' AND entity = $1", UUID(held["id"])
        )
    assert [(row["actor"], row["outcome"]) for row in rows] == [(office.here.id, "ok")]


async def test_jobs_that_failed_for_good_are_an_incident_until_none_is_left(office: Office):
    assert await office.told() == []
    await office.put("broken")
    await office.work(fails=True)
    assert await office.told() == [("queue/held", "open")]
    assert await office.told() == [("queue/held", "open")]
    await office.retry((await office.jobs())[0]["id"])
    await office.work()
    assert await office.told() == [("queue/held", "resolved")]
    await office.put("broken-again")
    await office.work(fails=True)
    assert await office.told() == [("queue/held", "resolved"), ("queue/held", "open")]


async def test_a_job_that_waits_too_long_is_an_incident_until_it_is_done(office: Office):
    await office.put("new")
    assert await office.told() == []
    await office.put("old", delay=-600)
    assert await office.told() == [("queue/age", "open")]
    await office.work()
    assert await office.told() == [("queue/age", "resolved")]


async def test_watchers_beside_each_other_open_one_incident(office: Office):
    await office.put("old", delay=-600)
    await asyncio.gather(*(jobs.watch(office.service) for _ in range(6)))
    assert await office.told() == [("queue/age", "open")]


async def test_what_failed_long_ago_is_deleted_where_the_clinic_wants_that(office: Office):
    await office.put("broken")
    await office.work(fails=True)
    await office.put("waiting", delay=600)
    assert await office.service.purge(office.there, jobs._origin(), timedelta(0)) == 0
    office.clock.set(datetime.now(UTC) + timedelta(days=1))  # the queue goes by the database's clock
    assert await office.service.purge(office.here, jobs._origin(), timedelta(days=2)) == 0
    assert await office.service.purge(office.here, jobs._origin(), timedelta(hours=1)) == 1
    assert [job["key"] for job in await office.jobs()] == ["waiting"]
