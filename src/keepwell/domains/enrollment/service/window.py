"""Parts of one batch run beside each other: while the database writes one, the next is decided."""

import asyncio
from collections.abc import Coroutine
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Any, Self
from uuid import UUID

WIDTH = 3
"""How many parts of a batch are under way at once: one is decided, one is written, one waits for its turn."""


class Window:
    """What is under way. Parts that name the same person never are at the same time: what came of one decides about the other."""

    def __init__(self, width: int = WIDTH) -> None:
        self._width = width
        self._under_way: dict[asyncio.Task[None], AbstractSet[UUID]] = {}

    async def begin(self, people: AbstractSet[UUID], part: Coroutine[Any, Any, None]) -> None:
        """Begins a part that names these people, as soon as there is room for it. Raises what one under way has raised."""
        try:
            while len(self._under_way) >= self._width or not all(map(people.isdisjoint, self._under_way.values())):
                await self._next()
        except BaseException:
            part.close()
            raise
        self._under_way[asyncio.create_task(part, name="enrollment part")] = people

    async def _next(self) -> None:
        done, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del self._under_way[task]
        for task in done:
            task.result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Waits for what is under way; who is cancelled cancels it. What made the block fail counts before what fails in it."""
        if isinstance(error, asyncio.CancelledError):
            for task in self._under_way:
                task.cancel()
        if error is not None:
            await asyncio.gather(*self._under_way, return_exceptions=True)
            return
        try:
            while self._under_way:
                await self._next()
        except BaseException:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            raise
