"""Servers of a test's own loop, or of one beside it, that leave no connection open when they end."""

import asyncio
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from threading import Thread
from typing import Protocol, TypeVar

T = TypeVar("T")


class _Listener(Protocol):
    def fileno(self) -> int: ...


async def accept_no_more(sockets: Iterable[_Listener]) -> None:
    """Lets connections that were accepted a moment ago begin, and accepts no other.

    asyncio makes a task of each; one that begins after its server was closed leaves its transport open until it is collected,
    in whichever test that is.
    """
    loop = asyncio.get_running_loop()
    for each in sockets:
        loop.remove_reader(each.fileno())
    await asyncio.sleep(0)


async def end(server: asyncio.Server) -> None:
    """Closes a server, and loses nobody it has accepted."""
    await accept_no_more(server.sockets)
    server.close()


@contextmanager
def beside(serving: AbstractAsyncContextManager[T]) -> Generator[T]:
    """What serves, in a loop and a thread of its own, for tests without a loop. What is under way in the end is cut off."""
    begun: Future[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        async with serving as one:
            begun.set_result((one, asyncio.get_running_loop(), over))
            await over.wait()

    thread = Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    one, loop, over = begun.result(10)
    try:
        yield one
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
