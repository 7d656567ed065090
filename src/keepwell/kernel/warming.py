"""Filling the cache at start with what was lately in use, so that the first to ask do not all pay for a cold process.

States are taken as they are sealed. Nothing is opened and nobody sees anything, so no access is recorded.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter, Gauge

from keepwell.kernel.cache import Cache, Held, Target
from keepwell.kernel.store import CLAIM_TENANT
from keepwell.kit.time import Clock
from keepwell.platform.postgres import AWAY, Database

WARMED = Counter(
    "keepwell_read_cache_warmed", "States loaded ahead of their use: held, not there any more, no room left", ["outcome"]
)
RUNS = Counter("keepwell_read_cache_warming_runs", "Attempts to warm the cache", ["outcome"])
PROGRESS = Gauge("keepwell_read_cache_warming_progress", "The share of the states to load that was dealt with, 0 to 1")

_AT_ONCE = 25
_FIRST_WINDOW = timedelta(minutes=1)
_WIDER = 4
# By time, so that only the newest part of the logs is looked at: they have no index by kind, and need none but for this.
_USED = """
SELECT tenant_id, kind, id FROM (
    SELECT tenant_id, kind, entity AS id, at FROM access_record
    WHERE at > $1 AND at <= $2 AND kind = ANY ($3) AND outcome = 'ok' AND version > 0
    UNION ALL
    SELECT tenant_id, kind, id, at FROM journal_entry WHERE at > $1 AND at <= $2 AND kind = ANY ($3)) used
GROUP BY tenant_id, kind, id ORDER BY max(at) DESC LIMIT $4
"""
_BRIEFLY = "SELECT set_config('statement_timeout', '1000', true)"
_STATES = """
SELECT kind, id, version, head, xmin::text::bigint AS writer, state FROM aggregate
WHERE tenant_id = $1 AND (kind, id) IN (SELECT * FROM unnest($2::text[], $3::uuid[]))
"""
_log = structlog.stdlib.get_logger("keepwell.cache")


class WarmingSettings(msgspec.Struct, frozen=True):
    """`count` states at most, `rate` of them a second, in use within the last `lookback_s` seconds."""

    count: int = 1000
    rate: float = 500.0
    lookback_s: float = 86_400.0


class Warming:
    """One attempt. `auditor` sees what was in use in all clinics; the states come through `database`, clinic by clinic."""

    def __init__(self, cache: Cache, database: Database, auditor: Database, clock: Clock, settings: WarmingSettings) -> None:
        self._cache = cache
        self._database = database
        self._auditor = auditor
        self._clock = clock
        self._settings = settings

    async def run(self) -> bool:
        """Warms what it can; whether all went well. Never raises for a database that is away or slow: it stops."""
        started = perf_counter()
        PROGRESS.set(0)
        done = 0
        try:
            targets = await self._used()
            _log.info("cache.warming", count=len(targets))
            for chunk in _chunks(targets):
                await self._load(chunk)
                before, done = done, done + len(chunk)
                PROGRESS.set(done / len(targets))
                if 4 * done // len(targets) > 4 * before // len(targets):
                    _log.info("cache.warming", step=f"{done}/{len(targets)}")
                await asyncio.sleep(len(chunk) / self._settings.rate)
        except AWAY as failure:
            RUNS.labels("failed").inc()
            _log.warning("cache.warming-failed", count=done, error=type(failure).__qualname__)
            return False
        RUNS.labels("ok").inc()
        PROGRESS.set(1)
        _log.info("cache.warmed", count=done, duration_ms=round((perf_counter() - started) * 1000, 1))
        return True

    async def _used(self) -> list[Target]:
        """What was read or written last, newest first, looking further back only while too little was found."""
        found: dict[Target, None] = {}
        kinds = sorted(self._cache.kinds)
        end, start, width = self._clock.now(), self._clock.now(), _FIRST_WINDOW
        oldest = end - timedelta(seconds=self._settings.lookback_s)
        async with self._auditor.connection() as connection:
            while len(found) < self._settings.count and start > oldest:
                end, start = start, max(oldest, start - width)
                width *= _WIDER
                try:
                    async with connection.transaction(readonly=True):
                        await connection.execute(_BRIEFLY)
                        rows: Sequence[Any] = await connection.fetch(_USED, start, end, kinds, self._settings.count)
                except asyncpg.QueryCanceledError:
                    break  # so much happened then that what is nearer will do
                found.update(((row["tenant_id"], row["kind"], row["id"]), None) for row in rows)
        return list(islice(found, self._settings.count))

    async def _load(self, targets: Sequence[Target]) -> None:
        clinics: dict[UUID, list[Target]] = {}
        for target in targets:
            clinics.setdefault(target[0], []).append(target)
        async with self._database.connection() as connection:
            for tenant, wanted in clinics.items():
                async with connection.transaction(readonly=True):
                    await connection.execute(CLAIM_TENANT, str(tenant))
                    kinds, ids = [target[1] for target in wanted], [target[2] for target in wanted]
                    rows: Sequence[Any] = await connection.fetch(_STATES, tenant, kinds, ids)
                for row in rows:
                    held = Held.of(row["version"], row["head"], row["writer"], row["state"])
                    kept = self._cache.warm((tenant, row["kind"], row["id"]), held)
                    WARMED.labels("held" if kept else "no-room").inc()
                WARMED.labels("gone").inc(len(wanted) - len(rows))


def _chunks(targets: Sequence[Target]) -> Iterator[Sequence[Target]]:
    for start in range(0, len(targets), _AT_ONCE):
        yield targets[start : start + _AT_ONCE]


__all__ = ["Warming", "WarmingSettings"]
