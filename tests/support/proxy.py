"""A proxy between a client and PostgreSQL or Valkey that a test makes slow, silent, closed or rude.

Runs in a thread of its own, so that it goes on whatever the test's own loop is doing. Every control takes effect for open
connections as well as for new ones, and has taken effect when it returns.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.listening import end

_CHUNK = 65_536


class Proxy:
    """Listens on a free TCP port of 127.0.0.1 and forwards to `target`, a Unix socket's path or a (host, port)."""

    def __init__(self, target: str | tuple[str, int]) -> None:
        self._target = target
        self._latency = 0.0
        self._open = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.connections = 0
        self.host, self.port = "127.0.0.1", 0

    @classmethod
    def to_postgres(cls, url: str) -> Self:
        """For the server of `url`, which must name its socket folder as `?host=`."""
        folder = unquote(parse_qs(urlsplit(url).query)["host"][0])
        return cls(f"{folder}/.s.PGSQL.5432")

    @classmethod
    def to_valkey(cls, url: str) -> Self:
        return cls(urlsplit(url).path)

    def postgres_url(self, url: str) -> str:
        """`url` with this proxy in between."""
        parts = urlsplit(url)
        return f"postgresql://{parts.username}@{self.host}:{self.port}{parts.path}?sslmode=disable"

    def valkey_url(self, url: str) -> str:
        parts = urlsplit(url)
        return f"valkey://{self.host}:{self.port}?{parts.query}"

    def slow_down(self, seconds: float) -> None:
        """Every packet, either way, takes this much longer."""
        self._latency = seconds

    def hang(self) -> None:
        """Connections are accepted and stay open; nothing gets through any more."""
        self._run(self._set_open(is_open=False))

    def resume(self) -> None:
        """What was held back gets through; slowness ends; new connections are taken."""
        self._latency = 0.0
        self._run(self._set_open(is_open=True))
        self._run(self._listen())

    def refuse(self) -> None:
        """New connections are refused; open ones go on."""
        self._run(self._stop_listening())

    def reset(self) -> None:
        """Open connections break at once (RST); new ones are taken as before."""
        self._run(self._reset())

    def cut(self) -> None:
        """The server is gone: open connections break, new ones are refused."""
        self.refuse()
        self.reset()

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._set_open(is_open=True))
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop_listening())
        self._run(self._reset())
        self._run(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set_open(self, *, is_open: bool) -> None:
        if is_open:
            self._open.set()
        else:
            self._open.clear()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            await end(server)

    async def _reset(self) -> None:
        for writer in list(self._writers):
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.family == socket.AF_INET:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._writers.clear()

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        if (accepting := asyncio.current_task()) is not None:  # while nothing gets through it waits here, maybe to the end
            self._tasks.add(accepting)
            accepting.add_done_callback(self._tasks.discard)
        try:
            await self._open.wait()
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        try:
            if isinstance(self._target, str):
                far_reader, far_writer = await asyncio.open_unix_connection(self._target)
            else:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(far_writer)
        for way in (self._forward(reader, far_writer), self._forward(far_reader, writer)):
            task = asyncio.ensure_future(way)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each packet leaves `latency` after it came, however many are on the way."""
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sender = asyncio.ensure_future(self._send(due, writer))
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(_CHUNK):
                    due.put_nowait((self._loop.time() + self._latency, data))
            due.put_nowait((self._loop.time() + self._latency, b""))
            await sender
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            sender.cancel()
            self._writers.discard(writer)

    async def _send(self, due: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                moment, data = await due.get()
                await asyncio.sleep(max(0.0, moment - self._loop.time()))
                await self._open.wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
