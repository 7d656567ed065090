"""Background work of notifications: what happened becomes a job of its clinic, what is due a job of its channel.

While such a job lies in the queue there is no other: one worker at a time plans for a clinic, and one sees to a channel.
"""

from datetime import timedelta
from uuid import UUID

from keepwell.domains.notifications.service import NotificationService
from keepwell.domains.notifications.service.following import EVER
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id
from keepwell.kit.time import Clock
from keepwell.platform.queue import Claimed, Handler, Job, Queue, QueueSettings

EVERY_SECONDS = 1.0
"""How often it is looked for what happened and what is due."""
SWEEP_SECONDS = 600.0
"""How often it is looked at all incidents, however long ago they changed: of what was missed while nobody looked."""
MEASURE_SECONDS = 15.0
FOLLOW, TELL = "notifications.follow", "notifications.tell"
SETTINGS = QueueSettings(width=16, poll=0.5, first_delay=2.0, longest_delay=300.0)
"""How a notifier works: a channel that is down is tried every five minutes at last, less what luck takes."""
_LATELY = timedelta(hours=1)
_ALWAYS = 2**31 - 1


async def enqueue_due(service: NotificationService, queue: Queue, clock: Clock) -> None:
    """Puts what is to be done into the queue, where it lies already if somebody else was faster."""
    await _enqueue(service, queue, clock, lately=True)


async def sweep(service: NotificationService, queue: Queue, clock: Clock) -> None:
    """As `enqueue_due`, for whatever happened ever."""
    await _enqueue(service, queue, clock, lately=False)


async def measure(service: NotificationService) -> None:
    """Brings the gauges up to date."""
    await service.teller.measure(_origin())


def handlers(service: NotificationService, queue: Queue) -> dict[str, Handler]:
    """What a notifier does with this room's jobs."""

    async def follow(job: Claimed) -> None:
        planned = await service.follower.follow(job.tenant, _origin())
        await queue.put(job.tenant, [_telling(channel) for channel in sorted(planned)])  # what nobody puts there is found as due

    async def tell(job: Claimed) -> None:
        await service.teller.tell(job.tenant, UUID(job.payload["channel"]), _origin())

    return {FOLLOW: follow, TELL: tell}


async def _enqueue(service: NotificationService, queue: Queue, clock: Clock, *, lately: bool) -> None:
    since = clock.now() - _LATELY if lately else EVER
    clinics, channels = await service.follower.ahead(since, _origin())
    jobs: dict[UUID, list[Job]] = {tenant: [Job(FOLLOW, str(tenant), most_attempts=_ALWAYS)] for tenant in clinics}
    for tenant, channel in channels:
        jobs.setdefault(tenant, []).append(_telling(channel))
    for tenant, each in jobs.items():
        await queue.put(tenant, each)


def _telling(channel: UUID) -> Job:
    return Job(TELL, str(channel), {"channel": str(channel)}, most_attempts=_ALWAYS)


def _origin() -> Origin:
    return Origin("notifier", str(new_id()), purpose="HSYSADMIN")
