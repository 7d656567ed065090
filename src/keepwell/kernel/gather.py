"""Gathering: whatever arrives while one batch runs is the next batch. No delay is ever added.

One lane serves all tenants, round-robin, so that a quiet tenant never waits behind a busy one's queue. The queue is bounded
by what the lane lately managed within the tolerated wait; beyond it callers are told at once to come back.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from time import monotonic
from typing import Any, Generic, TypeVar
from uuid import UUID

from keepwell.kernel import metrics

_SWEEP_SECONDS = 0.1
_SMOOTHING = 0.2


class OverloadedError(Exception):
    """The queue is full, or an item waited longer than is tolerated. Nothing was done for it."""


class Gatherable:
    """Something a lane can carry: it belongs to a tenant, weighs as much as it has commands, and gets one result."""

    __slots__ = ("future", "since", "tenant", "weight")

    def __init__(self, tenant: UUID, weight: int) -> None:
        self.tenant = tenant
        self.weight = weight
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.since = monotonic()

    def resolve(self, result: Any) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


Item = TypeVar("Item", bound=Gatherable)


class Lane(Generic[Item]):
    """Runs batches, `width` at a time. `run` must settle every item's future; what it leaves open fails with its exception.

    One at a time is what gathers; a lane whose batches hold one item (`most` 1) is wide instead, like a server without gathering.

    `most` bounds a batch's weight (one heavier item still goes, alone), `patience` the seconds an item may wait in the queue,
    `capacity` the queued weight whatever the rate. `name` labels the lane in metrics.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[None]],
        *,
        name: str,
        most: int,
        patience: float,
        capacity: int,
        width: int = 1,
    ) -> None:
        self._run = run
        self._width = width
        self._most = most
        self._patience = patience
        self._capacity = capacity
        self._queues: dict[UUID, deque[Item]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rate = 0.0
        self.queued = 0
        self._sizes = metrics.BATCH.labels(name)
        self._seconds = metrics.BATCH_SECONDS.labels(name)
        self._shed = metrics.SHED.labels(name)
        metrics.QUEUED.labels(name).set_function(lambda: self.queued)

    async def submit(self, item: Item) -> Any:
        """The item's result.

        Raises:
            OverloadedError: it was not started; the caller should come back later.
        """
        if self.queued and self.queued + item.weight > self.limit:
            self._shed.inc(item.weight)
            raise OverloadedError
        queue = self._queues.get(item.tenant)
        if queue is None:
            queue = self._queues[item.tenant] = deque()
        queue.append(item)
        self.queued += item.weight
        if len(self._tasks) < self._width:
            # In no request's name: what runs there belongs to many.
            self._tasks.add(asyncio.get_running_loop().create_task(self._drain(), context=Context()))
        return await item.future

    @property
    def limit(self) -> int:
        """The weight that may be queued now: what the lane can serve within the tolerated wait, and never below two batches."""
        if not self._rate:
            return self._capacity
        return min(self._capacity, max(2 * self._most, int(self._rate * self._width * self._patience)))

    async def close(self) -> None:
        """Waits for what is queued."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self) -> None:
        try:
            while self._queues:
                batch = self._take()
                if batch:
                    await self._run_one(batch)
        finally:
            # With nothing awaited since the queues were seen empty: who comes next starts another task.
            self._tasks.discard(asyncio.current_task())  # pyright: ignore[reportArgumentType] - it runs inside one

    async def _run_one(self, batch: list[Item]) -> None:
        started = monotonic()
        running = asyncio.ensure_future(self._run(batch))
        # Never cancelled: a batch in flight may be committed. What still waits is let go when its patience ends.
        while not (await asyncio.wait({running}, timeout=_SWEEP_SECONDS))[0]:
            self._sweep()
        error = None if running.cancelled() else running.exception()
        for item in batch:
            if not item.future.done():
                item.fail(error or RuntimeError("the batch left an item without a result"))
        weight, seconds = sum(item.weight for item in batch), monotonic() - started
        self._sizes.observe(weight)
        self._seconds.observe(seconds)
        rate = weight / max(seconds, 1e-6)
        self._rate = rate if not self._rate else self._rate + _SMOOTHING * (rate - self._rate)

    def _take(self) -> list[Item]:
        batch: list[Item] = []
        weight = 0
        late = monotonic() - self._patience
        while self._queues:
            for tenant in list(self._queues):
                queue = self._queues[tenant]
                item = queue[0]
                if weight and weight + item.weight > self._most:
                    return batch
                queue.popleft()
                self.queued -= item.weight
                if queue:
                    # To the back: the next batch starts with the tenants that were not served by this one.
                    del self._queues[tenant]
                    self._queues[tenant] = queue
                else:
                    del self._queues[tenant]
                if item.future.done():
                    continue
                if item.since < late:
                    self._drop(item)
                    continue
                batch.append(item)
                weight += item.weight
        return batch

    def _sweep(self) -> None:
        late = monotonic() - self._patience
        for tenant in list(self._queues):
            queue = self._queues[tenant]
            while queue and (queue[0].since < late or queue[0].future.done()):
                item = queue.popleft()
                self.queued -= item.weight
                self._drop(item)
            if not queue:
                del self._queues[tenant]

    def _drop(self, item: Item) -> None:
        if not item.future.done():
            self._shed.inc(item.weight)
            item.fail(OverloadedError())
