"""What a scheduler does: puts what is due before the workers, notices what is overdue, and gives up what nobody will do.

Any number of schedulers may run: each step is one transaction under a lock of the database, which passes on with the process that
held it. Whoever is there in the next moment goes on, from the schedule.
"""

import structlog
from prometheus_client import Counter, Gauge

from keepwell.domains.checks.models import DueBeat
from keepwell.domains.checks.service.configurations import Configurations
from keepwell.domains.checks.service.judging import Judge
from keepwell.domains.checks.service.telling import Teller
from keepwell.domains.checks.store import CheckStore
from keepwell.domains.monitors import late_at, suspended
from keepwell.kernel import Refused
from keepwell.kit.time import Clock

SCHEDULED = Counter("keepwell_checks_scheduled", "Monitors put before the workers.")
MISSED = Counter("keepwell_checks_missed", "Checks that were not made.", ["reason"])
WAITING = Gauge("keepwell_checks_waiting", "Checks that lie there.", ["region", "state"])
AGE = Gauge("keepwell_checks_age_seconds", "How long the oldest check has been due.", ["region", "state"])
AHEAD = 0.5
_AT_ONCE = 5_000
_DAYS_AHEAD = 3
_log = structlog.stdlib.get_logger("keepwell.scheduler")


class Scheduler:
    """The steps of a scheduler. Each may be run by many at once and at any time."""

    def __init__(self, store: CheckStore, configurations: Configurations, judge: Judge, teller: Teller, clock: Clock) -> None:
        self._store = store
        self._configurations = configurations
        self._judge = judge
        self._teller = teller
        self._clock = clock

    async def tick(self) -> None:
        """Follows monitors that changed, and puts before the workers what is due now."""
        await self._store.follow()
        while (done := await self._store.tick(AHEAD, _AT_ONCE)) is not None:
            moved, missed = done
            SCHEDULED.inc(moved)
            if missed:
                MISSED.labels("no-scheduler").inc(missed)
                _log.warning("checks.missed", reason="no-scheduler", count=missed)
            if moved < _AT_ONCE:
                return

    async def expire(self) -> None:
        """Gives up what no worker began in time."""
        missed = await self._store.expire(_AT_ONCE)
        if missed:
            MISSED.labels("no-worker").inc(missed)
            _log.warning("checks.missed", reason="no-worker", count=missed)

    async def watch_beats(self) -> None:
        """Finds heartbeats overdue: each period without a sign of life is a result, as a check that failed is."""
        late = [each for each in await self._store.beats_due(_AT_ONCE) if await self._is_late(each)]
        if late:
            await self.judge()

    async def _is_late(self, due: DueBeat) -> bool:
        now = self._clock.now()
        key = (due.tenant, due.monitor)
        try:
            monitor = await self._configurations.get(*key, due.version)
        except Refused:
            return False  # it is looked at again
        if monitor.heartbeat is None:
            return False
        limit = late_at(monitor.heartbeat, due.since)
        if limit > now:  # it began a moment ago, or has another rhythm now
            await self._store.beat(key, limit, None, limit, due.next_at)
            return False
        missing = max(limit, due.next_at)
        reason = suspended(monitor, missing)
        outcome = ("down", "no-beat") if reason is None else ("suspended", reason)
        return await self._store.beat(key, missing, outcome, late_at(monitor.heartbeat, now), due.next_at)

    async def judge(self) -> None:
        """Judges what was stored and not judged, and does what follows."""
        await self._judge.judge_left(_AT_ONCE)
        await self._teller.tell()

    async def measure(self) -> None:
        """Brings the gauges up to date."""
        WAITING.clear()
        AGE.clear()
        for region, state, count, age in await self._store.measures():
            WAITING.labels(region, state).set(count)
            AGE.labels(region, state).set(age)

    async def keep(self, days: int, largest: int) -> None:
        """Makes the days ahead, drops those kept long enough, and of clinics with too many results the oldest."""
        await self._store.partitions(self._clock.now(), _DAYS_AHEAD, days)
        gone = await self._store.trim(largest)
        if gone:
            _log.warning("checks.trimmed", count=gone)
