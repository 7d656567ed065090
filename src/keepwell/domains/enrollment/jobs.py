"""Background work of enrollment: batches are run."""

from keepwell.domains.enrollment.service import EnrollmentService
from keepwell.domains.enrollment.service.watching import StallWatch
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id

EVERY_SECONDS = 1.0
"""How often it is looked for batches to run."""
WATCH_SECONDS = 30.0
"""How often it is looked for batches that do not move."""


async def run_batches(service: EnrollmentService) -> None:
    """Begins to run what nobody runs in this process yet."""
    await service.work()


async def watch_stalls(watch: StallWatch) -> None:
    """Tells of batches that do not move, and of the end of that."""
    await watch.watch(Origin("worker", str(new_id()), purpose="HSYSADMIN"))
