"""What one process is made of: pools, cache, keys, kernel, rooms; opened together, closed in the opposite order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import msgspec

from keepwell.domains.enrollment import jobs as enrollment_jobs
from keepwell.domains.enrollment.service import RUN
from keepwell.domains.notifications import jobs as notification_jobs
from keepwell.kernel import Catalog, Kernel, Limits
from keepwell.kernel.announce import Announcer
from keepwell.kernel.cache import Cache, CacheSettings
from keepwell.kernel.http import RateLimits
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.shared_views import SharedViews
from keepwell.kernel.warming import Warming, WarmingSettings
from keepwell.kit.time import Clock, SystemClock
from keepwell.main.addresses import Addresses
from keepwell.main.flags import REPLICA_READS
from keepwell.main.rates import RATES_KEY, policies
from keepwell.main.rooms import Rooms, catalog
from keepwell.platform.allowances import Allowances
from keepwell.platform.bus import Bus
from keepwell.platform.crypto import derive
from keepwell.platform.master_key import master_key, previous_master_keys
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.probing import Prober, ProberSettings
from keepwell.platform.program import fingerprint
from keepwell.platform.queue import Queue, QueueSettings
from keepwell.platform.replicas import Replicas, ReplicaSettings
from keepwell.platform.settings import ProcessKind, Settings
from keepwell.platform.valkey import Valkey, ValkeySettings

AUDITOR_CONNECTIONS = 2


class Parts:
    """The parts of one process. `auditor` sees the journal of all clinics and serves no requests."""

    def __init__(self, settings: Settings, addresses: Addresses, kind: ProcessKind, clock: Clock | None = None) -> None:
        self.settings = settings
        self.addresses = addresses
        self.kind = kind
        self.clock = clock or SystemClock()
        self.database = Database(_pool(settings, kind, addresses.app, addresses.app_role, settings.pool_size(kind)))
        auditor = _pool(settings, kind, addresses.auditor, addresses.auditor_role, AUDITOR_CONNECTIONS)
        self.auditor = Database(msgspec.structs.replace(auditor, name="auditor"))
        self.cache = Valkey(_cache(settings, addresses.valkey))
        self.ring = KeyRing(master_key(settings), self.clock, previous_master_keys(settings))
        kinds = catalog()
        self.read_cache = _read_cache(settings, kinds, self.cache)
        self.replicas = self._replicas() if addresses.replicas else None
        self.bus = Bus(self.cache)
        self.kernel = Kernel(
            self.database,
            kinds,
            self.ring,
            self.clock,
            _limits(settings),
            announcer=Announcer(kinds, self.bus),
            cache=self.read_cache,
            replicas=self.replicas,
        )
        self.queue = Queue(self.database, _queue(settings))
        self.batches = Queue(self.database, enrollment_jobs.QUEUE)
        self.notices = Queue(self.database, notification_jobs.SETTINGS)
        self.prober = Prober(ProberSettings(at_once=settings.check_width, canaries=settings.check_canaries))
        self.queues = (self.queue, self.batches, self.notices)
        self.rates = RateLimits(policies(settings), derive(master_key(settings), RATES_KEY), Allowances(self.cache))
        self.rooms = Rooms(self.kernel, settings, self.cache, self.bus, self.queue)
        self.kernel.spread_if(partial(self.rooms.flags.is_on, REPLICA_READS.key))

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Opens the parts; at the end waits for what the kernel accepted, then closes everything."""
        await self.database.open()
        await self.auditor.open()
        await self.cache.open()
        await self.kernel.key_watch.open()
        await self.kernel.tally.open()
        if self.kind == ProcessKind.API:  # the others speak, and have nobody to pass anything on to
            await self.bus.open()
            await self.rooms.open()
        if self.read_cache is not None:
            await self.read_cache.open()
        if self.replicas is not None:
            await self.replicas.open()
        warming = asyncio.create_task(self._warm(), name="warming")
        try:
            yield
        finally:
            for queue in self.queues:  # what jobs did is written down while there is a database
                await queue.close()
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
            await self.rooms.close()
            await self.kernel.key_watch.close()
            await self.kernel.close()
            if self.read_cache is not None:
                await self.read_cache.close()
            await self.bus.close()
            await self.rates.close()
            await self.cache.close()
            if self.replicas is not None:
                await self.replicas.close()
            await self.auditor.close()
            await self.database.close()

    def leave(self) -> None:
        """The process is about to end: who stays connected is sent away, and no more jobs are begun."""
        self.rooms.drain()
        for queue in self.queues:
            queue.stop()

    def _replicas(self) -> Replicas:
        settings, addresses = self.settings, self.addresses
        wanted = ReplicaSettings(most_lag=settings.replica_lag_s, wait=settings.replica_wait_ms / 1000)
        pools = (_pool(settings, self.kind, url, addresses.app_role, settings.pool_size_replica) for url in addresses.replicas)
        # The primary answers when a replica's pool does not at once.
        return Replicas(self.database, [msgspec.structs.replace(pool, wait=0.5, connect_timeout=1.0) for pool in pools], wanted)

    async def _warm(self) -> None:
        """Only a process that answers reads has use for it."""
        count, cache = self.settings.cache_warm_count, self.read_cache
        if cache is not None and count and self.kind == ProcessKind.API:
            wanted = WarmingSettings(count, self.settings.cache_warm_rate)
            await Warming(cache, self.database, self.auditor, self.clock, wanted).run()


def _pool(settings: Settings, kind: ProcessKind, url: str, role: str | None, largest: int) -> PoolSettings:
    return PoolSettings(
        url,
        application_name=f"keepwell-{kind}",
        role=role,
        largest=largest,
        wait=settings.pool_wait_s,
        connect_timeout=settings.connect_timeout_s,
        statement_timeout=settings.statement_timeout_s,
        lock_timeout=settings.lock_timeout_s,
        idle_transaction_timeout=settings.idle_transaction_timeout_s,
        idle_lifetime=settings.connection_lifetime_s,
    )


def _queue(settings: Settings) -> QueueSettings:
    return QueueSettings(
        width=settings.queue_width,
        lease=settings.queue_lease_s,
        poll=settings.queue_poll_s,
        grace=settings.queue_grace_s,
        stuck=settings.queue_stuck_s,
        most_attempts=settings.queue_attempts,
        patient=(RUN,),  # a batch may wait for others: whether it stalls, enrollment watches
    )


def _cache(settings: Settings, url: str) -> ValkeySettings:
    return ValkeySettings(url, timeout=settings.valkey_timeout_ms / 1000, rest=settings.valkey_rest_s)


def _read_cache(settings: Settings, kinds: Catalog, valkey: Valkey) -> Cache | None:
    if not settings.cache_lifetime_s:
        return None
    wanted = CacheSettings(settings.cache_lifetime_s, settings.cache_memory_mb * 2**20, settings.cache_valkey_bytes)
    shared = SharedViews(valkey, fingerprint(), lifetime_s=wanted.lifetime_s, backlog=wanted.backlog)
    return Cache(wanted, (kind for kind, aggregate in kinds.kinds.items() if aggregate.cached), shared)


def _limits(settings: Settings) -> Limits:
    return Limits(
        batch=settings.gather_max_batch if settings.gather else 1,
        patience=settings.gather_wait_s,
        queue=settings.gather_queue,
        idempotency_lifetime=timedelta(seconds=settings.idempotency_lifetime_s),
        recency=timedelta(seconds=settings.step_up_s),
    )
