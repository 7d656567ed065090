"""Checks, for those who ask for one and look at what came of them, and for what takes in signs of life."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

import asyncpg

from keepwell.domains.checks.service.configurations import Configurations
from keepwell.domains.checks.service.judging import Judge
from keepwell.domains.checks.service.reading import CheckReader
from keepwell.domains.checks.service.scheduling import Scheduler
from keepwell.domains.checks.service.telling import Teller
from keepwell.domains.checks.store import CheckStore
from keepwell.domains.monitors import MonitorService, late_at, suspended
from keepwell.kernel import Kernel, Origin
from keepwell.platform.postgres import DatabaseUnavailable


class CheckService:
    """The parts of this room over one kernel."""

    def __init__(self, kernel: Kernel, monitors: MonitorService, store: CheckStore | None = None) -> None:
        self.clock = kernel.clock
        self.store = store or CheckStore(kernel.database)
        self.configurations = Configurations(monitors)
        self.judge = Judge(self.store, self.configurations)
        self.teller = Teller(kernel, self.store, self.configurations)
        self.scheduler = Scheduler(self.store, self.configurations, self.judge, self.teller, kernel.clock)
        self.reader = CheckReader(kernel)

    async def hasten(self) -> None:
        """Puts what was asked for before the workers at once. Where that fails, a scheduler does it a moment later."""
        with suppress(DatabaseUnavailable, asyncpg.PostgresError, OSError, TimeoutError):
            await self.scheduler.tick()

    async def beat(self, tenant: UUID, id_: UUID, at: datetime, _origin: Origin) -> None:
        """Keeps a sign of life of a heartbeat; of one that is paused or deleted it counts for nothing.

        Raises:
            Refused, DatabaseUnavailable: the database is out of reach: it has to be sent again.
        """
        monitor = await self.configurations.get(tenant, id_, 0)
        if monitor.heartbeat is None:
            return
        reason = suspended(monitor, at)
        outcome = ("up", None) if reason is None else ("suspended", reason)
        kept = await self.store.beat((tenant, id_), at, outcome, late_at(monitor.heartbeat, at))
        if kept and await self.judge.judge(await self.store.load([(tenant, id_)])):
            await self.teller.tell()


__all__ = ["CheckService"]
