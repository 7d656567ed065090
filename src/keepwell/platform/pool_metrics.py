"""What Prometheus learns about the database pools of this process."""

from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

WAIT = Histogram(
    "keepwell_database_wait_seconds",
    "Time from asking the pool to having a connection",
    ["pool"],
    buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5),
)
REFUSED = Counter("keepwell_database_refused", "Callers that got no connection, by reason", ["pool", "reason"])


class Pool(Protocol):
    """What the collector asks of a pool."""

    @property
    def name(self) -> str: ...

    def counts(self) -> dict[str, int]:
        """Connections `open` and `in_use`, callers `waiting`, and the `cap`."""
        ...


class PoolCollector(Collector):
    """Looks at the pools when Prometheus asks; between, it costs nothing. Pools of one name are added up."""

    def __init__(self) -> None:
        self._pools: WeakSet[Pool] = WeakSet()

    def watch(self, pool: Pool) -> None:
        """Reports on `pool` until it is closed or gone."""
        self._pools.add(pool)

    def forget(self, pool: Pool) -> None:
        self._pools.discard(pool)

    def collect(self) -> Iterable[Metric]:
        sums: dict[tuple[str, str], int] = {}
        for pool in list(self._pools):
            for state, count in pool.counts().items():
                sums[pool.name, state] = sums.get((pool.name, state), 0) + count
        family = GaugeMetricFamily(
            "keepwell_database_pool", "Connections open and in use, callers waiting, and the cap", labels=["pool", "state"]
        )
        for (name, state), count in sorted(sums.items()):
            family.add_metric([name, state], count)
        yield family


POOLS = PoolCollector()
REGISTRY.register(POOLS)
