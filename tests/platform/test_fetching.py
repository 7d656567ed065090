"""Documents are fetched from where that is allowed only, bounded in bytes and time."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from keepwell.platform.fetching import MOST_BYTES, Fetcher, UnreachableError
from tests.support.leak_reports import Publisher, Signer
from tests.support.listening import end


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """A server that answers with a small document, a large one, a redirect, or none."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        bodies = {b"/small": b'{"a": 1}', b"/large": b'"' + b"x" * MOST_BYTES + b'"', b"/none": b"nothing"}
        if path == b"/away":
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /small\r\nContent-Length: 0\r\n\r\n")
        else:
            body = bodies[path]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await end(server)


async def test_a_small_document_is_read(base: str):
    fetcher = Fetcher(private=True)
    assert await fetcher.json(f"{base}/small") == {"a": 1}
    fetcher.close()


@pytest.mark.parametrize("path", ["large", "away", "none"])
async def test_what_is_too_large_elsewhere_or_no_document_is_not(base: str, path: str):
    fetcher = Fetcher(private=True)
    with pytest.raises(UnreachableError):
        await fetcher.json(f"{base}/{path}")
    fetcher.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://2130706433/",
    ],
)
async def test_private_addresses_are_not_connected_to(url: str):
    fetcher = Fetcher()
    with pytest.raises(UnreachableError):
        await fetcher.json(url)
    fetcher.close()


def test_an_address_must_be_encrypted_and_carry_no_name():
    fetcher = Fetcher()
    assert fetcher.allowed("https://login.example")
    for url in ("http://login.example", "https://me@login.example", "https://", "x", "https://login.example:0", "https://[x"):
        assert not fetcher.allowed(url)
    fetcher.close()


async def test_a_document_is_had_whole():
    fetcher = Fetcher(private=True)
    with Publisher(Signer("one")).serving() as publisher:
        assert await fetcher.document(publisher.url) == publisher.body()
    fetcher.close()


@pytest.mark.parametrize("manner", ["elsewhere", "broken", "endless", "dripping"])
async def test_what_is_slow_large_or_elsewhere_is_not_waited_for(manner: str):
    fetcher = Fetcher(private=True, seconds=0.5, most=100_000)
    with Publisher(Signer("one")).serving() as publisher:
        publisher.manner = manner
        began = monotonic()
        with pytest.raises(UnreachableError):
            await fetcher.document(publisher.url)
        assert monotonic() - began < 5
        assert publisher.asked == 1
    fetcher.close()


async def test_who_sends_drop_by_drop_holds_no_thread():
    """There are few threads: had each drip kept one, the last document would not be had in its time."""
    fetcher = Fetcher(private=True, seconds=0.5)
    with Publisher(Signer("one")).serving() as dripping, Publisher(Signer("two")).serving() as quick:
        dripping.manner = "dripping"
        for _ in range(3):
            slow = [fetcher.document(dripping.url) for _ in range(4)]
            assert [type(each) for each in await asyncio.gather(*slow, return_exceptions=True)] == [UnreachableError] * 4
        assert await fetcher.document(quick.url) == quick.body()
    fetcher.close()


async def test_nobody_there_is_an_error_of_the_same_kind():
    fetcher = Fetcher(private=True, seconds=1)
    with Publisher().serving() as publisher:
        gone = publisher.url
    for address in (gone, "http://"):
        with pytest.raises(UnreachableError):
            await fetcher.document(address)
    fetcher.close()
