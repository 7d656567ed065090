"""Servers of tests leave nothing open behind them."""

import asyncio
from socket import create_connection

from tests.support.listening import end


async def test_whoever_was_accepted_before_a_server_ends_is_served():
    served = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with create_connection(server.sockets[0].getsockname()[:2]):
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # accepted by now, and its task not yet begun
        await end(server)
        async with asyncio.timeout(10):
            await served.wait()
