"""What a worker does: takes checks that are due, makes them, and stores what came of them, each once.

It holds what it took on a lease that it prolongs. Of a worker that was killed the leases lapse, and others make its checks; what
it stores after that counts for nothing. What the database does not take now is kept until it does, or the lease is lost.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from keepwell.domains.checks.models import Result, Run
from keepwell.domains.checks.rules.retrying import retry_after
from keepwell.domains.checks.service import CheckService
from keepwell.domains.checks.service.examining import Egress, Examine, Finding
from keepwell.domains.monitors import Monitor, suspended
from keepwell.kernel import Refused
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import DatabaseUnavailable
from keepwell.platform.telemetry import describe

CHECKS = Counter("keepwell_checks", "Checks that were made.", ["status"])
RETRIES = Counter("keepwell_check_retries", "Attempts that failed and are made again before they count.")
DELAY = Histogram("keepwell_check_delay_seconds", "From due to begun.", buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 60))
SECONDS = Histogram("keepwell_check_seconds", "How long looks at targets took.", buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30))
SATURATION = Gauge("keepwell_check_saturation", "Which part of what this worker can do at once it does.")
OWN_OUTAGE, NO_ROUTE = "own-outage", "no-route"
_AWAY = (DatabaseUnavailable, Refused, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_AGAIN_SECONDS = 0.5
_log = structlog.stdlib.get_logger("keepwell.worker")


class WorkerSettings(msgspec.Struct, frozen=True):
    """How a worker works. `width` checks at once; times are in seconds: a killed worker's checks are taken over after `lease`."""

    region: str = "default"
    width: int = 500
    lease: float = 10.0
    poll: float = 0.25
    gather: float = 0.05
    most: int = 500
    grace: float = 5.0


