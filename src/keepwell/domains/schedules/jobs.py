"""Background work of schedules: what is due becomes a job, and the job a run."""

from uuid import UUID

import structlog

from keepwell.domains.schedules.service import RUN, ScheduleService
from keepwell.kernel import Origin
from keepwell.kit import zones
from keepwell.kit.ids import new_id
from keepwell.platform.queue import Claimed, Handler, Job, Queue

EVERY_SECONDS = 1.0
"""How often it is looked for what is due."""
RETIME_SECONDS = 3600.0
"""How often it is looked for another zone database: it comes with a release."""
_log = structlog.stdlib.get_logger("keepwell.schedules")


async def enqueue_due(service: ScheduleService, queue: Queue) -> None:
    """Puts what is due into the queue, where it lies already if somebody else was faster."""
    by_clinic: dict[UUID, list[Job]] = {}
    for tenant, job in await service.due(_origin()):
        by_clinic.setdefault(tenant, []).append(job)
    for tenant, jobs in by_clinic.items():
        await queue.put(tenant, jobs)


async def retime(service: ScheduleService) -> None:
    """Follows the zone database, and says so."""
    changed = await service.retime(_origin())
    if changed:
        _log.warning("schedules.zones-changed", count=changed, version=zones.database_version())


def handlers(service: ScheduleService) -> dict[str, Handler]:
    """What a worker does with this room's jobs."""

    async def run(job: Claimed) -> None:
        await service.run(job, _origin())

    return {RUN: run}


def _origin() -> Origin:
    return Origin("worker", str(new_id()), purpose="HSYSADMIN")
