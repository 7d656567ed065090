"""Messages between processes: heard by the others while all is well, and known to be lost when it was not."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from keepwell.platform.bus import Bus
from keepwell.platform.valkey import Valkey, ValkeySettings
from tests.support.cluster import Cluster
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async


class Ear:
    """What a listener was told. Channels are shared with other tests: each has its own."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.heard: list[bytes] = []
        self.missed = 0

    def listen(self, bus: Bus) -> None:
        bus.listen(self.channel, self.heard.append, self._miss)

    def _miss(self) -> None:
        self.missed += 1


@asynccontextmanager
async def opened(url: str, *ears: Ear) -> AsyncGenerator[Bus]:
    cache = Valkey(ValkeySettings(url, timeout=1.0, rest=0.05))
    bus = Bus(cache)
    for ear in ears:
        ear.listen(bus)
    async with AsyncExitStack() as stack:
        await cache.open()
        stack.push_async_callback(cache.close)
        await bus.open()
        stack.push_async_callback(bus.close)
        yield bus


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await eventually_async(holds)


async def test_each_listener_hears_its_channel_and_nobody_hears_himself(valkey_url: str):
    one, other, speaker = Ear("bus-one"), Ear("bus-other"), Ear("bus-one")
    async with opened(valkey_url, one, other) as listening, opened(valkey_url, speaker) as speaking:
        await until(lambda: listening.well and speaking.well)
        for number in range(100):
            assert speaking.publish("bus-one", b"%d" % number)
        await until(lambda: len(one.heard) == 100)
        assert one.heard == [b"%d" % number for number in range(100)]
        assert other.heard == []
        assert speaker.heard == []


async def test_a_listener_is_told_that_it_may_have_missed_something_each_time_it_connects(cluster: Cluster):
    ear = Ear("bus-missed")
    with Proxy.to_valkey(cluster.servers.valkey_url) as proxy:
        async with opened(proxy.valkey_url(cluster.servers.valkey_url), ear) as bus:
            await until(lambda: bus.well and ear.missed == 1)
            proxy.cut()
            await until(lambda: not bus.well)
            proxy.resume()
            await until(lambda: bus.well and ear.missed == 2)


@pytest.mark.parametrize("trouble", [Proxy.cut, Proxy.hang], ids=["cut", "hang"])
async def test_a_server_that_is_away_is_found_when_it_returns(cluster: Cluster, trouble: Callable[[Proxy], None]):
    ear = Ear("bus-away")
    with Proxy.to_valkey(cluster.servers.valkey_url) as proxy:
        async with opened(proxy.valkey_url(cluster.servers.valkey_url), ear) as bus:
            await until(lambda: bus.well)
            trouble(proxy)
            await until(lambda: not bus.well)
            proxy.resume()
            await until(lambda: bus.well)
            async with opened(cluster.servers.valkey_url) as other:
                # A connection may still end that began while nothing got through.
                await until(lambda: other.publish(ear.channel, b"are you there?") and bool(ear.heard))


async def test_what_was_handed_over_is_sent_before_closing(valkey_url: str):
    ear = Ear("bus-last-words")
    async with opened(valkey_url, ear) as listening:
        await until(lambda: listening.well)
        async with opened(valkey_url) as speaking:
            for number in range(20):
                speaking.publish(ear.channel, b"%d" % number)
        await until(lambda: len(ear.heard) == 20)
