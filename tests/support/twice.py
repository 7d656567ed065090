"""What tests of a room have when two API processes serve one database: a kernel each, and a client of each."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import httpx

from keepwell.kernel import Aggregate, Catalog, Kernel, Limits
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY
from tests.support.http_server import serving


@asynccontextmanager
async def kernel_over(url: str, clock: ManualClock, aggregates: Sequence[Aggregate]) -> AsyncGenerator[Kernel]:
    """A process's kernel, with a pool and keys of its own."""
    database = Database(PoolSettings(url, largest=4, wait=1.0, connect_timeout=1.0))
    await database.open()
    kernel = Kernel(database, Catalog(tuple(aggregates)), KeyRing(MASTER_KEY, clock), clock, Limits())
    await kernel.key_watch.look()
    try:
        yield kernel
    finally:
        await kernel.close()
        await database.close()


@asynccontextmanager
async def clients_of(door: Door, other: Door) -> AsyncGenerator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Speaks to each of two processes over sockets."""
    async with (
        serving(door) as base,
        serving(other) as beside,
        httpx.AsyncClient(base_url=base, timeout=20) as http,
        httpx.AsyncClient(base_url=beside, timeout=20) as elsewhere,
    ):
        yield http, elsewhere
