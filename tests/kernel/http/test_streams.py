"""Answers that go on for as long as their caller wants."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

from keepwell.kernel.http import Answer, Call, Door, Endpoint, Limits
from tests.kernel.http.conftest import TEAPOT, Held, authenticate
from tests.support.http_server import serving
from tests.support.waiting import eventually_async

TICK = b"data: tick\n\n"


class Source(Held):
    """Where the parts of streams come from. Remembers how many were made, and which streams have ended."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.begun = 0
        self.ended = 0


def source(call: Call) -> Source:
    return cast("Source", call.kernel)


def stream(of: Source, part: bytes, pace: Any) -> AsyncIterator[bytes]:
    async def parts() -> AsyncIterator[bytes]:
        of.begun += 1
        try:
            while True:
                of.made += 1
                yield part
                await pace()
        finally:
            of.ended += 1

    return parts()


async def waiting(call: Call) -> Answer:
    """One part, and then nothing happens."""
    return Answer(body=stream(source(call), TICK, asyncio.Event().wait), content_type="text/event-stream")


async def flood(call: Call) -> Answer:
    """As much as anybody takes."""
    return Answer(body=stream(source(call), b"x" * 100_000, lambda: asyncio.sleep(0)), content_type="text/event-stream")


async def broken(call: Call) -> Answer:
    async def fail() -> None:
        raise KeyError("secret-canary-value")

    return Answer(body=stream(source(call), TICK, fail), content_type="text/event-stream")


async def brief(_: Call) -> Answer:
    async def parts() -> AsyncIterator[bytes]:
        yield TICK
        yield TICK

    return Answer(body=parts(), content_type="text/event-stream")


async def quick(_: Call) -> Answer:
    return Answer(body=b"{}")


def get(path: str, handler: Any, *, streams: bool = True) -> Endpoint:
    return Endpoint(
        "GET", path, handler, path, "Streams", public=True, media="text/event-stream", streams=streams, problems=(TEAPOT,)
    )


ENDPOINTS = (
    get("/waiting", waiting),
    get("/flood", flood),
    get("/broken", broken),
    get("/brief", brief),
    get("/quick", quick, streams=False),
)


@pytest.fixture
def made() -> Source:
    return Source()


@pytest.fixture
async def base(made: Source) -> AsyncIterator[str]:
    door = Door(cast("Any", made), authenticate, ENDPOINTS, limits=Limits(in_flight=2))
    async with serving(door) as address:
        yield address


@pytest.fixture
async def http(base: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base, timeout=10) as client:
        yield client


async def until(made: Source, ended: int) -> None:
    async def look() -> bool:
        return made.ended == ended

    await eventually_async(look, 5)


async def test_what_makes_the_parts_ends_when_the_caller_leaves(http: httpx.AsyncClient, made: Source):
    async with http.stream("GET", "/waiting") as answer:
        assert await anext(answer.aiter_raw()) == TICK
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert made.ended == 0
    await until(made, 1)
    assert made.made == 1


async def test_a_caller_that_leaves_while_it_reads_nothing_is_noticed_too(base: str, made: Source):
    host, port = base.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1)
    writer.write(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    still = -1
    async with asyncio.timeout(10):
        while made.made == 0 or still != made.made:
            still = made.made
            await asyncio.sleep(0.1)  # the time in which it would have made more
    assert made.made < 1_000, "nobody reads, and it goes on"
    writer.transport.abort()
    await until(made, 1)


async def test_an_answer_with_an_end_of_its_own_comes_whole(http: httpx.AsyncClient):
    for _ in range(2):  # over one connection
        assert (await http.get("/brief")).content == TICK + TICK


async def test_a_bug_in_the_middle_breaks_the_answer_off(http: httpx.AsyncClient, made: Source):
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        await http.get("/broken")
    assert (made.begun, made.ended) == (1, 1)
    assert (await http.get("/quick")).status_code == 200


async def test_streams_are_not_among_the_requests_in_flight(base: str, http: httpx.AsyncClient, made: Source):
    """More of them than the door lets in at once, and others are still served."""
    open_ones: list[asyncio.StreamWriter] = []
    host, port = base.removeprefix("http://").split(":")
    for number in range(5):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /waiting HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"data: tick" in await reader.readuntil(b"data: tick\n\n")
        open_ones.append(writer)
        assert made.begun == number + 1
    assert (await http.get("/quick")).status_code == 200
    for writer in open_ones:
        writer.close()
    await until(made, 5)
    assert (await http.get("/quick")).status_code == 200


async def test_head_of_a_stream_ends_at_once(http: httpx.AsyncClient, made: Source):
    async with asyncio.timeout(5):
        answer = await http.head("/waiting")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"
    assert "content-length" not in answer.headers
    assert made.begun == made.ended
    assert (await http.get("/quick")).status_code == 200


async def test_a_stream_is_never_compressed(made: Source):
    """Whatever its endpoint says: what several people say would be each other's context."""
    [endpoint] = [get("/waiting", waiting)]
    with_wish = Endpoint("GET", "/waiting", waiting, "Wait", "Streams", public=True, streams=True, compressed=True)
    for each in (endpoint, with_wish):
        async with serving(Door(cast("Any", made), authenticate, [each])) as base, httpx.AsyncClient(base_url=base) as http:
            headers = {"accept-encoding": "zstd, br, gzip"}
            async with asyncio.timeout(5), http.stream("GET", "/waiting", headers=headers) as answer:
                assert await anext(answer.aiter_raw()) == TICK
                assert answer.headers.keys().isdisjoint({"content-encoding", "vary"})
