"""Jobs: enqueued in the transaction that makes them necessary, done at least once by any worker of any machine.

A worker holds what it claimed on a lease that it prolongs; of a worker that was killed, the leases lapse and others take over.
What it finishes after that counts for nothing here, and has to count for nothing elsewhere: a handler runs idempotent commands.
What fails is tried again, later each time, and in the end held for somebody to look at. Nothing that failed is ever deleted.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from keepwell.kit.ids import new_id
from keepwell.platform.postgres import AWAY, Database
from keepwell.platform.telemetry import describe

RUNS = Counter("keepwell_queue_runs", "Attempts at jobs that ended.", ["kind", "outcome"])
SECONDS = Histogram("keepwell_queue_seconds", "How long attempts took.", ["kind"], buckets=(0.01, 0.1, 1, 10, 60, 600))
WAITED = Histogram("keepwell_queue_wait_seconds", "From due to begun.", ["kind"], buckets=(0.01, 0.1, 1, 10, 60, 600))
JOBS = Gauge("keepwell_queue_jobs", "Jobs that lie there.", ["kind", "state"])
AGE = Gauge("keepwell_queue_age_seconds", "How long the oldest job has been due.", ["kind", "state"])
SATURATION = Gauge("keepwell_queue_saturation", "Which part of what this worker can do at once it does.", ["queue"])

_WORDS = re.compile(r"[A-Za-z0-9._:+-]{1,128}")
_ENQUEUE = """
INSERT INTO job (tenant_id, id, kind, key, payload, priority, most_attempts, due_at)
SELECT $1, j.id, j.kind, j.key, j.payload, j.priority, j.most, clock_timestamp() + make_interval(secs => j.delay)
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::float8[])
    AS j (id, kind, key, payload, priority, most, delay)
ON CONFLICT ON CONSTRAINT job_key DO NOTHING
"""
_CLAIM_TENANT = "SELECT set_config('app.tenant', $1, true)"
_CLAIM = "SELECT * FROM job_claim($1, $2, $3, $4)"
_BEAT = "SELECT id FROM job_beat($1, $2)"
_FINISH = "SELECT id FROM job_finish_all($1, $2, $3)"
_FAIL = "SELECT job_fail($1, $2, $3, $4, $5)"
_GIVE_BACK = "SELECT job_give_back($1, $2, $3)"
_REDRIVE = "SELECT job_redrive($1, $2)"
_PURGE = "SELECT job_purge($1, $2)"
_HELD = "SELECT * FROM job_held()"
_OLDEST_DUE = "SELECT job_oldest_due($1)"
_MEASURES = "SELECT * FROM job_measures()"
_log = structlog.stdlib.get_logger("keepwell.worker")


class HoldError(Exception):
    """Raised by a handler that knows that trying again is in vain."""


class PutOffError(Exception):
    """Raised by a handler that knows when trying again may help: in so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class QueueSettings(msgspec.Struct, frozen=True):
    """How a worker works. Times are in seconds: a killed worker's jobs are taken over after `lease` and `poll` at most.

    `name` tells queues of one process apart that are worked by themselves, so that long jobs never keep short ones waiting.
    `patient` are kinds that may be due for long: somebody else watches those.
    """

    name: str = "jobs"
    width: int = 4
    lease: float = 10.0
    poll: float = 1.0
    first_delay: float = 1.0
    longest_delay: float = 600.0
    grace: float = 10.0
    stuck: float = 300.0
    most_attempts: int = 8
    patient: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """Work to be done. While one of the same kind and `key` lies there, another is not enqueued. Small priorities go first.

    `most_attempts` None: as many as the queue's settings say.
    """

    kind: str
    key: str
    payload: Mapping[str, str] = {}
    priority: int = 100
    delay: float = 0.0
    most_attempts: int | None = None


class Claimed(msgspec.Struct, frozen=True):
    """A job that this worker holds, for its `attempt` (from 1)."""

    tenant: UUID
    id: UUID
    kind: str
    payload: Mapping[str, str]
    attempt: int
    most_attempts: int
    waited: float


class Held(msgspec.Struct, frozen=True):
    """A job that failed for good. `error` is the name of a class."""

    tenant: UUID
    id: UUID
    kind: str
    attempts: int
    error: str | None
    enqueued_at: Any


Handler = Callable[[Claimed], Awaitable[None]]
"""Does a job. It may be run again, beside itself too, after it has done its work."""


