"""Background work of the queue: who has to know is told when jobs fail for good or wait too long, and when that is over."""

from keepwell.domains.queue.service import QueueService
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id

EVERY_SECONDS = 30.0


async def watch(service: QueueService) -> None:
    """Opens and resolves incidents about the queue."""
    await service.watch(_origin())


def _origin() -> Origin:
    return Origin("worker", str(new_id()), purpose="HSYSADMIN")
