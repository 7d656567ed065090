"""Gathering: what shares a batch, who goes first, and who is told to come back."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from uuid import UUID

import pytest

from keepwell.kernel.gather import Gatherable, Lane, OverloadedError

BUSY, QUIET = UUID(int=1), UUID(int=2)


class Work:
    """Runs batches only when told to, and remembers them."""

    def __init__(self) -> None:
        self.batches: list[list[Gatherable]] = []
        self.gate = asyncio.Semaphore(0)
        self.started = asyncio.Condition()

    async def run(self, batch: Sequence[Gatherable]) -> None:
        async with self.started:
            self.batches.append(list(batch))
            self.started.notify_all()
        await self.gate.acquire()
        for item in batch:
            item.resolve(len(self.batches))

    async def wait_for_batches(self, count: int) -> None:
        async with self.started:
            await asyncio.wait_for(self.started.wait_for(lambda: len(self.batches) >= count), 5)

    def release(self, batches: int = 1) -> None:
        for _ in range(batches):
            self.gate.release()


def lane(work: Work, *, most: int = 4, patience: float = 5.0, capacity: int = 100, width: int = 1) -> Lane[Gatherable]:
    return Lane(work.run, name="test", most=most, patience=patience, capacity=capacity, width=width)


def submit(target: Lane[Gatherable], tenant: UUID = BUSY, weight: int = 1) -> "asyncio.Task[int]":
    return asyncio.create_task(target.submit(Gatherable(tenant, weight)))


async def test_what_arrives_while_a_batch_runs_is_the_next_batch() -> None:
    work = Work()
    target = lane(work)
    first = submit(target)
    await work.wait_for_batches(1)
    rest = [submit(target) for _ in range(3)]
    work.release(2)
    assert await asyncio.gather(first, *rest) == [1, 2, 2, 2]


async def test_a_batch_is_never_heavier_than_its_bound_but_a_heavy_item_still_goes_alone() -> None:
    work = Work()
    target = lane(work)
    tasks = [submit(target, weight=weight) for weight in (3, 3, 9, 1)]
    work.release(4)
    await asyncio.gather(*tasks)
    assert [[item.weight for item in batch] for batch in work.batches] == [[3], [3], [9], [1]]


async def test_a_quiet_tenant_does_not_wait_behind_a_busy_one() -> None:
    work = Work()
    target = lane(work)
    first = submit(target)
    await work.wait_for_batches(1)
    flood = [submit(target) for _ in range(40)]
    quiet = submit(target, QUIET)
    work.release(50)
    assert await quiet == 2
    await asyncio.gather(first, *flood)


async def test_beyond_its_capacity_a_lane_refuses_at_once() -> None:
    work = Work()
    target = lane(work, capacity=8)
    tasks = [submit(target) for _ in range(4)]
    await work.wait_for_batches(1)
    queued = [submit(target) for _ in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await submit(target)
    work.release(10)
    await asyncio.gather(*tasks, *queued)


async def test_what_waits_longer_than_is_tolerated_is_let_go_while_the_batch_still_runs() -> None:
    work = Work()
    target = lane(work, patience=0.2)
    running = submit(target)
    await work.wait_for_batches(1)
    waiting = submit(target)
    with pytest.raises(OverloadedError):
        await asyncio.wait_for(waiting, 5)
    assert not running.done()
    work.release()
    assert await running == 1


async def test_a_caller_that_goes_away_is_dropped_from_the_queue_and_never_cancels_a_running_batch() -> None:
    work = Work()
    target = lane(work)
    running, neighbour = submit(target), submit(target)
    await work.wait_for_batches(1)
    gone = submit(target)
    await asyncio.sleep(0)
    gone.cancel()
    running.cancel()
    work.release()
    assert await neighbour == 1
    await target.close()
    assert len(work.batches) == 1


async def test_an_error_of_a_batch_reaches_each_of_its_callers_and_the_lane_goes_on() -> None:
    async def run(batch: Sequence[Gatherable]) -> None:
        if len(batch) > 1:
            raise RuntimeError("broken")
        batch[0].resolve(1)

    target: Lane[Gatherable] = Lane(run, name="test", most=4, patience=1, capacity=100)
    results = await asyncio.gather(*(submit(target) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [RuntimeError] * 3
    assert await submit(target) == 1


async def test_a_wide_lane_runs_several_batches_at_once_and_never_more() -> None:
    work = Work()
    target = lane(work, most=1, width=3)
    tasks = [submit(target) for _ in range(5)]
    await work.wait_for_batches(3)
    assert (len(work.batches), target.queued) == (3, 2)
    work.release(5)
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in work.batches] == [1] * 5
    late = submit(target)
    work.release()
    assert await asyncio.wait_for(late, 5)


async def test_a_batch_does_not_run_in_the_name_of_the_request_that_woke_the_lane() -> None:
    caller: ContextVar[str] = ContextVar("caller", default="nobody")
    seen: list[str] = []

    async def run(batch: Sequence[Gatherable]) -> None:
        seen.append(caller.get())
        for item in batch:
            item.resolve(None)

    caller.set("the first to come")
    await Lane(run, name="test", most=4, patience=1, capacity=100).submit(Gatherable(BUSY, 1))
    assert seen == ["nobody"]


async def test_a_batch_that_ends_cancelled_leaves_nobody_waiting() -> None:
    async def run(_batch: Sequence[Gatherable]) -> None:
        raise asyncio.CancelledError

    target: Lane[Gatherable] = Lane(run, name="test", most=4, patience=1, capacity=100)
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError):
            await target.submit(Gatherable(BUSY, 1))
