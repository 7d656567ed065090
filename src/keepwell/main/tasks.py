"""What clinics may let run by a schedule, listed once."""

from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Counter

from keepwell.domains.enrollment import Retention
from keepwell.domains.flags import FlagService
from keepwell.domains.programs import ProgramService
from keepwell.domains.queue import QueueService
from keepwell.domains.reminders import ReminderService
from keepwell.domains.schedules import Task
from keepwell.domains.tenants import operator
from keepwell.kernel import Origin
from keepwell.platform.settings import Settings

INSTANTS = Counter("keepwell_program_instants", "Programs that opened or closed, each told once", ["instant"])
PURGED = Counter("keepwell_retention_purged", "What was dropped because it was kept long enough", ["what"])
_log = structlog.stdlib.get_logger("keepwell.worker")


class Services(NamedTuple):
    """What tasks need of the program."""

    flags: FlagService
    programs: ProgramService
    uploads: Retention
    queue: QueueService
    reminders: ReminderService


def tasks(services: Services, settings: Settings) -> tuple[Task, ...]:
    """Every task. Each may be run again after a worker was killed in the middle of it."""
    return (
        Task(
            "flags.report-stale",
            "Writes to the log how many feature flags outlived their use.",
            partial(_report_stale_flags, services),
        ),
        Task(
            "programs.tell",
            "Tells, once each, that programs opened or closed: in their history and in the log.",
            partial(_tell_programs, services),
        ),
        Task(
            "reminders.count",
            "Counts, in the log, who has not answered in programs that close soon.",
            partial(_count_reminders, services),
        ),
        Task(
            "retention.purge",
            "Drops uploads and failed jobs that were kept long enough, and counts them.",
            partial(_purge, services, settings),
        ),
    )


async def _report_stale_flags(services: Services, tenant: UUID, origin: Origin) -> None:
    found = await services.flags.keeper.stale(operator(tenant), origin)
    if found:
        _log.warning("flags.stale", tenant=tenant, count=len(found))


async def _tell_programs(services: Services, tenant: UUID, origin: Origin) -> None:
    for program, happened in (await services.programs.tell(operator(tenant), origin)).items():
        for instant in happened:
            INSTANTS.labels(instant).inc()
            _log.info(f"programs.{instant}", tenant=tenant, id=program)


async def _count_reminders(services: Services, tenant: UUID, origin: Origin) -> None:
    for program, people in (await services.reminders.count(operator(tenant), origin)).items():
        _log.info("reminders.due", tenant=tenant, id=program, count=people)


async def _purge(services: Services, settings: Settings, tenant: UUID, origin: Origin) -> None:
    actor = operator(tenant)
    uploads = await services.uploads.drop_uploads(actor, origin, timedelta(days=settings.kept_uploads_days))
    jobs = await services.queue.purge(actor, origin, timedelta(days=settings.kept_jobs_days))
    for what, count in (("uploads", uploads), ("jobs", jobs)):
        if count:
            PURGED.labels(what).inc(count)
            _log.info(f"retention.{what}-purged", tenant=tenant, count=count)
