"""Counts that are telemetry: added up in memory, written every few seconds, not journaled.

Each is kept by clinic, name, span of time (bucket) and labels. A database that is away loses nothing: what could not be written
waits, and what comes meanwhile is added to it. Only the number of different counts that wait is bounded. A write that was cut
off in the middle is made again, so it may count twice; it never goes missing.
"""

import asyncio
import re
from collections.abc import Sequence
from contextvars import Context
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog

from keepwell.kernel import metrics
from keepwell.kernel.store import segment_starts
from keepwell.kit.time import Clock, microseconds
from keepwell.platform.postgres import AWAY, Database

_AT_ONCE = 1_000
_LABEL = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_ADD = "SELECT tally_add($1, $2, $3, $4, $5, $6, $7, $8)"
_COUNTS = """
SELECT labels, sum(amount)::bigint AS amount, min(first_at) AS first_at, max(last_at) AS last_at FROM tally
WHERE tenant_id = current_tenant() AND name = $1 AND bucket >= $2 GROUP BY labels ORDER BY labels
"""
_AMOUNTS = """
SELECT bucket, labels[1] AS label, sum(amount)::bigint AS amount FROM tally
WHERE tenant_id = current_tenant() AND name = $1 AND bucket >= $2 GROUP BY bucket, labels[1] ORDER BY bucket, labels[1]
"""
_PURGE = "SELECT purge_tally($1, $2, $3)"
_log = structlog.stdlib.get_logger("keepwell.tally")


class TallyKind(msgspec.Struct, frozen=True):
    """One kind of count: its stable name, how wide its buckets are, and how long they are kept."""

    name: str
    width: timedelta
    kept: timedelta


class Count(msgspec.Struct, frozen=True):
    """What was counted under some labels, over several buckets."""

    labels: tuple[str, ...]
    amount: int
    first_at: datetime
    last_at: datetime


class Amount(NamedTuple):
    """What was counted in one bucket under a first label, whatever the others were."""

    bucket: datetime
    label: str
    amount: int


class TallySettings(msgspec.Struct, frozen=True):
    """How often counts are written, in seconds, and how many different ones may wait."""

    every: float = 5.0
    most: int = 20_000


class _Key(NamedTuple):
    """In the order in which all processes write, so that none waits for another in a circle."""

    tenant: UUID
    name: str
    bucket: datetime
    labels: str


class _Sum(NamedTuple):
    amount: int
    first_at: datetime
    last_at: datetime

    def plus(self, other: "_Sum") -> "_Sum":
        return _Sum(self.amount + other.amount, min(self.first_at, other.first_at), max(self.last_at, other.last_at))


class Tally:
    """The counts of one process. `add` takes no time; nothing here fails for a database that does."""

    def __init__(self, database: Database, clock: Clock, settings: TallySettings | None = None) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings or TallySettings()
        self._counts: dict[_Key, _Sum] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    def add(self, tenant: UUID, kind: TallyKind, *labels: str, amount: int = 1) -> None:
        """Counts something. Labels are names from the code or ids, and never what a caller wrote.

        Raises:
            ValueError: a label is no such word.
        """
        now = self._clock.now()
        key = _Key(tenant, kind.name, bucket_of(kind, now), _joined(labels))
        there = self._counts.get(key)
        if there is None and len(self._counts) >= self._settings.most:
            metrics.TALLY_DROPPED.labels(kind.name).inc(amount)
            return
        fresh = _Sum(amount, now, now)
        self._counts[key] = fresh if there is None else there.plus(fresh)

    async def open(self) -> None:
        """Begins to write every few seconds."""
        metrics.TALLY_WAITING.set_function(lambda: len(self._counts))
        # In no request's name: what is written there belongs to many.
        self._task = asyncio.get_running_loop().create_task(self._keep_writing(), name="tally", context=Context())

    async def close(self) -> None:
        """Writes what waits, if the database takes it."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._counts and not await self.flush():
            _log.warning("tally.lost", count=len(self._counts))

    async def flush(self) -> bool:
        """Writes what waits; whether all of it was."""
        async with self._writing:
            try:
                for _ in range(len(self._counts) // _AT_ONCE + 1):
                    await self._write(sorted(islice(self._counts, _AT_ONCE)))
            except AWAY as failure:
                metrics.TALLY_WRITES.labels("failed").inc()
                if not self._failing:
                    _log.warning("tally.waits", error=type(failure).__qualname__, count=len(self._counts))
                self._failing = True
                return False
            self._failing = False
            return True

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(self._settings.every)
            await self.flush()

    async def _write(self, keys: Sequence[_Key]) -> None:
        if not keys:
            return
        taken = {key: self._counts.pop(key) for key in keys}
        try:
            async with self._database.connection() as connection:
                await connection.execute(_ADD, *_arguments(taken))
        except BaseException:
            for key, before in taken.items():
                there = self._counts.get(key)
                self._counts[key] = before if there is None else before.plus(there)
            raise
        metrics.TALLY_WRITES.labels("ok").inc()


def bucket_of(kind: TallyKind, instant: datetime) -> datetime:
    """The beginning of the span of time that an instant is counted in; spans are laid out from 1970 on."""
    return instant - timedelta(microseconds=microseconds(instant) % (kind.width // _MICROSECOND))


def next_bucket(kind: TallyKind, instant: datetime) -> datetime:
    """The beginning of the first span after an instant: it holds nothing of what was before, or at, that instant."""
    return bucket_of(kind, instant) + kind.width


async def counts(connection: Any, kind: TallyKind, since: datetime) -> list[Count]:
    """What was counted in the clinic in the buckets from `since` on, by labels. For queries handed to `Kernel.search`."""
    rows = await connection.fetch(_COUNTS, kind.name, since)
    return [Count(tuple(row["labels"]), row["amount"], row["first_at"], row["last_at"]) for row in rows]


async def amounts(connection: Any, kind: TallyKind, since: datetime) -> list[Amount]:
    """What was counted in the clinic in each bucket from `since` on, by first label; the oldest first. As `counts`."""
    return [Amount(*row) for row in await connection.fetch(_AMOUNTS, kind.name, since)]


async def purge(connection: Any, kind: TallyKind, now: datetime, most: int) -> int:
    """Deletes buckets of all clinics that were kept long enough, so many at most; how many it were."""
    return await connection.fetchval(_PURGE, kind.name, now - kind.kept, most)


_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=10_000)
def _joined(labels: tuple[str, ...]) -> str:
    if not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("a label is a word of up to 64 letters, digits, dots, hyphens, colons and underlines")
    return " ".join(labels)


def _arguments(taken: dict[_Key, _Sum]) -> list[Any]:
    """What the statement takes: the tenants, where the rows of each begin, and the rows' columns."""
    owners, *columns = ([*column] for column in zip(*((*key, *total) for key, total in taken.items()), strict=True))
    tenants = sorted(set(owners))
    return [tenants, segment_starts(tenants, owners), *columns]
