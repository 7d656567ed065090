"""Background work of enrollment: batches are run."""

from keepwell.domains.enrollment.service import EnrollmentService

EVERY_SECONDS = 1.0
"""How often it is looked for batches to run."""


async def run_batches(service: EnrollmentService) -> None:
    """Begins to run what nobody runs in this process yet."""
    await service.work()
