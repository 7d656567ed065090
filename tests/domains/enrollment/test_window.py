"""Parts run beside each other, and never two that name the same person."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.enrollment.service.window import WIDTH, Window
from keepwell.kit.ids import new_id

PEOPLE = [new_id() for _ in range(6)]


@given(st.lists(st.sets(st.integers(0, 5), max_size=3), max_size=12), st.data())
def test_who_shares_a_person_waits_and_comes_after(parts: list[set[int]], data: st.DataObject):
    pauses = data.draw(st.lists(st.integers(0, 4), min_size=len(parts), max_size=len(parts)))
    under_way, begun, most = set[int](), list[int](), 0

    async def part(number: int) -> None:
        nonlocal most
        assert all(parts[number].isdisjoint(parts[other]) for other in under_way)
        under_way.add(number)
        begun.append(number)
        most = max(most, len(under_way))
        for _ in range(pauses[number]):
            await asyncio.sleep(0)
        under_way.remove(number)

    async def run() -> None:
        async with Window() as window:
            for number, named in enumerate(parts):
                await window.begin({PEOPLE[one] for one in named}, part(number))

    asyncio.run(run())
    assert begun == list(range(len(parts)))
    assert most <= WIDTH


async def test_what_fails_is_told_and_the_others_come_to_their_ends():
    ended: list[str] = []
    go = asyncio.Event()

    async def fails() -> None:
        raise LookupError

    async def goes_on() -> None:
        await go.wait()
        ended.append("other")

    async def run() -> None:
        async with Window(2) as window:
            await window.begin(set(), goes_on())
            await window.begin(set(), fails())
            asyncio.get_running_loop().call_later(0.01, go.set)
            await window.begin(set(), goes_on())

    with pytest.raises(LookupError):
        await run()
    assert ended == ["other"]


async def test_who_is_cancelled_cancels_what_is_under_way():
    begun, cancelled = asyncio.Event(), list[str]()

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("part")
            raise

    async def run() -> None:
        async with Window() as window:
            await window.begin(set(), waits())

    running = asyncio.create_task(run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cancelled == ["part"]
