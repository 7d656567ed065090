"""Valkey (or Redis): everything in it may be lost, so every call is bounded and a failure is a miss, never an exception.

After a failure the server is left alone for a while: while it is down or hanging, callers get their miss at once instead of
each waiting for the same nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
import structlog
import valkey.asyncio
from prometheus_client import Counter, Gauge
from valkey.exceptions import ResponseError, ValkeyError

Found = TypeVar("Found")
Client = Any
"""A valkey-py asyncio client. Its published types leave most results open, so it is opaque to the type checker."""

_SCHEMES = {"redis": "valkey", "rediss": "valkeys"}
FAILURES = (
    ValkeyError,
    OSError,
    TimeoutError,
    RuntimeError,  # uvloop's word for writing to a connection that ended a moment ago
)
"""What calls to valkey-py end with while the server or the way to it is in trouble."""

_CANCEL_AGAIN_S = 0.05

CALLS = Counter("keepwell_cache_calls", "Calls to the cache: answered, failed, or not made because it just failed", ["outcome"])
PUBLISHED = Counter("keepwell_cache_messages", "Messages to other nodes: sent, or dropped", ["outcome"])
UP = Gauge("keepwell_cache_up", "1 while the last call to the cache was answered")

_log = structlog.get_logger("keepwell.valkey")


class CacheUnavailable(Exception):  # noqa: N818 - it reports a state of the world, not an error of the program
    """The server does not answer. Only `ping` says so; everything else is a miss."""


class ValkeySettings(msgspec.Struct, frozen=True):
    """How a process connects. `timeout` bounds each call, `rest` is how long a failed server is left alone; in seconds.

    `backlog` is how many messages may wait to be published; more are dropped.
    """

    url: str
    timeout: float = 0.1
    rest: float = 1.0
    connections: int = 16
    backlog: int = 1024


class Valkey:
    """A connection pool with a breaker in front. Connects when first used."""

    def __init__(self, settings: ValkeySettings) -> None:
        self.settings = settings
        self._client: Client = None
        self._resting_until = 0.0
        self._probing = False
        self._outbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(settings.backlog)
        self._publisher: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Makes ready. A server that is away is no failure here."""
        self._client = self.connect()
        self._publisher = asyncio.create_task(self._publish_all(), name="valkey-publisher")

    def connect(self) -> Client:
        """A client with connections of its own, for the caller to close."""
        settings = self.settings
        pool_class: Any = valkey.asyncio.BlockingConnectionPool
        pool = pool_class.from_url(
            _with_own_scheme(settings.url),
            max_connections=settings.connections,
            timeout=settings.timeout,
            socket_timeout=settings.timeout,
            socket_connect_timeout=settings.timeout,
            lib_name=None,
            lib_version=None,
        )
        return valkey.asyncio.Valkey.from_pool(pool)

    async def close(self) -> None:
        """Publishes what waits, for as long as one call may take, and closes all connections."""
        if self._publisher is not None:
            publisher, self._publisher = self._publisher, None
            if self.well:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.settings.timeout):
                        await self._outbox.join()
            await end(publisher)
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    @property
    def resting(self) -> bool:
        """Whether the server failed and is being left alone: calls miss at once."""
        return time.monotonic() < self._resting_until

    @property
    def well(self) -> bool:
        """Whether the last call was answered, so that the next may be expected to be. False while it rests or is tried again."""
        return self._client is not None and not self._resting_until

    async def run(self, work: Callable[[Client], Awaitable[Found]], otherwise: Found) -> Found:
        """What `work` returns, or `otherwise` when the server is down, slow, or was so a moment ago."""
        if self._client is None or self.resting or self._probing:
            CALLS.labels("skipped").inc()
            return otherwise
        # After a rest one caller tries; the others miss until it is known whether the server is back.
        self._probing = self._resting_until > 0
        try:
            found = await self._bounded(work)
        except ResponseError as refusal:  # it is there, and did not like this one command
            CALLS.labels("failed").inc()
            _log.warning("cache.refused", error=type(refusal).__qualname__)
            return otherwise
        except FAILURES as failure:
            self._rest(failure)
            return otherwise
        finally:
            self._probing = False
        self._recover()
        return found

    async def get(self, key: str) -> bytes | None:
        """The value, or None: it is not there, or the server is not."""
        return await self.run(lambda client: client.get(key), None)

    async def set(self, key: str, value: bytes, lifetime_s: float) -> bool:
        """Stores a value for a while. Whether it did."""
        return bool(await self.run(lambda client: client.set(key, value, px=max(1, int(lifetime_s * 1000))), otherwise=False))

    async def delete(self, *keys: str) -> bool:
        """Takes values away. False: the server could not be told, and may still hold them."""
        return await self.run(lambda client: client.delete(*keys), None) is not None

    async def ping(self) -> None:
        """Asks the server itself, whatever the breaker says.

        Raises:
            CacheUnavailable: no answer in time.
        """
        if self._client is None:
            raise CacheUnavailable("closed")
        try:
            await self._bounded(lambda client: client.ping())
        except FAILURES as failure:
            self._rest(failure)
            raise CacheUnavailable("unreachable") from failure
        self._recover()

    def publish(self, channel: str, message: bytes) -> bool:
        """Hands a message over to be published as soon as may be; returns at once. False: too many wait, it was dropped.

        Nothing is promised: who must not miss a message reads the journal.
        """
        try:
            self._outbox.put_nowait((channel, message))
        except asyncio.QueueFull:
            PUBLISHED.labels("dropped").inc()
            return False
        return True

    async def _publish_all(self) -> None:
        while True:
            channel, message = await self._outbox.get()
            receivers = await self.run(lambda client, to=channel, what=message: client.publish(to, what), None)
            PUBLISHED.labels("dropped" if receivers is None else "sent").inc()
            self._outbox.task_done()

    async def _bounded(self, work: Callable[[Client], Awaitable[Found]]) -> Found:
        async with asyncio.timeout(self.settings.timeout):
            return await work(self._client)

    def _rest(self, failure: Exception) -> None:
        CALLS.labels("failed").inc()
        UP.set(0)
        if not self._resting_until:
            _log.warning("cache.down", error=type(failure).__qualname__)
        self._resting_until = time.monotonic() + self.settings.rest

    def _recover(self) -> None:
        CALLS.labels("answered").inc()
        UP.set(1)
        if self._resting_until:
            _log.info("cache.up")
            self._resting_until = 0.0


async def end(task: asyncio.Task[None]) -> None:
    """Cancels a task that makes calls until it has ended: a cancellation that comes while valkey-py connects is lost in there."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)


def _with_own_scheme(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{_SCHEMES.get(scheme, scheme)}{separator}{rest}"
