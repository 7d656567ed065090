"""What a worker does: jobs, and work that returns by itself, from sealing the journal to dropping what is old."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from keepwell.domains.access import jobs as access_jobs
from keepwell.domains.anomalies import jobs as anomaly_jobs
from keepwell.domains.checks import jobs as check_jobs
from keepwell.domains.enrollment import jobs as enrollment_jobs
from keepwell.domains.flags import jobs as flag_jobs
from keepwell.domains.keys import jobs as key_jobs
from keepwell.domains.notifications import jobs as notification_jobs
from keepwell.domains.programs import jobs as program_jobs
from keepwell.domains.queue import jobs as queue_jobs
from keepwell.domains.schedules import jobs as schedule_jobs
from keepwell.kernel import tally
from keepwell.kernel.proof import checkpoints
from keepwell.main.checks import Checks
from keepwell.main.parts import Parts
from keepwell.main.rooms import TALLIES
from keepwell.platform.telemetry import describe

RUNS = Counter("keepwell_periodic_runs", "Runs of periodic work", ["work", "outcome"])
SECONDS = Histogram("keepwell_periodic_seconds", "How long a run took", ["work"], buckets=(0.01, 0.1, 1, 10, 60, 600))
LAST_SUCCESS = Gauge("keepwell_periodic_last_success_timestamp_seconds", "When a run last ended well", ["work"])

CLOCK_SKEW = Gauge("keepwell_database_clock_skew_seconds", "How far the database's clock is ahead of this process's")

_PURGE_AT_ONCE = 5_000
_MONTHS_AHEAD = 4
_log = structlog.stdlib.get_logger("keepwell.worker")


Duty = Callable[[Parts], Awaitable[None]]
"""What a process does until it is cancelled."""


class Work(msgspec.Struct, frozen=True):
    """One kind of work: what to do, and how many seconds to wait between two runs."""

    name: str
    every: float
    run: Callable[[], Awaitable[None]]


def works(parts: Parts) -> tuple[Work, ...]:
    """All periodic work. Any number of processes may do it at once: each run is safe beside another."""

    async def seal() -> None:
        seed = parts.ring.derive(checkpoints.SIGNING_KEY)
        async with parts.auditor.connection() as connection:
            for log in checkpoints.LOGS:
                await checkpoints.append(connection, log, seed, parts.clock)

    async def partitions() -> None:
        today = parts.clock.now().date()
        async with parts.database.connection() as connection:
            await connection.fetchval("SELECT ensure_partitions($1, $2)", today, _MONTHS_AHEAD)

    async def purge() -> None:
        before = parts.clock.now()
        async with parts.database.connection() as connection:
            while await connection.fetchval("SELECT purge_idempotency($1, $2)", before, _PURGE_AT_ONCE) == _PURGE_AT_ONCE:
                pass

    async def purge_tallies() -> None:
        async with parts.database.connection() as connection:
            for kind in TALLIES:
                while await tally.purge(connection, kind, parts.clock.now(), _PURGE_AT_ONCE) == _PURGE_AT_ONCE:
                    pass

    return (
        Work("seal-journal", parts.settings.checkpoint_interval_s, seal),
        Work("make-partitions", 6 * 3600.0, partitions),
        Work("purge-idempotency", 60.0, purge),
        Work("purge-tallies", 3600.0, purge_tallies),
        Work("steer-rollouts", flag_jobs.EVERY_SECONDS, partial(flag_jobs.steer_rollouts, parts.rooms.flags)),
        Work("watch-keys", key_jobs.EVERY_SECONDS, partial(key_jobs.watch_uses, parts.rooms.keys)),
        Work("enqueue-due", schedule_jobs.EVERY_SECONDS, partial(schedule_jobs.enqueue_due, parts.rooms.schedules, parts.queue)),
        Work("retime-schedules", schedule_jobs.RETIME_SECONDS, partial(schedule_jobs.retime, parts.rooms.schedules)),
        Work("measure-queue", 15.0, parts.queue.measure),
        Work("compare-clocks", 60.0, partial(compare_clocks, parts)),
        Work("watch-batches", enrollment_jobs.WATCH_SECONDS, partial(enrollment_jobs.watch_stalls, parts.rooms.stalls)),
        Work("watch-queue", queue_jobs.EVERY_SECONDS, partial(queue_jobs.watch, parts.rooms.queue)),
        Work("close-emergencies", access_jobs.EVERY_SECONDS, partial(access_jobs.close_lapsed, parts.rooms.access)),
        Work("recompute-programs", program_jobs.EVERY_SECONDS, partial(program_jobs.recompute_instants, parts.rooms.programs)),
        Work(
            "enqueue-batches",
            enrollment_jobs.EVERY_SECONDS,
            partial(enrollment_jobs.enqueue_runnable, parts.rooms.enrollment, parts.queue),
        ),
    )


async def compare_clocks(parts: Parts) -> None:
    """Measures how far the database's clock, by which jobs are due, is from this process's, by which schedules are."""
    async with parts.database.connection() as connection:
        before = parts.clock.now()
        theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
        between = before + (parts.clock.now() - before) / 2
    CLOCK_SKEW.set((theirs - between).total_seconds())


def notices(parts: Parts) -> tuple[Work, ...]:
    """The periodic work of telling people, for any number of processes too."""
    service, queue, clock = parts.rooms.notifications, parts.notices, parts.clock
    return (
        Work("enqueue-notices", notification_jobs.EVERY_SECONDS, partial(notification_jobs.enqueue_due, service, queue, clock)),
        Work("sweep-notices", notification_jobs.SWEEP_SECONDS, partial(notification_jobs.sweep, service, queue, clock)),
        Work("measure-notices", notification_jobs.MEASURE_SECONDS, partial(notification_jobs.measure, service)),
    )


def checks(parts: Parts) -> tuple[Work, ...]:
    """What schedulers do for checks of monitors and for anomalies, however many there are."""
    scheduler, settings = parts.rooms.checks.scheduler, parts.settings
    keep = partial(scheduler.keep, settings.check_results_days, settings.check_results_most)
    return (
        Work("schedule-checks", check_jobs.TICK_SECONDS, scheduler.tick),
        Work("watch-heartbeats", check_jobs.BEAT_SECONDS, scheduler.watch_beats),
        Work("give-up-checks", check_jobs.SWEEP_SECONDS, scheduler.expire),
        Work("judge-checks", check_jobs.SWEEP_SECONDS, scheduler.judge),
        Work("measure-checks", check_jobs.MEASURE_SECONDS, scheduler.measure),
        Work("keep-results", check_jobs.KEEP_SECONDS, keep),
        Work("feed-anomalies", anomaly_jobs.FEED_SECONDS, partial(anomaly_jobs.feed, parts.rooms.anomalies)),
        Work("keep-anomalies", anomaly_jobs.KEEP_SECONDS, partial(anomaly_jobs.keep, parts.rooms.anomalies)),
    )


async def schedule(parts: Parts) -> None:
    """Puts checks of monitors before the workers until cancelled."""
    await keep_working(checks(parts))


async def notify(parts: Parts) -> None:
    """Tells people what happens to incidents until cancelled. What is under way then is given back."""
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.notices.run(notification_jobs.handlers(parts.rooms.notifications, parts.notices)), name="notices")
        group.create_task(keep_working(notices(parts)), name="periodic notices")


async def work(parts: Parts) -> None:
    """Does jobs and periodic work until cancelled. What is under way then is given back."""
    parts.rooms.schedules.runs_only_when(Checks(parts).migrations)
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.queue.run(schedule_jobs.handlers(parts.rooms.schedules)), name="jobs")
        group.create_task(parts.batches.run(enrollment_jobs.handlers(parts.rooms.enrollment)), name="batches")
        group.create_task(keep_working(works(parts)), name="periodic work")
        group.create_task(check_jobs.keep_checking(parts.rooms.checks, parts.prober, check_settings(parts)), name="checks")


def check_settings(parts: Parts) -> check_jobs.WorkerSettings:
    """How this process makes checks."""
    return check_jobs.WorkerSettings(region=parts.settings.region, width=parts.settings.check_width)


async def kept(duty: Duty, parts: Parts, pause: float = 5.0) -> None:
    """Does a duty until cancelled. One that fails is begun again after a pause, and keeps nothing beside it from going on."""
    while True:
        try:
            await duty(parts)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody else would do this here
            _log.error("process.duty-failed", part=parts.kind, **describe(error))
        await asyncio.sleep(pause)


async def keep_working(all_work: tuple[Work, ...]) -> None:
    """Runs each kind of work again and again until cancelled. A run that fails is counted and logged, and tried next time."""
    async with asyncio.TaskGroup() as group:
        for work in all_work:
            group.create_task(_repeat(work), name=f"periodic {work.name}")


async def run_once(work: Work) -> bool:
    """One run; whether it ended well."""
    started = asyncio.get_running_loop().time()
    try:
        await work.run()
    except Exception as error:  # noqa: BLE001 - the next run is another chance; what failed is counted and named
        RUNS.labels(work.name, "failed").inc()
        _log.error("worker.run-failed", work=work.name, **describe(error))
        return False
    RUNS.labels(work.name, "ok").inc()
    SECONDS.labels(work.name).observe(asyncio.get_running_loop().time() - started)
    LAST_SUCCESS.labels(work.name).set_to_current_time()
    return True


async def _repeat(work: Work) -> None:
    # Processes that start together do not work at the same moments.
    await asyncio.sleep(random.uniform(0, min(work.every, 5.0)))  # noqa: S311
    while True:
        await run_once(work)
        await asyncio.sleep(work.every * random.uniform(0.9, 1.1))  # noqa: S311
