"""What clinics may let run by a schedule, listed once."""

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Counter

from keepwell.domains.enrollment import Retention
from keepwell.domains.flags import FlagService
from keepwell.domains.programs import ProgramService
from keepwell.domains.queue import QueueService
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


def tasks(services: Services, settings: Settings) -> Iterable[Task]:
    """Every task. Each may be run again after a worker was killed in the middle of it."""

    async def report_stale_flags(tenant: UUID, origin: Origin) -> None:
        found = await services.flags.keeper.stale(operator(tenant), origin)
        if found:
            _log.warning("flags.stale", tenant=tenant, count=len(found))

    async def tell_programs(tenant: UUID, origin: Origin) -> None:
        for program, happened in (await services.programs.tell(operator(tenant), origin)).items():
            for instant in happened:
                INSTANTS.labels(instant).inc()
                _log.info(f"programs.{instant}", tenant=tenant, id=program)

    async def purge(tenant: UUID, origin: Origin) -> None:
        actor = operator(tenant)
        uploads = await services.uploads.drop_uploads(actor, origin, timedelta(days=settings.kept_uploads_days))
        jobs = await services.queue.purge(actor, origin, timedelta(days=settings.kept_jobs_days))
        for what, count in (("uploads", uploads), ("jobs", jobs)):
            if count:
                PURGED.labels(what).inc(count)
                _log.info(f"retention.{what}-purged", tenant=tenant, count=count)

    return (
        Task("flags.report-stale", "Writes to the log how many feature flags outlived their use.", report_stale_flags),
        Task(
            "programs.tell", "Tells, once each, that programs opened or closed: in their history and in the log.", tell_programs
        ),
        Task("retention.purge", "Drops uploads and failed jobs that were kept long enough, and counts them.", purge),
    )