def delay_after(attempt: int, settings: QueueSettings, luck: float) -> float:
    """Seconds until the next attempt: twice as long each time up to the longest, of which luck (0 to 1) takes up to half."""
    whole = min(settings.longest_delay, settings.first_delay * 2.0 ** min(attempt - 1, 60))
    return whole * (1 - luck / 2)


async def enqueue(connection: Any, tenant: UUID, jobs: Sequence[Job], most_attempts: int = 8) -> None:
    """Puts jobs into the queue, in the transaction the connection is in, which has to be set to the tenant.
    `most_attempts` is for jobs that do not say.

    Raises:
        ValueError: a payload holds something that is neither an id nor a name: it could be about a person.
    """
    for job in jobs:
        if not all(_WORDS.fullmatch(word) for word in (job.kind, job.key, *job.payload.keys(), *job.payload.values())):
            raise ValueError(f"a job of kind {job.kind} carries more than ids and names")
    columns = (
        [new_id() for _ in jobs],
        [job.kind for job in jobs],
        [job.key for job in jobs],
        [msgspec.json.encode(job.payload).decode() for job in jobs],
        [job.priority for job in jobs],
        [job.most_attempts or most_attempts for job in jobs],
        [job.delay for job in jobs],
    )
    await connection.execute(_ENQUEUE, tenant, *columns)


