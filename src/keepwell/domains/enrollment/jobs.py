"""Background work of enrollment: batches are run, each by one worker at a time."""

from uuid import UUID

import structlog

from keepwell.domains.enrollment.service import RUN, EnrollmentService, job
from keepwell.domains.enrollment.service.watching import StallWatch
from keepwell.kernel import Origin, Refused
from keepwell.kit.ids import new_id
from keepwell.platform.queue import Claimed, Handler, Job, Queue, QueueSettings

EVERY_SECONDS = 5.0
"""How often it is looked for batches that rest: those whose job was not enqueued, or ended early."""
WATCH_SECONDS = 30.0
"""How often it is looked for batches that do not move."""
QUEUE = QueueSettings(name="batches", width=4, lease=5.0, grace=0.0)
"""Batches take minutes, so they are worked beside all other jobs. To stop does no harm: a part is stored or it is not."""
_log = structlog.stdlib.get_logger("keepwell.enrollment")


async def enqueue_runnable(service: EnrollmentService, queue: Queue) -> None:
    """Puts what has to be run into the queue, where most of it lies already."""
    by_clinic: dict[UUID, list[Job]] = {}
    for each in await service.runnable():
        by_clinic.setdefault(each.tenant, []).append(job(each.id))
    for tenant, jobs in by_clinic.items():
        await queue.put(tenant, jobs)


async def watch_stalls(watch: StallWatch) -> None:
    """Tells of batches that do not move, and of the end of that."""
    await watch.watch(Origin("worker", str(new_id()), purpose="HSYSADMIN"))


def handlers(service: EnrollmentService) -> dict[str, Handler]:
    """What a worker does with this room's jobs."""

    async def run(claimed: Claimed) -> None:
        batch = UUID(claimed.payload["batch"])
        try:
            await service.run(claimed.tenant, batch)
        except Refused as refused:  # it was tried often enough for now, and rests until it is looked for again
            _log.warning("enrollment.interrupted", tenant=claimed.tenant, id=batch, code=refused.refusal.code)

    return {RUN: run}
