"""Read replicas: which of them may answer now, and answering from one without ever waiting long for it.

A replica is used while it is in recovery, belongs to the primary's cluster, answers in time and lags less than allowed. Anything
else leaves it out, and it comes back by itself. Positions are bytes of the write-ahead log since its beginning.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Generic, TypeVar

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter, Gauge

from keepwell.platform.postgres import AWAY, Database, DatabaseUnavailable, PoolSettings, UnsafeRoleError

Found = TypeVar("Found")

LAG = Gauge("keepwell_replica_lag_seconds", "How far the replica is behind, at most; grows while it cannot be asked", ["replica"])
USABLE = Gauge("keepwell_replica_usable", "1 while reads may go to the replica", ["replica"])
READS = Counter(
    "keepwell_replica_reads",
    "Reads a replica might answer: served, behind, failed, lost (it went away meanwhile), or none was usable",
    ["outcome"],
)

_LOOK = """
SELECT pg_is_in_recovery() AS in_recovery, (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS replayed,
       (SELECT system_identifier FROM pg_control_system()) AS cluster
"""
_PRIMARY = """
SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS flushed,
       (SELECT system_identifier FROM pg_control_system()) AS cluster
"""
_REPLAYED = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint"
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    OSError,  # a TimeoutError too
)
_REMEMBERED = 1200
_CATCH_UP_STEP_S = 0.01
_CATCH_UP_LOOKS = 5
_POLL_S = 0.002
_OVERHEARD_EVERY_S = 0.05
_log = structlog.stdlib.get_logger("keepwell.replicas")


class ReplicaSettings(msgspec.Struct, frozen=True):
    """Times in seconds: how often replicas are looked at, how long one look may take, how far behind one may be, how long a read
    may wait for one to catch up with what its caller has seen, and how long for it to say anything at all.
    """

    every: float = 0.5
    look: float = 0.5
    most_lag: float = 1.0
    wait: float = 0.02
    answer: float = 0.1


class Answered(msgspec.Struct, Generic[Found], frozen=True):
    """What a replica answered."""

    found: Found


class BehindError(Exception):
    """The replica lacks something the caller must see."""


class _SilentError(TimeoutError):
    """The replica did not answer the smallest question in time."""


class _Log:
    """When the primary's log was how far: tells how old the newest thing is that a replica may lack."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque([(monotonic(), 0)], maxlen=_REMEMBERED)

    def add(self, position: int) -> None:
        if position < self.newest:
            # Another primary, or this one restored to an earlier moment: what was noted says nothing about it.
            self._samples.clear()
        self._samples.append((monotonic(), position))

    def overheard(self, position: int) -> None:
        """As `add`, from traffic: often, and not always in order."""
        if position > self.newest and monotonic() - self._samples[-1][0] > _OVERHEARD_EVERY_S:
            self.add(position)

    @property
    def newest(self) -> int:
        return self._samples[-1][1]

    def age_of(self, replayed: int) -> float:
        """Seconds since the last moment at which a replica that has replayed this far had everything. An upper bound."""
        for at, position in reversed(self._samples):
            if position <= replayed:
                return monotonic() - at
        return monotonic() - self._samples[0][0]


class Replica:
    """One replica: its pool for reads, and one connection by which it is watched."""

    def __init__(self, index: int, settings: PoolSettings, look: float) -> None:
        self.index = index
        self.database = Database(msgspec.structs.replace(settings, name=f"replica-{index}"))
        self.watch = Database(
            msgspec.structs.replace(
                settings,
                name=f"replica-{index}-watch",
                largest=1,
                wait=look,
                connect_timeout=look,
                statement_timeout=look,
            )
        )
        self.replayed = -1
        self.usable = False
        self.lag = 0.0
        self.looked = 0.0
        self.lost = asyncio.Event()
        self.safe = False

    async def open(self) -> None:
        await self.database.open()
        await self.watch.open()

    async def close(self) -> None:
        await self.database.close()
        await self.watch.close()

    def set_usable(self, *, usable: bool, reason: str = "") -> None:
        """Takes it in or leaves it out. Reads under way on one that was left out for `lost` are given up."""
        if usable and not self.usable:
            _log.info("replica.in", id=str(self.index))
        elif self.usable and not usable:
            _log.warning("replica.out", id=str(self.index), reason=reason)
        self.usable = usable
        USABLE.labels(self.index).set(usable)
        if usable:
            self.lost.clear()
        elif reason == "lost":
            self.lost.set()

    async def read(self, at_least: int, bounds: ReplicaSettings, work: Callable[[Any], Awaitable[Found]]) -> Found:
        """What `work` finds on one snapshot that holds all up to `at_least`, in a read-only transaction.

        Raises:
            BehindError: it did not get there in time.
            _SilentError: it did not even say how far it is.
        """
        async with self.database.connection() as connection:
            deadline = monotonic() + bounds.wait
            while await self._position(connection, bounds.answer) < at_least:
                if monotonic() > deadline:
                    raise BehindError
                await asyncio.sleep(_POLL_S)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await work(connection)

    async def _position(self, connection: Any, seconds: float) -> int:
        try:
            async with asyncio.timeout(seconds):
                return await connection.fetchval(_REPLAYED) or -1
        except TimeoutError:
            raise _SilentError from None


class Replicas:
    """All replicas of one primary, as one process sees them."""

    def __init__(self, primary: Database, replicas: Sequence[PoolSettings], settings: ReplicaSettings) -> None:
        self.settings = settings
        self.all = [Replica(index, each, settings.look) for index, each in enumerate(replicas)]
        self._primary = primary
        self._log = _Log()
        self._cluster = 0
        self._next = 0
        self._monitor: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begins to watch. No replica is used before it was looked at."""
        for replica in self.all:
            await replica.open()
        self._monitor = asyncio.create_task(self._watch(), name="replicas")

    async def close(self) -> None:
        if self._monitor is not None:
            self._monitor.cancel()
            await asyncio.gather(self._monitor, return_exceptions=True)
            self._monitor = None
        for replica in self.all:
            await replica.close()

    async def attempt(self, at_least: int, work: Callable[[Any], Awaitable[Found]]) -> Answered[Found] | None:
        """What `work` finds on a replica that has replayed `at_least`; None when none can answer now, for whatever reason.

        `work` gets a connection in a read-only transaction. It may be run in vain, so it must have no effects.
        """
        replica = self._choose(at_least)
        if replica is None:
            READS.labels("none").inc()
            return None
        reading = asyncio.ensure_future(replica.read(at_least, self.settings, work))
        reading.add_done_callback(_noticed)
        lost = asyncio.ensure_future(replica.lost.wait())
        try:
            await asyncio.wait({reading, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                READS.labels("lost").inc()
                return None
            found = reading.result()
        except BehindError:
            READS.labels("behind").inc()
            return None
        except Exception as failure:  # noqa: BLE001 - whatever it is, the primary decides whether it is one
            READS.labels("failed").inc()
            if isinstance(failure, _GONE) or (isinstance(failure, DatabaseUnavailable) and failure.reason != "exhausted"):
                replica.set_usable(usable=False, reason="lost")  # until the next look
            _log.warning("replica.failed", id=str(replica.index), error=type(failure).__qualname__)
            return None
        finally:
            lost.cancel()
            reading.cancel()
        READS.labels("served").inc()
        return Answered(found)

    def _choose(self, at_least: int) -> Replica | None:
        """Round robin among those that are known to be far enough; else the one that is furthest."""
        bounds = self.settings
        since = monotonic() - 4 * (bounds.every + bounds.look)  # what was not looked at for so long is not known to be anything
        usable = [replica for replica in self.all if replica.usable and replica.looked > since]
        if not usable:
            return None
        enough = [replica for replica in usable if replica.replayed >= at_least]
        if not enough:
            return max(usable, key=lambda replica: replica.replayed)
        self._next += 1
        return enough[self._next % len(enough)]

    def overheard(self, position: int) -> None:
        """Takes note of how far the primary's log was a moment ago. Cheap enough for every read."""
        self._log.overheard(position)

    async def _watch(self) -> None:
        while True:
            await self._sample()
            await asyncio.gather(*(self._look(replica) for replica in self.all))
            await asyncio.sleep(self.settings.every * random.uniform(0.9, 1.1))  # noqa: S311 - processes spread

    async def _sample(self) -> None:
        """Notes how far the primary's log is. While that cannot be known, no lag can."""
        with suppress(*AWAY):
            async with asyncio.timeout(self.settings.look), self._primary.connection() as connection:
                row = await connection.fetchrow(_PRIMARY)
            self._cluster = row["cluster"]
            self._log.add(row["flushed"])

    async def _look(self, replica: Replica) -> None:
        try:
            reason = await self._fault(replica)
        except UnsafeRoleError:
            reason = "unsafe-role"
        except AWAY:
            reason = "lost"
        replica.looked = monotonic()
        replica.lag = self._log.age_of(replica.replayed)
        LAG.labels(replica.index).set(replica.lag)
        if not reason and replica.lag > self.settings.most_lag:
            reason = "behind"
        replica.set_usable(usable=not reason, reason=reason)

    async def _fault(self, replica: Replica) -> str:
        """What speaks against it, lag aside; empty for nothing."""
        there = self._log.newest
        async with asyncio.timeout(self.settings.look), replica.watch.connection() as connection:
            row = await connection.fetchrow(_LOOK)
            for _ in range(_CATCH_UP_LOOKS):
                # The two were not asked at the same moment: a replica that gets there in a few milliseconds is not behind.
                if (row["replayed"] or -1) >= there:
                    break
                await asyncio.sleep(_CATCH_UP_STEP_S)
                row = await connection.fetchrow(_LOOK)
        if not row["in_recovery"]:
            return "not-a-replica"
        if row["cluster"] != self._cluster:
            return "another-cluster"
        replica.replayed = row["replayed"] or -1
        if not replica.safe:
            await replica.watch.verify_role()
            replica.safe = True
        return ""


def _noticed(reading: "asyncio.Future[Any]") -> None:
    """Looks at how a read ended that nobody waits for any more."""
    if not reading.cancelled():
        reading.exception()
