"""Waiting for what another process or task does: looks often, gives up at a deadline, and says what it waited for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], seconds: float = 15) -> T:
    """The first true answer of `look`.

    Raises:
        AssertionError: there was none within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {seconds} s: {getattr(look, '__name__', look)}"
        time.sleep(0.02)


async def eventually_async(look: Callable[[], Awaitable[T]], seconds: float = 15) -> T:
    """As `eventually`, for answers that must be awaited."""
    deadline = time.monotonic() + seconds
    while True:
        seen = await look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {seconds} s: {getattr(look, '__name__', look)}"
        await asyncio.sleep(0.02)
