"""Messages between processes through Valkey: quick, and never to be relied on. Whoever must not miss anything asks the database.

What a process publishes it does not hear itself. When the connection was lost, or may have been, every listener is told that it
may have missed something.
"""

import asyncio
import time
from collections.abc import Callable
from secrets import token_bytes
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from keepwell.platform.telemetry import describe
from keepwell.platform.valkey import FAILURES, Valkey, end

_NAME_BYTES = 8
_PING_SECONDS = 1.0
_SILENT_SECONDS = 4.0
_HEARD = Counter("keepwell_bus_heard", "Messages heard from other processes")
_UP = Gauge("keepwell_bus_up", "1 while messages of other processes can be heard")
_log = structlog.stdlib.get_logger("keepwell.bus")


class Listener:
    """Who listens on a channel: `heard` gets each message, `missed` is called when some may have been lost. Neither may wait."""

    def __init__(self, heard: Callable[[bytes], None], missed: Callable[[], None]) -> None:
        self.heard = heard
        self.missed = missed


class Bus:
    """One process's end. Without a listener it only speaks, and needs no connection of its own."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._name = token_bytes(_NAME_BYTES)
        self._listeners: dict[str, Listener] = {}
        self._task: asyncio.Task[None] | None = None
        self.well = False
        """Whether other processes are heard now."""

    def listen(self, channel: str, heard: Callable[[bytes], None], missed: Callable[[], None]) -> None:
        """Listens on a channel from `open` on."""
        self._listeners[channel] = Listener(heard, missed)

    def publish(self, channel: str, message: bytes) -> bool:
        """Hands a message over, to be sent as soon as may be; False when it had to be dropped."""
        return self._valkey.publish(channel, self._name + message)

    async def open(self) -> None:
        if self._listeners:
            self._task = asyncio.create_task(self._keep_listening(), name="bus")

    async def close(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            await end(task)

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._listen()
            except FAILURES as failure:
                if self.well:
                    _log.warning("bus.down", error=type(failure).__qualname__)
            except Exception as error:  # noqa: BLE001 - a listener's fault must not end the listening
                _log.error("bus.listener-failed", **describe(error))
            self._set_well(well=False)
            await asyncio.sleep(self._valkey.settings.rest)

    async def _listen(self) -> None:
        # Every wait is bounded by the client's own time-outs: one of ours would cut it off in the middle of connecting.
        client = self._valkey.connect()
        pubsub: Any = client.pubsub(ignore_subscribe_messages=True)
        try:
            await pubsub.subscribe(*self._listeners)
            self._set_well(well=True)
            for listener in self._listeners.values():
                listener.missed()
            await self._hear(pubsub)
        finally:
            await pubsub.aclose()
            await client.aclose()

    async def _hear(self, pubsub: Any) -> None:
        """Hears until the connection ends, or nothing at all comes any more, not even the echo of a ping."""
        heard = pinged = time.monotonic()
        while True:
            message = await pubsub.get_message(timeout=_PING_SECONDS)
            now = time.monotonic()
            if message is not None:
                heard = now
                if message["type"] == "message":
                    self._tell(message["channel"].decode(), message["data"])
            if now - heard > _SILENT_SECONDS:
                raise TimeoutError
            if now - pinged > _PING_SECONDS:
                pinged = now
                await pubsub.ping()

    def _tell(self, channel: str, message: bytes) -> None:
        listener = self._listeners.get(channel)
        if listener is not None and message[:_NAME_BYTES] != self._name:
            _HEARD.inc()
            listener.heard(message[_NAME_BYTES:])

    def _set_well(self, *, well: bool) -> None:
        self.well = well
        _UP.set(well)
