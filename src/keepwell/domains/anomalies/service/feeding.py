"""Feeding the detector: what came of checks is told, five minutes after five minutes, each once, and then what follows from it.

Any number of processes may do this. Whoever claims a monitor has it alone for a while; of one that was killed, or was slower,
nothing is kept: series are set by compare-and-set, together with the anomalies they made.
"""

import asyncio
from collections.abc import Container, Iterable, Mapping
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from msgspec.structs import replace
from prometheus_client import Counter

from keepwell.domains.anomalies.rules.feeding import WIDTH, kept, remembered, told, values_of
from keepwell.domains.anomalies.service.telling import Teller
from keepwell.domains.anomalies.store import AnomalyStore, Claimed, Saved
from keepwell.domains.checks import CheckService, Settled
from keepwell.domains.monitors import Monitor
from keepwell.kernel import Refused
from keepwell.kernel.problems import NOT_FOUND, TENANT_DESTROYED
from keepwell.kit.ids import new_id

VALUES = Counter("keepwell_anomaly_values", "Values that detectors were told.", ["measure"])
ANOMALIES = Counter("keepwell_anomalies", "Series that were not as usual any more.", ["measure"])
PATIENCE = timedelta(minutes=15)
"""So old, checks that are still to be made are not waited for."""
_MONITORS, _STRETCHES = 200, 144
_CLAIM_SECONDS = 30.0
_Key = tuple[UUID, UUID]


class Feeder:
    """Tells the detectors of all monitors what is new."""

    def __init__(self, store: AnomalyStore, checks: CheckService, teller: Teller) -> None:
        self._store = store
        self._checks = checks
        self._teller = teller

    async def feed(self, monitors: int = _MONITORS, stretches: int = _STRETCHES) -> None:
        """Tells everything that is settled, so many monitors and so many stretches of time of each at once.

        Raises:
            Refused, DatabaseUnavailable: the database is out of reach; what is left is told next time.
        """
        await self._store.follow()
        while claimed := await self._store.claim(monitors, _CLAIM_SECONDS):
            by_monitor = {key: list(group) for key, group in groupby(claimed, key=lambda each: (each.tenant, each.monitor))}
            since = {key: min(each.told_up_to for each in series) for key, series in by_monitor.items()}
            settled = await self._checks.settled(since, WIDTH, PATIENCE, stretches)
            watched = await self._monitors(settled)
            news: list[Saved] = []
            for key, series in by_monitor.items():
                news += [_told(each, settled[key], watched[key]) for each in series if each.told_up_to < settled[key].until]
                await asyncio.sleep(0)  # others in this process have to be on time
            if news:
                _count(news, await self._store.save(news))
        await self._teller.tell()

    async def _monitors(self, settled: Mapping[_Key, Settled]) -> dict[_Key, Monitor | None]:
        found = await asyncio.gather(*(self._monitor(*key, each.version) for key, each in settled.items()))
        return dict(zip(settled, found, strict=True))

    async def _monitor(self, tenant: UUID, id_: UUID, version: int) -> Monitor | None:
        """None: nothing of it can be read any more."""
        try:
            return await self._checks.configurations.get(tenant, id_, version)
        except Refused as refused:
            if refused.refusal.type in (NOT_FOUND, TENANT_DESTROYED):
                return None
            raise


def _told(claimed: Claimed, settled: Settled, monitor: Monitor | None) -> Saved:
    """What is known of a series after all that is settled; nothing, where nobody wants to know."""
    series = remembered(claimed.learned, claimed.course)
    if monitor is None or monitor.anomalies == "off":
        lasting = series.course.anomaly
        ended = [] if lasting is None else [replace(lasting, ended_at=claimed.told_up_to)]
        return Saved(claimed, settled.until, None, None, 0, ended)
    values = [value for value in values_of(settled.stretches, claimed.measure) if value[0] >= claimed.told_up_to]
    series, anomalies = told(series, claimed.measure, values, settled.until, monitor, new_id)
    return Saved(claimed, settled.until, *kept(series), len(values), anomalies)


def _count(news: Iterable[Saved], won: Container[tuple[UUID, UUID, str]]) -> None:
    for before, _, _, _, values, anomalies in news:
        if (before.tenant, before.monitor, before.measure) in won:
            VALUES.labels(before.measure).inc(values)
            ANOMALIES.labels(before.measure).inc(sum(1 for each in anomalies if each.at >= before.told_up_to))
