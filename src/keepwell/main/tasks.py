"""What clinics may let run by a schedule, listed once."""

from uuid import UUID

import structlog

from keepwell.domains.flags import FlagService
from keepwell.domains.schedules import Task
from keepwell.domains.tenants import operator
from keepwell.kernel import Origin

_log = structlog.stdlib.get_logger("keepwell.worker")


def tasks(flags: FlagService) -> tuple[Task, ...]:
    """Every task. Each may be run again after a worker was killed in the middle of it."""

    async def report_stale_flags(tenant: UUID, origin: Origin) -> None:
        found = await flags.keeper.stale(operator(tenant), origin)
        if found:
            _log.warning("flags.stale", tenant=tenant, count=len(found))

    return (Task("flags.report-stale", "Writes to the log how many feature flags outlived their use.", report_stale_flags),)
