"""The cache adapter: a server that is down, hanging, slow or rude costs its callers a bounded moment and no exception."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
import valkey.asyncio

from keepwell.platform.valkey import CacheUnavailable, Valkey, ValkeySettings
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async

Trouble = Callable[[Proxy], None]


@asynccontextmanager
async def opened(url: str, **changes: Any) -> AsyncGenerator[Valkey]:
    quick: dict[str, Any] = {"timeout": 0.1, "rest": 0.2}
    cache = Valkey(ValkeySettings(url, **quick | changes))
    await cache.open()
    try:
        yield cache
    finally:
        await cache.close()


async def is_back(cache: Valkey) -> bool:
    return await cache.set("back", b"1", 5)


async def test_what_was_set_is_found_until_it_is_deleted(valkey_url: str):
    async with opened(valkey_url) as cache:
        assert await cache.get("a") is None
        assert await cache.set("a", b"\x00\xff", 60)
        assert await cache.get("a") == b"\x00\xff"
        assert await cache.delete("a")
        assert await cache.get("a") is None
        await cache.ping()


async def test_values_end_with_their_lifetime(valkey_url: str):
    async with opened(valkey_url) as cache:
        await cache.set("a", b"1", 0.05)
        await eventually_async(lambda: _gone(cache, "a"))


async def _gone(cache: Valkey, key: str) -> bool:
    return await cache.get(key) is None


@pytest.mark.parametrize("scheme", ["valkey", "redis"])
async def test_both_names_of_the_protocol_are_understood(valkey_url: str, scheme: str):
    with Proxy.to_valkey(valkey_url) as proxy:
        async with opened(proxy.valkey_url(valkey_url).replace("valkey://", f"{scheme}://")) as cache:
            await cache.ping()


@pytest.mark.parametrize("trouble", [Proxy.cut, Proxy.hang, Proxy.refuse], ids=["cut", "hang", "refuse"])
async def test_a_server_away_from_the_start_is_misses_at_once_and_then_found(valkey_url: str, trouble: Trouble):
    with Proxy.to_valkey(valkey_url) as proxy:
        trouble(proxy)
        async with opened(proxy.valkey_url(valkey_url)) as cache:
            before = time.monotonic()
            assert [await cache.get("a") for _ in range(200)] == [None] * 200
            assert not await cache.set("a", b"1", 60)
            assert not await cache.delete("a")
            assert time.monotonic() - before < 0.5, "each call waited for the same nothing"
            with pytest.raises(CacheUnavailable):
                await cache.ping()
            proxy.resume()
            await eventually_async(lambda: is_back(cache))


@pytest.mark.parametrize("trouble", [Proxy.cut, Proxy.hang, Proxy.reset], ids=["cut", "hang", "reset"])
async def test_trouble_in_the_middle_costs_a_bounded_moment(valkey_url: str, trouble: Trouble):
    with Proxy.to_valkey(valkey_url) as proxy:
        async with opened(proxy.valkey_url(valkey_url)) as cache:
            for _ in range(3):
                assert await cache.set("a", b"1", 60)
                trouble(proxy)
                before = time.monotonic()
                await asyncio.gather(*(cache.get("a") for _ in range(50)))
                assert time.monotonic() - before < 0.4
                proxy.resume()
                await eventually_async(lambda: is_back(cache))
            assert await cache.get("a") == b"1"


def test_a_connection_reset_under_uvloop_is_a_miss(valkey_url: str):
    """Processes run on uvloop, which has a word of its own, no OSError, for writing to what was closed a moment ago."""

    async def trouble() -> None:
        with Proxy.to_valkey(valkey_url) as proxy:
            async with opened(proxy.valkey_url(valkey_url), rest=0.001) as cache:
                for _ in range(200):
                    calls = [asyncio.create_task(cache.get("a")) for _ in range(8)]
                    await asyncio.to_thread(proxy.reset)
                    await asyncio.gather(*calls)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(trouble())


async def test_a_late_answer_is_never_taken_for_another(valkey_url: str):
    with Proxy.to_valkey(valkey_url) as proxy:
        async with opened(proxy.valkey_url(valkey_url), connections=2, rest=0.001) as cache:
            for number in range(20):
                await cache.set(str(number), str(number).encode(), 60)
            proxy.slow_down(0.06)  # both ways: just over the bound
            await asyncio.gather(*(cache.get(str(number)) for number in range(20)))
            proxy.slow_down(0.0)
            for number in range(20):
                assert await cache.get(str(number)) in (None, str(number).encode())


async def test_after_a_rest_one_caller_tries_and_the_others_do_not_wait(valkey_url: str):
    with Proxy.to_valkey(valkey_url) as proxy:
        async with opened(proxy.valkey_url(valkey_url), rest=0.05) as cache:
            proxy.hang()
            await cache.get("a")
            assert cache.resting
            await eventually_async(lambda: asyncio.sleep(0, not cache.resting))
            first = asyncio.create_task(cache.get("a"))
            await asyncio.sleep(0)
            before = time.monotonic()
            assert await cache.get("a") is None
            assert time.monotonic() - before < 0.05
            assert await first is None


async def test_a_command_the_server_does_not_like_is_a_miss_and_no_outage(valkey_url: str):
    async with opened(valkey_url) as cache:
        await cache.set("a", b"text", 60)
        assert await cache.run(lambda client: client.lpush("a", "x"), None) is None
        assert not cache.resting


async def test_messages_reach_who_listens(valkey_url: str):
    listener: Any = valkey.asyncio.Valkey.from_url(valkey_url)  # pyright: ignore[reportUnknownMemberType]
    async with opened(valkey_url) as cache, listener, listener.pubsub() as subscription:
        await subscription.subscribe("room")
        await eventually_async(lambda: subscription.get_message(timeout=1))
        assert cache.publish("room", b"changed")
        message = await eventually_async(lambda: subscription.get_message(ignore_subscribe_messages=True, timeout=1))
        assert message["data"] == b"changed"


async def test_messages_nobody_can_take_are_dropped_not_heaped(valkey_url: str):
    with Proxy.to_valkey(valkey_url) as proxy:
        proxy.hang()
        async with opened(proxy.valkey_url(valkey_url), backlog=8) as cache:
            before = time.monotonic()
            taken = [cache.publish("room", b"x") for _ in range(1000)]
            assert time.monotonic() - before < 0.5
            assert taken.count(True) == 8


async def test_a_cache_not_open_is_a_miss(tmp_path: Path):
    cache = Valkey(ValkeySettings(f"unix://{tmp_path}/none.sock"))
    assert await cache.get("a") is None
    with pytest.raises(CacheUnavailable, match="closed"):
        await cache.ping()