class CheckWorker:
    """One worker of a region. `lease` is its own, new with every process."""

    def __init__(self, service: CheckService, examine: Examine, egress: Egress, settings: WorkerSettings | None = None) -> None:
        self.settings = settings or WorkerSettings()
        self.lease = new_id()
        self._store = service.store
        self._configurations = service.configurations
        self._judge = service.judge
        self._teller = service.teller
        self._examine = examine
        self._egress = egress
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: asyncio.Queue[tuple[Run, Result | float | str]] = asyncio.Queue()
        self._holding = 0
        self._away_at = float("-inf")
        self._freed = asyncio.Event()

    async def run(self) -> None:
        """Makes checks until it is cancelled; what is under way then may end within the grace, and is then given back."""
        taking = asyncio.create_task(self._keep_taking())
        keepers = [asyncio.create_task(self._keep_storing()), asyncio.create_task(self._keep_prolonging())]
        try:
            ended, _ = await asyncio.wait([taking, *keepers], return_when=asyncio.FIRST_COMPLETED)
            for task in ended:  # none of them ends but by failing
                task.result()
        finally:
            await _cancelled([taking])
            await self._drain()
            await _cancelled(keepers)

    async def _keep_taking(self) -> None:
        while True:
            await self._take()

    async def _take(self) -> None:
        """Takes as much as there is room for. With nothing due, or no room, waits a moment."""
        self._freed.clear()
        free = min(self.settings.most, self.settings.width - self._holding)
        taken: list[Run] = []
        if free > 0:
            try:
                taken = await self._store.claim(self.settings.region, free, self.lease, self.settings.lease)
            except _AWAY as error:
                _log.warning("checks.claim-failed", **describe(error))
        self._holding += len(taken)
        for run in taken:
            task = asyncio.create_task(self._check(run), name="check")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        SATURATION.set(self._holding / self.settings.width)
        if free <= 0:
            await self._freed.wait()
        elif len(taken) < free:
            await asyncio.sleep(self.settings.poll)

    async def _check(self, run: Run) -> None:
        DELAY.observe(max(0.0, run.delay))
        try:
            outcome = await self._outcome(run)
        except Exception as error:  # noqa: BLE001 - it is tried again, and in the end held for somebody to look at
            _log.warning("checks.check-failed", tenant=run.tenant, id=run.monitor, **describe(error))
            outcome = type(error).__name__
        self._done.put_nowait((run, outcome))

    async def _outcome(self, run: Run) -> Result | float:
        """What came of it, or in how many seconds to try again."""
        monitor = await self._configurations.get(run.tenant, run.monitor, run.version)
        if monitor.paused or monitor.deleted:
            return _result(run, "suspended", suspended(monitor, run.scheduled_at))
        began = time.monotonic()
        finding = await self._examine(run.tenant, monitor)
        SECONDS.observe((finding.total_ms or 0.0) / 1000)
        status, reason = await self._said(run, monitor, finding, began)
        if status == "down":
            again = retry_after(run.status, run.attempt, monitor.retries, monitor.retry_interval_s)
            if again is not None:
                return again
        return _result(run, status, reason, finding)

    async def _said(self, run: Run, monitor: Monitor, finding: Finding, began: float) -> tuple[str, str | None]:
        """What a finding says. One that is bad says nothing if at any time since the look began our own network was away, or
        had no way there.
        """
        reason = suspended(monitor, run.scheduled_at)
        if reason is not None:
            return "suspended", reason
        if finding.up:
            return "up", None
        if finding.reason == NO_ROUTE:
            return "suspended", NO_ROUTE
        if not await self._egress(began):
            self._away_at = time.monotonic()
        return ("suspended", OWN_OUTAGE) if self._away_at >= began else ("down", finding.reason)

    async def _keep_storing(self) -> None:
        while True:
            batch = [await self._done.get()]
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.gather):
                    while len(batch) < self.settings.most:
                        batch.append(await self._done.get())
            await self._settle(batch)

    async def _settle(self, batch: Sequence[tuple[Run, Result | float | str]]) -> None:
        """Stores a batch however long that takes: what somebody else holds by then is passed over by the database."""
        done = [(run, outcome) for run, outcome in batch if isinstance(outcome, Result)]
        freed = [_freed(run, outcome) for run, outcome in batch if not isinstance(outcome, Result)]
        while True:
            try:
                standings = await self._store.store(self.lease, done) if done else []
                if freed:
                    await self._store.release(self.lease, freed)
                break
            except _AWAY as error:
                _log.warning("checks.store-failed", count=len(batch), **describe(error))
                await asyncio.sleep(_AGAIN_SECONDS)
        self._holding -= len(batch)
        self._freed.set()
        for _, result in done:
            CHECKS.labels(result.status).inc()
        RETRIES.inc(sum(1 for _, _, error in freed if error is None))
        try:
            if await self._judge.judge(standings):
                await self._teller.tell()
        except _AWAY as error:  # what is left of it is found again by a scheduler
            _log.warning("checks.judge-failed", **describe(error))

    async def _keep_prolonging(self) -> None:
        while True:
            await asyncio.sleep(self.settings.lease / 3)
            if self._holding:
                try:
                    await self._store.prolong(self.lease, self.settings.lease)
                except _AWAY as error:
                    _log.warning("checks.prolong-failed", **describe(error))

    async def _drain(self) -> None:
        """Lets what is under way end and be stored within the grace, then gives back the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.grace):
                while self._holding:
                    self._freed.clear()
                    await self._freed.wait()
        await _cancelled(tuple(self._tasks))
        with suppress(*_AWAY):
            await self._store.give_back(self.lease)


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _result(run: Run, status: object, reason: str | None, finding: Finding | None = None) -> Result:
    found = finding or Finding(up=False)
    return Result(
        run.scheduled_at,
        run.region,
        status,  # pyright: ignore[reportArgumentType]
        reason,
        1,
        run.attempt,
        found.code,
        max(0.0, run.delay) * 1000,
        found.dns_ms,
        found.connect_ms,
        found.tls_ms,
        found.first_byte_ms,
        found.total_ms,
    )


def _freed(run: Run, outcome: float | str) -> tuple[Run, float, str | None]:
    return (run, _AGAIN_SECONDS, outcome) if isinstance(outcome, str) else (run, outcome, None)
