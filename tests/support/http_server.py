"""Serves an ASGI application on a real socket, inside the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from keepwell.kernel.http import Door
from keepwell.kernel.http.connection import configured
from tests.support.declared import Declared
from tests.support.listening import accept_no_more
from tests.support.waiting import eventually_async

App = Callable[[Any, Any, Any], Awaitable[None]]


@asynccontextmanager
async def serving(app: App, lifespan: str = "on", **more: Any) -> AsyncGenerator[str]:
    """Yields the base address, such as `http://127.0.0.1:40123`; stops the server afterwards. `more` is for `uvicorn.Config`.

    A door that answered what its endpoints do not declare fails the test at its end.
    """
    declared = Declared(app) if isinstance(app, Door) else None
    async with listening(
        uvicorn.Server(configured(declared or app, lifespan=lifespan, timeout_graceful_shutdown=5, **more))
    ) as base:
        yield base
    assert declared is None or not declared.surprises, f"not in the document: {', '.join(declared.surprises)}"


@asynccontextmanager
async def listening(server: uvicorn.Server) -> AsyncGenerator[str]:
    """As `serving`, for a server that somebody else set up."""
    # asyncio turns Nagle's algorithm off only on sockets that say TCP, and connections take over what their listener says.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    running = asyncio.create_task(server.serve(sockets=[listener]))

    async def ready() -> bool:
        return server.started or running.done()

    await eventually_async(ready, 20)
    if running.done():
        running.result()
        raise RuntimeError("the server ended before it began")
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await accept_no_more([listener])
        server.should_exit = True
        async with asyncio.timeout(20):
            await running


async def raw_exchange(base: str, data: bytes, seconds: float = 5) -> bytes:
    """Sends bytes as they are and returns everything that comes back until the server closes, or `seconds` pass."""
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    received = b""
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(seconds):
            while chunk := await reader.read(65_536):
                received += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return received
