"""Callers that send slowly, too much, or go on after they were answered. The clock is shortened, not mocked."""

import asyncio

import pytest

from keepwell.kernel.http import connection
from tests.support.http_server import raw_exchange

LOGIN = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ALIVE = b"GET /alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def test_a_head_that_does_not_end_is_given_up(base: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    for started in (b"", b"GET /alive HTTP/1.1\r\nHost:"):
        async with asyncio.timeout(5):
            assert await raw_exchange(base, started) == b""


async def test_a_second_head_that_does_not_end_is_given_up_too(base: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    async with asyncio.timeout(5):
        received = await raw_exchange(base, b"GET /alive HTTP/1.1\r\nHost: x\r\n\r\nGET /al")
    assert received.startswith(b"HTTP/1.1 200")


async def test_a_body_that_stops_is_408(base: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.1)
    async with asyncio.timeout(5):
        received = await raw_exchange(base, LOGIN + b'Content-Length: 100\r\n\r\n{"name"')
    assert received.startswith(b"HTTP/1.1 408")
    assert b'"code":"request-timeout"' in received


async def test_a_slow_body_is_waited_for_while_enough_comes(base: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(connection, "BODY_BYTES", 1)
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b'{"name": "slow"}'
    writer.write(LOGIN + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
    for at in range(len(body)):
        writer.write(body[at : at + 1])
        await asyncio.sleep(0.05)  # the pace of the caller, not a wait for anything
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 201")
    writer.close()


async def test_the_rest_of_a_refused_body_is_thrown_away_and_the_connection_goes_on(base: str):
    received = await raw_exchange(base, LOGIN + b"Content-Length: 5000000\r\n\r\n" + b" " * 5_000_000 + ALIVE)
    assert received.startswith(b"HTTP/1.1 413")
    assert received.count(b"HTTP/1.1 200") == 1


async def test_but_not_without_end(base: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "DISCARD_BYTES", 1_000_000)
    head = LOGIN + b"Content-Length: 50000000\r\n\r\n"
    async with asyncio.timeout(10):
        assert b" 200 " not in await raw_exchange(base, head + b" " * 50_000_000 + ALIVE)


async def test_nor_for_ever(base: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "DISCARD_SECONDS", 0.1)
    async with asyncio.timeout(5):
        received = await raw_exchange(base, LOGIN + b"Content-Length: 5000000\r\n\r\n" + b" " * 2_000_000)
    assert received.startswith(b"HTTP/1.1 413")


async def test_requests_sent_at_once_are_answered_in_order(base: str):
    get = b"GET /v1/origin HTTP/1.1\r\nHost: x\r\nX-Request-ID: %s\r\n\r\n"
    received = await raw_exchange(base, get % b"one" + get % b"two" + ALIVE)
    assert received.index(b"x-request-id: one") < received.index(b"x-request-id: two")
    assert received.count(b"HTTP/1.1 200") == 3
