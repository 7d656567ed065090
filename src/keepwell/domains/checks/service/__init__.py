"""Checks, for those who ask for one and look at what came of them, and for what takes in signs of life."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from keepwell.domains.checks.models import Settled
from keepwell.domains.checks.service.configurations import Configurations
from keepwell.domains.checks.service.fleet import Fleet
from keepwell.domains.checks.service.judging import Judge
from keepwell.domains.checks.service.reading import CheckReader
from keepwell.domains.checks.service.scheduling import Scheduler
from keepwell.domains.checks.service.telling import Teller
from keepwell.domains.checks.store import CheckStore
from keepwell.domains.monitors import MonitorService, late_at, suspended
from keepwell.kernel import Kernel, Origin
from keepwell.platform.postgres import DatabaseUnavailable

_LOOKS, _APART = 20, 0.05


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
        self.fleet = Fleet(monitors, self.reader)
        self._heartbeats = monitors.heartbeats

    async def hasten(self) -> None:
        """Puts what was asked for before the workers at once. Where that fails, a scheduler does it a moment later."""
        with suppress(DatabaseUnavailable, asyncpg.PostgresError, OSError, TimeoutError):
            await self.scheduler.tick()

    async def settled(
        self, since: Mapping[tuple[UUID, UUID], datetime], width: timedelta, patience: timedelta, most: int
    ) -> dict[tuple[UUID, UUID], Settled]:
        """By clinic and monitor, what came of checks since an instant of each, for who follows them: in at most so many
        stretches of `width`, up to where nothing will be added. A check older than `patience` is not waited for.

        Raises:
            DatabaseUnavailable: it has to be asked again.
        """
        return await self.store.settled(since, width, patience, most)

    async def beat(self, token: str, origin: Origin) -> None:
        """Takes a sign of life from whoever knows a heartbeat's token.

        Raises:
            Refused: `not-found`: no monitor is known by it.
            Refused, DatabaseUnavailable: the database is out of reach: it has to be sent again.
        """
        await self.keep_beat(*await self._heartbeats.find(token, origin), self.clock.now())

    async def keep_beat(self, tenant: UUID, id_: UUID, at: datetime) -> None:
        """Keeps a sign of life of a heartbeat; of one that is paused or deleted it counts for nothing.

        Raises:
            Refused, DatabaseUnavailable: the database is out of reach: it has to be sent again.
        """
        monitor = await self.configurations.get(tenant, id_, 0)
        if monitor.heartbeat is None:
            return
        reason = suspended(monitor, at)
        outcome = ("up", None) if reason is None else ("suspended", reason)
        beat = ((tenant, id_), at, outcome, late_at(monitor.heartbeat, at))
        kept = await self.store.beat(*beat) or (await self._followed() and await self.store.beat(*beat))
        if kept and await self.judge.judge(await self.store.load([(tenant, id_)])):
            await self.teller.tell()

    async def _followed(self) -> bool:
        """Brings the schedule to what monitors are now: one that was made a moment ago is not in it yet."""
        for _ in range(_LOOKS):
            if await self.store.follow() is not None:
                return True
            await asyncio.sleep(_APART)  # a scheduler is at it, and may have begun before
        return False


__all__ = ["CheckService"]
