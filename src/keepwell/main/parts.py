"""What one process is made of: pools, cache, keys, kernel, rooms; opened together, closed in the opposite order."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec

from keepwell.kernel import Kernel, Limits
from keepwell.kernel.keys import KeyRing
from keepwell.kit.time import Clock, SystemClock
from keepwell.main.addresses import Addresses
from keepwell.main.rooms import Rooms, catalog
from keepwell.platform.master_key import master_key
from keepwell.platform.postgres import Database, PoolSettings
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
        self.ring = KeyRing(master_key(settings), self.clock)
        self.kernel = Kernel(self.database, catalog(), self.ring, self.clock, _limits(settings))
        self.rooms = Rooms(self.kernel, self.ring.derive, settings)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Opens the parts; at the end waits for what the kernel accepted, then closes everything."""
        await self.database.open()
        await self.auditor.open()
        await self.cache.open()
        try:
            yield
        finally:
            await self.kernel.close()
            self.rooms.close()
            await self.cache.close()
            await self.auditor.close()
            await self.database.close()


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


def _cache(settings: Settings, url: str) -> ValkeySettings:
    return ValkeySettings(url, timeout=settings.valkey_timeout_ms / 1000, rest=settings.valkey_rest_s)


def _limits(settings: Settings) -> Limits:
    return Limits(
        batch=settings.gather_max_batch if settings.gather else 1,
        patience=settings.pool_wait_s,
        queue=settings.gather_queue,
        idempotency_lifetime=timedelta(seconds=settings.idempotency_lifetime_s),
    )
