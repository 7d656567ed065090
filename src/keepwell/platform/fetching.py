"""Small documents from servers that a clinic or the operator names: bounded in bytes and time, without redirects.

Those of clinics over TLS and from public addresses only. A name is resolved once and that address is connected to, so that it
cannot lead elsewhere between the check and the use.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from keepwell.platform.probing import forbidden

MOST_BYTES = 256_000
SECONDS = 5.0
_THREADS = 4


class UnreachableError(Exception):
    """It did not answer with a document we could read."""


class ForbiddenAddressError(UnreachableError):
    """The address is none that we connect to."""


class Reply(msgspec.Struct, frozen=True):
    """What a server said: its status, headers by lower-case name, and its content, cut behind the most that is wanted."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Fetcher:
    """Fetches, each document within `seconds`, so many at once as there are `threads`. `private`: this machine and private
    networks are allowed too, and `http`: for what the operator names, and for trying things out.
    """

    def __init__(
        self, *, private: bool = False, seconds: float = 2 * SECONDS, most: int = MOST_BYTES, threads: int = _THREADS
    ) -> None:
        self._private = private
        self._seconds = seconds
        self._most = most
        self._context = ssl.create_default_context()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")

    def allowed(self, url: str) -> bool:
        """Whether an address has the form of one that we would connect to."""
        parts = _split(url)
        return parts is not None and (parts.scheme == "https" or (self._private and parts.scheme == "http"))

    async def json(self, url: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Any:
        """What the document at an address says, or what a form sent there is answered with.

        Raises:
            UnreachableError: there is none, or it is not JSON.
        """
        try:
            return msgspec.json.decode(await self.document(url, body, headers))
        except ValueError as error:
            raise UnreachableError from error

    async def document(self, url: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> bytes:
        """As `json`, in the bytes it came in.

        Raises:
            UnreachableError: there is none.
        """
        reply = await self.exchange(url, body, headers)
        if reply.status != 200 or len(reply.content) > self._most:
            raise UnreachableError
        return reply.content

    async def exchange(self, url: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Reply:
        """What a server says to a GET, or to a POST of a body, whatever its status is.

        Raises:
            UnreachableError: it said nothing that could be read.
        """
        connected: list[socket.socket] = []
        try:
            async with asyncio.timeout(self._seconds):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._pool, self._fetch, url, body, headers, connected)
        except (OSError, HTTPException, ValueError) as error:
            raise UnreachableError from error
        finally:
            for each in connected:  # a server that sends drop by drop would hold the thread for as long as it likes
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Lets threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, url: str, body: bytes | None, headers: Mapping[str, str], connected: list[socket.socket]) -> Reply:
        parts = _split(url)
        if parts is None or not self.allowed(url):
            raise ForbiddenAddressError
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        connection = HTTPConnection(host, port, timeout=SECONDS)
        try:
            connection.sock = socket.create_connection((self._address(host, port), port), SECONDS)
            if secure:
                connection.sock = self._context.wrap_socket(connection.sock, server_hostname=host)
            connected.append(connection.sock)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET" if body is None else "POST", path, body, {"Accept": "application/json", **headers})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read(self._most + 1))
        finally:
            connection.close()

    def _address(self, host: str, port: int) -> str:
        found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if not self._private and any(forbidden(ip_address(each.partition("%")[0])) for each in found):
            raise ForbiddenAddressError
        return found[0]


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        return None
    return parts if usable else None
