"""Serving HTTP in this process: uvicorn on uvloop, stopped by SIGINT or SIGTERM, requests in flight finished first."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Generator
from math import ceil

import uvicorn

from keepwell.kernel.http import Door
from keepwell.kernel.http.connection import Connection, configured
from keepwell.platform.program import settle
from keepwell.platform.settings import Settings

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 65
"""Longer than the minute that load balancers keep an idle connection: the one that reuses it must not be the one that closes."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class AddressInUseError(Exception):
    """Somebody listens on the port already, or the address is not this machine's."""


class Server(uvicorn.Server):
    """One HTTP server. `ready` is called once when it accepts requests, `leaving` when it is told to stop."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._leaving = leaving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.should_exit:
            # Told to stop while it started: uvicorn would leave at once, and cut off whoever was taken in meanwhile.
            await self.shutdown(sockets)
        elif self.started:
            settle()
            self._ready()

    async def stand_in(self, listener: socket.socket) -> asyncio.AbstractServer | None:
        """Accepts connections from one more listening socket too, until the result is closed. None while not serving itself."""
        if not self.started or self.should_exit:
            return None

        def connection() -> Connection:
            return Connection(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        return await asyncio.get_running_loop().create_server(connection, sock=listener.dup(), backlog=BACKLOG)

    def stop(self) -> None:
        """Accepts nothing more and finishes what runs; called twice, no longer waits for it."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._leaving()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leaves signals to `stopping_on_signals`: uvicorn would raise them again after its own end and cut ours short."""
        yield


def server(door: Door, settings: Settings, ready: Callable[[], None], leaving: Callable[[], None] = lambda: None) -> Server:
    """A server for this application, not yet listening."""
    config = configured(
        door,
        lifespan="on",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=ceil(settings.shutdown_grace_s),
    )
    return Server(config, ready, leaving)


@contextlib.contextmanager
def stopping_on_signals(stop: Callable[[], None], *, ignore_interrupt: bool = False) -> Generator[None]:
    """While inside, SIGTERM and SIGINT call `stop`. A child ignores SIGINT: a terminal sends it to all, the parent decides."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        if ignore_interrupt and number == signal.SIGINT:
            signal.signal(number, signal.SIG_IGN)
        else:
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """`count` sockets bound to one port, one for each process; the system spreads connections over them.

    The parent keeps all of them open, so connections that wait for a process that died are still there for its successor.
    Only Linux spreads; elsewhere all processes share one socket.

    Raises:
        AddressInUseError: the port cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        first = _bound(family, address)  # without SO_REUSEPORT, which would let us in beside a stranger
        if count == 1 or sys.platform != "linux":
            return [first] * count
        address = first.getsockname()
        first.close()
        return [_bound(family, address, shared=True) for _ in range(count)]
    except OSError as error:
        raise AddressInUseError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None


def _bound(family: int, address: tuple[object, ...], *, shared: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
