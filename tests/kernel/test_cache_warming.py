"""Warming: what was lately in use is at hand before anybody asks, and a process that cannot warm serves all the same."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from keepwell.kernel.cache import CacheSettings
from keepwell.kernel.warming import Warming, WarmingSettings
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.caching import SMALLEST, Counted, Node, node
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.proxy import Proxy


@pytest.fixture
async def busy(clean_database: DatabaseUrls, owner: Any, valkey_url: str, manual_clock: ManualClock) -> AsyncIterator[Node]:
    """The node that did the work before the start."""
    del owner
    async with node(clean_database.app, valkey_url, manual_clock) as made:
        yield made


@pytest.fixture
async def cold(clean_database: DatabaseUrls, owner: Any, valkey_url: str, manual_clock: ManualClock) -> AsyncIterator[Node]:
    """The node that starts."""
    del owner
    async with node(clean_database.app, valkey_url, manual_clock) as made:
        yield made


@asynccontextmanager
async def pool(url: str) -> AsyncGenerator[Database]:
    database = Database(PoolSettings(url, largest=2, wait=0.3, connect_timeout=0.3, statement_timeout=0.3))
    await database.open()
    yield database
    await database.close()


async def warm(of: Node, urls: DatabaseUrls, clock: ManualClock, settings: WarmingSettings | None = None) -> bool:
    async with pool(urls.app) as app, pool(urls.auditor) as auditor:
        return await Warming(of.cache, app, auditor, clock, settings or WarmingSettings(rate=100_000)).run()


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_what_was_read_or_written_lately_is_served_from_memory(
    busy: Node, cold: Node, clean_database: DatabaseUrls, manual_clock: ManualClock
):
    written, read = await busy.write(text="written"), await busy.write(text="read")
    manual_clock.advance(hours=3)
    await busy.view(read)
    manual_clock.advance(minutes=5)
    assert await warm(cold, clean_database, manual_clock)
    assert sample("keepwell_read_cache_warming_progress") == 1
    counted = Counted()
    for note, text in ((written, "written"), (read, "read")):
        assert (await cold.view(note))["fields"] == {"text": text}
    assert counted.reads() == {"memory": 2}


async def test_the_most_recent_come_first_and_no_more_than_asked_for(
    busy: Node, cold: Node, clean_database: DatabaseUrls, manual_clock: ManualClock
):
    notes: list[UUID] = []
    for _ in range(12):
        notes.append(await busy.write())
        manual_clock.advance(minutes=7)
    assert await warm(cold, clean_database, manual_clock, WarmingSettings(count=5, rate=100_000))
    assert {target[2] for target in cold.cache._entries} == set(notes[-5:])


async def test_what_nobody_used_for_long_is_left_alone(
    busy: Node, cold: Node, clean_database: DatabaseUrls, manual_clock: ManualClock
):
    await busy.write()
    manual_clock.advance(hours=25)
    assert await warm(cold, clean_database, manual_clock)
    assert cold.cache.size == 0


async def test_warming_is_no_access_and_opens_nothing(
    busy: Node, cold: Node, clean_database: DatabaseUrls, owner: Any, manual_clock: ManualClock
):
    await busy.write("a planted title", "a planted text")
    before = await owner.fetchval("SELECT count(*) FROM access_record")
    assert await warm(cold, clean_database, manual_clock)
    assert await owner.fetchval("SELECT count(*) FROM access_record") == before
    assert len(cold.held()) > 50
    assert b"planted" not in cold.held()


async def test_a_warmed_state_that_changed_meanwhile_is_not_served(
    busy: Node, cold: Node, clean_database: DatabaseUrls, manual_clock: ManualClock
):
    note = await busy.write(text="old")
    assert await warm(cold, clean_database, manual_clock)
    await busy.change(note, "new", 2)
    assert (await cold.view(note))["fields"] == {"text": "new"}


async def test_warming_stops_where_memory_ends_and_takes_no_place_from_what_is_used(
    busy: Node, clean_database: DatabaseUrls, valkey_url: str, manual_clock: ManualClock
):
    async with node(
        clean_database.app, valkey_url, manual_clock, settings=CacheSettings(memory=30_000, smallest=SMALLEST)
    ) as small:
        used = await small.write(text="z" * 1000)
        manual_clock.advance(minutes=1)
        for _ in range(40):
            await busy.write(text="z" * 1000)
        room = sample("keepwell_read_cache_warmed_total", outcome="no-room")
        assert await warm(small, clean_database, manual_clock)
        assert small.cache.size <= 30_000
        assert sample("keepwell_read_cache_warmed_total", outcome="no-room") > room
        counted = Counted()
        await small.view(used)
        assert counted.reads() == {"memory": 1}


@pytest.mark.parametrize("fault", ["hang", "cut"])
@pytest.mark.parametrize("role", ["app", "auditor"])
async def test_without_the_database_warming_ends_soon_and_says_so(
    busy: Node, cold: Node, clean_database: DatabaseUrls, manual_clock: ManualClock, fault: str, role: str
):
    await busy.write()
    failed = sample("keepwell_read_cache_warming_runs_total", outcome="failed")
    with Proxy.to_postgres(clean_database.app) as proxy:
        getattr(proxy, fault)()
        urls = {"app": clean_database.app, "auditor": clean_database.auditor}
        urls[role] = proxy.postgres_url(urls[role])
        async with pool(urls["app"]) as app, pool(urls["auditor"]) as auditor:
            warming = Warming(cold.cache, app, auditor, manual_clock, WarmingSettings())
            assert not await warming.run()
    assert sample("keepwell_read_cache_warming_runs_total", outcome="failed") == failed + 1


async def test_the_rate_is_kept(busy: Node, cold: Node, clean_database: DatabaseUrls, manual_clock: ManualClock):
    for _ in range(50):
        await busy.write()

    loop_time = asyncio.get_running_loop().time
    started = loop_time()
    assert await warm(cold, clean_database, manual_clock, WarmingSettings(rate=100))
    assert loop_time() - started >= 0.5
