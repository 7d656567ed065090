"""A crowd of WebSocket clients in one process, each as thin as can be: what is measured is the server."""

import asyncio
import base64
import os
import re
from collections.abc import Callable
from time import perf_counter_ns
from typing import cast

_VERSION = re.compile(rb'"version":([0-9]+)')
_MARK = re.compile(rb"@([0-9]+)@")
_MASK = b"\0\0\0\0"  # RFC 6455 wants one; zeros cost nothing to apply


class Client(asyncio.Protocol):
    """One connection. `delivered` is called with the nanoseconds that each marked message took from its sender to here."""

    def __init__(self, path: str, token: str, delivered: Callable[[int], None]) -> None:
        self.version = 0
        """The highest version it was told of."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._path = path
        self._token = token
        self._delivered = delivered
        self._buffer = bytearray()
        self._shaken = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {self._path} HTTP/1.1",
            "host: bench",
            "upgrade: websocket",
            "connection: upgrade",
            "sec-websocket-version: 13",
            f"sec-websocket-key: {key}",
            f"authorization: Bearer {self._token}",
        ]
        self._transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._shaken:
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self.ready.set_exception(RuntimeError(head[:200].decode("latin-1")))
                return
            self._shaken, self._buffer = True, bytearray(rest)
            self.ready.set_result(None)
        while (message := self._next()) is not None:
            self._hear(message)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed"))
        self._transport = None

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def send(self, text: bytes) -> None:
        """Sends a message of at most 65,535 bytes."""
        if self._transport is not None:
            size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
            self._transport.write(b"\x81" + size + _MASK + text)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> bytes | None:
        """The next whole message; pings are answered on the way."""
        while len(self._buffer) >= 2:
            kind, size, start = self._buffer[0] & 0x0F, self._buffer[1] & 0x7F, 2
            if size > 125:
                start = 4 if size == 126 else 10
                size = int.from_bytes(self._buffer[2:start], "big") if len(self._buffer) >= start else 2**62
            if len(self._buffer) < start + size:
                return None
            payload = bytes(self._buffer[start : start + size])
            del self._buffer[: start + size]
            if kind == 1:
                return payload
            if kind == 9 and self._transport is not None:
                self._transport.write(b"\x8a" + bytes([0x80 | len(payload)]) + _MASK + payload)
        return None

    def _hear(self, message: bytes) -> None:
        now = perf_counter_ns()
        if (found := _VERSION.search(message)) is not None:
            self.version = max(self.version, int(found[1]))
        if (mark := _MARK.search(message)) is not None:
            self._delivered(now - int(mark[1]))


async def connected(url: str, path: str, token: str, delivered: Callable[[int], None]) -> Client:
    """A client in the room at `path`."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(path, token, delivered), host, int(port))
    await client.ready
    return client