class Queue:
    """The queue as one worker sees it. `lease` is the worker's own, new with every process."""

    def __init__(self, database: Database, settings: QueueSettings | None = None) -> None:
        self.settings = settings or QueueSettings()
        self.lease = new_id()
        self._database = database
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._claimed: dict[UUID, Claimed] = {}
        self._done: dict[UUID, tuple[Claimed, asyncio.Future[bool]]] = {}
        self._finishing: asyncio.Task[None] | None = None
        self._finished = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    def stop(self) -> None:
        """Lets `run` end: nothing more is claimed; what is under way may end within the grace, and is then given back."""
        self._stopping.set()
        self._finished.set()

    async def close(self) -> None:
        """Stops, and waits until everything that was under way has ended or was given back. Then the database may go."""
        self.stop()
        await self._ended.wait()

    async def run(self, handlers: Mapping[str, Handler]) -> None:
        """Does jobs of the kinds there are handlers for until `stop` is called or it is cancelled.

        A database that is away is waited for.
        """
        self._ended.clear()
        beating = asyncio.create_task(self._keep_beating(), name="queue beats")
        try:
            while not self._stopping.is_set():
                self._finished.clear()
                claimed = await self._claim(handlers)
                if len(claimed) == 0 or len(self._tasks) >= self.settings.width:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self.settings.poll):
                            await self._finished.wait()
        finally:
            await self._drain()
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            self._ended.set()

    async def put(self, tenant: UUID, jobs: Sequence[Job]) -> None:
        """Enqueues what follows from stored state, in a transaction of its own: who may be cut off before it looks again.

        Raises:
            ValueError: as `enqueue`.
        """
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(_CLAIM_TENANT, str(tenant))
            await enqueue(connection, tenant, jobs, self.settings.most_attempts)

    async def oldest_due(self) -> float:
        """For how many seconds the oldest job of all clinics that could be done was not, but for kinds that may wait."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_OLDEST_DUE, list(self.settings.patient))

    async def held(self) -> list[Held]:
        """What failed for good, of all clinics, the oldest first, at most a thousand."""
        async with self._database.connection() as connection:
            return [Held(*row.values()) for row in await connection.fetch(_HELD)]

    async def redrive(self, tenant: UUID, id_: UUID) -> bool:
        """Makes a held job ready again, with all its attempts; whether there was one."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_REDRIVE, tenant, id_)

    async def purge(self, tenant: UUID, before: datetime) -> int:
        """Deletes a clinic's jobs that failed for good before an instant; how many."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_PURGE, tenant, before)

    async def measure(self) -> None:
        """Brings the gauges up to date; says so when something has been due for too long."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_MEASURES)
        JOBS.clear()
        AGE.clear()
        for row in rows:
            JOBS.labels(row["kind"], row["state"]).set(row["jobs"])
            AGE.labels(row["kind"], row["state"]).set(row["age"])
            if row["state"] == "ready" and row["age"] > self.settings.stuck:
                _log.warning("queue.stuck", kind=row["kind"], count=row["jobs"])

    async def _claim(self, handlers: Mapping[str, Handler]) -> list[Claimed]:
        free = self.settings.width - len(self._tasks)
        if free <= 0:
            return []
        try:
            async with self._database.connection() as connection:
                rows = await connection.fetch(_CLAIM, list(handlers), free, self.lease, self.settings.lease)
        except AWAY as error:
            _log.warning("queue.claim-failed", **describe(error))
            return []
        claimed = [
            Claimed(
                row["tenant_id"],
                row["id"],
                row["kind"],
                msgspec.json.decode(row["payload"], type=dict[str, str]),
                row["attempts"],
                row["most_attempts"],
                row["waited"],
            )
            for row in rows
        ]
        for job in claimed:
            self._begin(job, handlers[job.kind])
        return claimed

    def _begin(self, job: Claimed, handler: Handler) -> None:
        WAITED.labels(job.kind).observe(max(0.0, job.waited))
        self._claimed[job.id] = job
        task = self._tasks[job.id] = asyncio.create_task(self._do(job, handler), name=f"job {job.kind}")
        self._measured()

        def ended(_: asyncio.Task[None]) -> None:
            del self._tasks[job.id], self._claimed[job.id]
            self._measured()
            self._finished.set()

        task.add_done_callback(ended)

    def _measured(self) -> None:
        SATURATION.labels(self.settings.name).set(len(self._tasks) / self.settings.width)

    async def _do(self, job: Claimed, handler: Handler) -> None:
        started = asyncio.get_running_loop().time()
        try:
            await handler(job)
        except Exception as error:  # noqa: BLE001 - what failed is counted, named, and tried again
            await self._failed(job, error)
        else:
            counted = await self._finish(job)
            RUNS.labels(job.kind, "ok" if counted else "late").inc()
        SECONDS.labels(job.kind).observe(asyncio.get_running_loop().time() - started)

    async def _finish(self, job: Claimed) -> bool:
        """Whether it counted. What is done while others are being finished is finished together, in one commit."""
        counted = asyncio.get_running_loop().create_future()
        self._done[job.id] = (job, counted)
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._finish_all(), name="queue finishes")
        return await counted

    async def _finish_all(self) -> None:
        try:
            while self._done:
                done, self._done = list(self._done.values()), {}
                counted: set[UUID] = set()
                try:
                    counted = await self._counted([job for job, _ in done])
                finally:  # nobody waits for ever
                    for job, waiter in done:
                        if not waiter.done():  # its task was cancelled meanwhile
                            waiter.set_result(job.id in counted)
        finally:
            self._finishing = None

    async def _counted(self, jobs: Sequence[Claimed]) -> set[UUID]:
        """Which of the jobs were still this worker's. Where the database is away, the leases lapse and they are done again."""
        tenants, ids = list({job.tenant for job in jobs}), [job.id for job in jobs]
        try:
            async with self._database.connection() as connection:
                return {row["id"] for row in await connection.fetch(_FINISH, tenants, ids, self.lease)}
        except AWAY as error:
            _log.warning("queue.settle-failed", count=len(jobs), **describe(error))
            return set()

    async def _failed(self, job: Claimed, error: Exception) -> None:
        again = job.attempt < job.most_attempts and not isinstance(error, HoldError)
        wait = self._wait(job, error) if again else None
        RUNS.labels(job.kind, "retried" if again else "held").inc()
        _log.warning("queue.job-failed", kind=job.kind, tenant=job.tenant, id=job.id, **describe(error))
        await self._settle(_FAIL, job, wait, type(error).__name__)

    def _wait(self, job: Claimed, error: Exception) -> float:
        luck = random.random()  # noqa: S311 - spreads attempts, guards nothing
        usual = delay_after(job.attempt, self.settings, luck)
        return max(usual, error.seconds) if isinstance(error, PutOffError) else usual

    async def _settle(self, statement: str, job: Claimed, *more: Any) -> bool:
        """Whether it counted. Where the database is away, the lease lapses and the job is done again."""
        try:
            async with self._database.connection() as connection:
                return await connection.fetchval(statement, job.tenant, job.id, self.lease, *more)
        except AWAY as error:
            _log.warning("queue.settle-failed", kind=job.kind, tenant=job.tenant, id=job.id, **describe(error))
            return False

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self.settings.lease / 3)
            before = set(self._tasks)
            if not before:
                continue
            try:
                async with self._database.connection() as connection:
                    held = {row["id"] for row in await connection.fetch(_BEAT, self.lease, self.settings.lease)}
            except AWAY as error:
                _log.warning("queue.beat-failed", **describe(error))
                continue
            for id_ in before - held:  # somebody else has it, or it has just ended
                if (task := self._tasks.get(id_)) is not None:
                    task.cancel()

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self.settings.grace)
        left = list(self._claimed.values())
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._finishing is not None:
            await asyncio.gather(self._finishing, return_exceptions=True)
        for job in left:
            await self._settle(_GIVE_BACK, job)
