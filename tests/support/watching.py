"""A watch over targets of our own: monitors, schedulers and workers on a real database, by a clock that tests move."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from keepwell.domains import checks, incidents, monitors, tenants
from keepwell.domains.checks import CheckService
from keepwell.domains.checks.service.examining import Finding
from keepwell.domains.checks.service.working import CheckWorker, WorkerSettings
from keepwell.domains.checks.store import CheckStore
from keepwell.domains.monitors import Monitor, MonitorService, MonitorSettings
from keepwell.domains.monitors.models import ChangeMonitor, Configuration, CreateMonitor, DeleteMonitor
from keepwell.domains.tenants import TenantService, operator
from keepwell.kernel import Catalog, Command, Envelope, Kernel, Limits, Origin
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.kit.time import Clock
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.waiting import eventually_async

_asyncpg: Any = asyncpg  # partly typed
ORIGIN = Origin("test", "test")
QUICK = WorkerSettings(poll=0.02, gather=0.01, width=50, most=50, lease=30.0, grace=1.0)
TODAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
"""Results of today have a partition of their own."""
CATALOG = Catalog((*incidents.AGGREGATES, *monitors.AGGREGATES, *checks.AGGREGATES, *tenants.AGGREGATES))


def service_over(database: Database, clock: Clock, *, by_database: bool = False) -> CheckService:
    """The room in a process of its own, as it were; with `by_database` by the database's clock."""
    kernel = Kernel(database, CATALOG, KeyRing(MASTER_KEY, clock), clock, Limits())
    watched = MonitorService(kernel, TenantService(kernel), MonitorSettings(allow_private=True))
    return CheckService(kernel, watched, CheckStore(database, None if by_database else clock))


def configuration(**said: Any) -> Configuration:
    """A monitor that goes down at the first check that fails, unless something else is said."""
    usual: dict[str, Any] = {
        "name": "A target",
        "kind": "tcp",
        "target": "127.0.0.1:9",
        "interval_s": 60,
        "timeout_s": 1.0,
        "retries": 0,
        "retry_interval_s": 1,
        "regions": ("default",),
        "quorum": None,
        "assertions": (),
        "priority": "normal",
        "severity": "warning",
    }
    return Configuration(**usual | said)


class Watch:
    """A clinic with monitors. `down` are those whose targets are down; `network`: whether our own network works.

    `everything` is a superuser's connection, for counting.
    """

    def __init__(self, database: Database, everything: Any, clock: ManualClock) -> None:
        self.clock = clock
        self.tenant = new_id()
        self.database = database
        self.everything = everything
        self.down: set[UUID] = set()
        self.network = True
        self.slow = 0.0
        self.begun = self.looks = 0
        self.service = service_over(database, clock)

    async def add(self, **said: Any) -> UUID:
        """A monitor that is due in a minute."""
        id_ = new_id()
        await self.do(CreateMonitor(id_, configuration(**said), heartbeat_digest=id_.bytes * 2, private=True))
        await self.service.store.follow()
        await self.everything.execute(
            "UPDATE check_schedule SET next_at = $2 WHERE monitor_id = $1 AND kind <> 'heartbeat'",
            id_,
            self.clock.now() + timedelta(minutes=1),
        )
        return id_

    async def do(self, command: Command) -> None:
        version = None
        if isinstance(command, ChangeMonitor | DeleteMonitor):
            version = await self.value("SELECT version FROM aggregate WHERE id = $1", command.id)
        [outcome] = await self.service.reader.kernel.execute([Envelope(command, operator(self.tenant), ORIGIN, version)])
        assert outcome.refusal is None, outcome.refusal

    async def examine(self, _tenant: UUID, monitor: Monitor) -> Finding:
        """Looks at a target, and tells what it saw as late as luck has it."""
        up = monitor.id not in self.down and self.network
        self.begun += 1
        if self.slow:
            await asyncio.sleep(random.random() * self.slow)  # noqa: S311 - no secret
        self.looks += 1
        return Finding(up, None if up else "refused", total_ms=1.5)

    async def egress(self, _since: float) -> bool:
        return self.network

    def worker(self, settings: WorkerSettings = QUICK) -> CheckWorker:
        """Another worker, which shares nothing with others but the database."""
        service = service_over(self.database, self.clock)
        return CheckWorker(service, self.examine, self.egress, settings)

    @asynccontextmanager
    async def working(self, count: int = 1, settings: WorkerSettings = QUICK) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for _ in range(count):
                task = asyncio.create_task(self.worker(settings).run())
                stack.push_async_callback(_ended, task)
            yield

    async def tick(self, **later: float) -> None:
        """Moves on, and has the scheduler put before the workers what is due then."""
        self.clock.advance(**later)
        await self.service.store.follow()
        await self.service.store.tick(0, 1_000)

    async def settled(self) -> None:
        """Waits until there is nothing left to check, to judge, or to tell."""

        async def nothing() -> bool:
            return not await self.value(
                "SELECT (SELECT count(*) FROM check_run WHERE state <> 'held')"
                " + (SELECT count(*) FROM monitor_transition WHERE told_at IS NULL) + (SELECT count(*) FROM check_unjudged(10))"
            )

        await eventually_async(nothing)

    async def looked(self, count: int) -> None:
        """Waits until targets were looked at so often, and what came of it is stored."""

        async def enough() -> bool:
            running = await self.value("SELECT count(*) FROM check_run WHERE state = 'running'")
            return self.looks >= count and not running

        await eventually_async(enough)

    async def value(self, query: str, *arguments: Any) -> Any:
        return await self.everything.fetchval(query, *arguments)

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in await self.everything.fetch(query, *arguments)]

    async def story(self, monitor: UUID) -> list[str]:
        """What was thought of a monitor, one after the other."""
        query = "SELECT coalesce(suspended, after) FROM monitor_transition WHERE monitor_id = $1 ORDER BY at"
        return [row[0] for row in await self.rows(query, monitor)]

    async def incidents(self) -> list[tuple[str, int]]:
        """How many incidents there are, by status."""
        return await self.rows("SELECT status, count(*) FROM incident GROUP BY status ORDER BY status")


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def watching(urls: DatabaseUrls) -> AsyncGenerator[Watch]:
    """A watch over an empty database."""
    database = Database(PoolSettings(urls.app, largest=12))
    await database.open()
    everything = await _asyncpg.connect(urls.superuser)
    watch = Watch(database, everything, ManualClock(TODAY))
    try:
        yield watch
    finally:
        await everything.close()
        await database.close()
