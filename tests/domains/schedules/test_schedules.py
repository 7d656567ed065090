"""Schedules: by the clinic's clocks, each instant once, whatever dies; what was missed is told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import schedules, tenants
from keepwell.domains.schedules import ScheduleService, Task, Timing, jobs, rules
from keepwell.domains.schedules.models import (
    BeginRun,
    CreateSchedule,
    EndRun,
    PauseSchedule,
    ResumeSchedule,
    RunBegun,
    RunNow,
    Schedule,
    ScheduleView,
)
from keepwell.domains.tenants import operator
from keepwell.kernel import Catalog, Context, Kernel, Limits, Origin, Refusal, Refused
from keepwell.kernel.journal import event_name
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import NIL, new_id
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.queue import Queue, QueueSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.waiting import eventually_async

ORIGIN = Origin("test", "test")
NIGHTLY = Timing("30 2 * * *", "Europe/Berlin")
FAST = QueueSettings(lease=2.0, poll=0.05, first_delay=0.01, longest_delay=0.05, grace=1.0)


class Office:
    """A clinic with a task, and two nodes that run what is due."""

    def __init__(self, databases: list[Database], clock: ManualClock) -> None:
        self.clock = clock
        self.tenant = new_id()
        self.actor = operator(self.tenant)
        self.ran: list[UUID] = []
        self.fails = self.unfit = False
        catalog = Catalog((*schedules.AGGREGATES, *tenants.AGGREGATES))
        task = Task("test.task", "A test's task.", self._task)
        self.nodes = [
            (
                ScheduleService(Kernel(each, catalog, KeyRing(MASTER_KEY, clock), clock, Limits()), [task]),
                Queue(each, FAST),
            )
            for each in databases
        ]
        self.service = self.nodes[0][0]
        for service, _ in self.nodes:
            service.runs_only_when(self._fit)

    async def _task(self, tenant: UUID, _: Origin) -> None:
        self.ran.append(tenant)
        if self.fails:
            raise LookupError("about a person")

    async def _fit(self) -> None:
        if self.unfit:
            raise RuntimeError("the schema is another one")

    async def create(self, timing: Timing = NIGHTLY) -> ScheduleView:
        return await self.service.create(self.actor, "test.task", timing, ORIGIN)

    async def work(self) -> None:
        """Both nodes look for what is due at once, and work until nothing is left."""
        await asyncio.gather(*(jobs.enqueue_due(service, queue) for service, queue in self.nodes))
        queues = [Queue(queue._database, FAST) for _, queue in self.nodes]
        tasks = [
            asyncio.create_task(queue.run(jobs.handlers(service))) for queue, (service, _) in zip(queues, self.nodes, strict=True)
        ]

        async def empty() -> bool:
            async with queues[0]._database.connection() as connection:
                return await connection.fetchval("SELECT count(*) FROM job_measures()") == 0

        await eventually_async(empty)
        for queue in queues:
            queue.stop()
        await asyncio.gather(*tasks)

    async def shown(self) -> ScheduleView:
        [found] = await self.service.page(self.actor, ORIGIN)
        return found


@pytest.fixture
async def office(clean_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Office]:
    databases = [Database(PoolSettings(clean_database.app)) for _ in range(2)]
    for database in databases:
        await database.open()
    yield Office(databases, manual_clock)
    for database in databases:
        await database.close()


async def test_a_night_on_which_half_past_two_comes_twice_has_one_run(office: Office):
    office.clock.set(datetime(2026, 10, 24, 12, tzinfo=UTC))
    await office.create()
    for _ in range(30):
        office.clock.advance(hours=0.5)
        await office.work() if await office.service.due(ORIGIN) else None
    assert office.ran == [office.tenant]
    assert (await office.shown()).next_at == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


async def test_a_night_without_half_past_two_has_one_run_all_the_same(office: Office):
    office.clock.set(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert (await office.create()).next_at == datetime(2026, 3, 29, 1, tzinfo=UTC)
    office.clock.set(datetime(2026, 3, 29, 1, 0, 1, tzinfo=UTC))
    await office.work()
    await office.work()
    assert office.ran == [office.tenant]


async def test_two_nodes_and_a_job_that_comes_again_make_one_run(office: Office):
    await office.create()
    office.clock.advance(days=1)
    [(tenant, job)] = await office.service.due(ORIGIN)
    await office.work()
    await office.nodes[1][1].put(tenant, [job])  # as if the first had been put there by a slow node
    await office.work()
    assert office.ran == [office.tenant]
    assert (await office.shown()).run is not None


async def test_times_that_passed_unseen_are_run_once_and_told(office: Office):
    await office.create()
    office.clock.advance(days=4)
    await office.work()
    shown = await office.shown()
    assert (office.ran, shown.missed) == ([office.tenant], 3)
    names = [event_name(entry.event) for entry in await office.service.history(office.actor, shown.id, ORIGIN)]
    assert names == ["schedule-created", "runs-missed", "run-begun", "run-ended"]


async def test_times_that_passed_unseen_are_only_told_where_they_are_to_be_skipped(office: Office):
    await office.create(Timing("30 2 * * *", "Europe/Berlin", "skip"))
    office.clock.advance(days=4)
    await office.work()
    shown = await office.shown()
    assert (office.ran, shown.missed, shown.run) == ([], 4, None)


async def test_a_failed_run_is_recorded_by_class_and_the_next_one_comes(office: Office):
    office.fails = True
    await office.create()
    office.clock.advance(days=1)
    await office.work()
    run = (await office.shown()).run
    assert run is not None
    assert (run.result, run.error) == ("failed", "LookupError")
    office.clock.advance(days=1)
    await office.work()
    assert len(office.ran) == 2


async def test_nothing_is_let_loose_on_another_schema(office: Office):
    office.unfit = True
    await office.create()
    office.clock.advance(days=1)
    await office.work()
    run = (await office.shown()).run
    assert run is not None
    assert (office.ran, run.result, run.error) == ([], "refused", "RuntimeError")


async def test_who_took_over_from_a_killed_worker_begins_the_same_run_again(office: Office):
    schedule = await office.create()
    office.clock.advance(days=1)
    [_] = await office.service.due(ORIGIN)
    begin = BeginRun(schedule.id, schedule.next_at)
    await office.service._done(office.actor, begin, ORIGIN)  # and then the worker was killed, with its job in the queue
    await office.nodes[1][1].put(office.tenant, [_[1]])
    await office.work()
    run = (await office.shown()).run
    assert run is not None
    assert (office.ran, run.result, run.scheduled_at) == ([office.tenant], "ok", schedule.next_at)


async def test_run_now_pause_and_resume(office: Office):
    schedule = await office.create()
    await office.service.run_now(office.actor, schedule.id, ORIGIN)
    await office.work()
    assert office.ran == [office.tenant]
    await office.service.pause(office.actor, schedule.id, ORIGIN)
    office.clock.advance(days=3)
    await office.work()
    with pytest.raises(Refused, match="paused"):
        await office.service.run_now(office.actor, schedule.id, ORIGIN)
    resumed = await office.service.resume(office.actor, schedule.id, ORIGIN)
    assert (len(office.ran), resumed.missed, resumed.paused) == (1, 0, False)
    assert resumed.next_at > office.clock.now()


@pytest.mark.parametrize(
    ("task", "timing"),
    [
        ("none", NIGHTLY),
        ("test.task", Timing("2:30", "Europe/Berlin")),
        ("test.task", Timing("30 2 * * *", "Europe/Atlantis")),
        ("test.task", Timing("30 2 * * *", "")),
        ("test.task", Timing(None, "UTC")),
        ("test.task", Timing("30 2 * * *", "UTC", every_s=3600)),
        ("test.task", Timing(None, "UTC", every_s=59)),
        ("test.task", Timing(None, "UTC", every_s=10**12)),
    ],
)
async def test_what_could_never_run_is_refused(office: Office, task: str, timing: Timing):
    with pytest.raises(Refused, match="invalid-schedule"):
        await office.service.create(office.actor, task, timing, ORIGIN)


INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds of aware ones


@given(st.integers(rules.SHORTEST, rules.LONGEST), INSTANTS)
def test_an_interval_gives_the_same_times_to_whoever_asks_whenever(every: int, after: datetime):
    timing = Timing(None, "UTC", every_s=every)
    first = rules.following(timing, after)
    assert timedelta(0) < first - after <= timedelta(seconds=every)
    assert first.timestamp() % every == 0
    assert rules.following(timing, first) == first + timedelta(seconds=every)
    assert rules.following(timing, first - timedelta(microseconds=1)) == first


async def test_a_task_at_intervals_runs_once_an_interval_and_tells_what_it_missed(office: Office):
    await office.create(Timing(None, "UTC", every_s=600))
    for _ in range(3):
        office.clock.advance(minutes=10)
        await office.work()
    assert len(office.ran) == 3
    office.clock.advance(minutes=40)
    await office.work()
    assert (len(office.ran), (await office.shown()).missed) == (4, 3)


STEPS = st.lists(st.tuples(st.sampled_from(["begin", "end", "now", "pause", "resume"]), st.integers(0, 100_000)), max_size=30)


@given(STEPS, st.sampled_from(["run-once", "skip"]))
def test_no_instant_has_two_runs_and_none_begins_beside_another(steps: list[tuple[str, int]], missed: Any):
    now, id_ = datetime(2026, 10, 20, tzinfo=UTC), new_id()
    actor = operator(NIL)

    def context() -> Context:
        return Context(now, actor, {}, {})

    decided = rules.decide_create(None, CreateSchedule(id_, "test", Timing("*/30 * * * *", "Europe/Berlin", missed)), context())
    assert not isinstance(decided, Refusal)
    state: Schedule = rules.evolve(None, decided[0])
    begun: list[datetime] = []
    for step, seconds in steps:
        now += timedelta(seconds=seconds)
        was_under_way = rules.under_way(state)
        match step:
            case "begin":
                decided = rules.decide_begin(state, BeginRun(id_, state.next_at), context())
            case "end":
                at = now if state.run is None else state.run.scheduled_at
                decided = rules.decide_end(state, EndRun(id_, at, "ok"), context())
            case "now":
                decided = rules.decide_now(state, RunNow(id_), context())
            case "pause":
                decided = rules.decide_pause(state, PauseSchedule(id_), context())
            case _:
                decided = rules.decide_resume(state, ResumeSchedule(id_), context())
        for event in () if isinstance(decided, Refusal) else decided:
            if isinstance(event, RunBegun):
                assert not was_under_way
                begun.append(event.scheduled_at)
            state = rules.evolve(state, event)
    assert begun == sorted(set(begun))
