"""Password hashing: one computation whatever comes, a queue that ends, callers that leave."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import extract_parameters

from keepwell.domains.identity.service.hashing import LANES, MEMORY_KIB, PASSES, Hashing
from keepwell.kernel.problems import OVERLOADED, Refused

PASSWORD = "correct horse battery"


@pytest.fixture
def hashing() -> Iterator[Hashing]:
    made = Hashing(lambda: b"k" * 32, threads=1, queue=3)
    yield made
    made.close()


@pytest.fixture
async def stored(hashing: Hashing) -> str:
    return await hashing.hash(PASSWORD)


async def test_a_hash_has_the_parameters_we_chose(stored: str):
    parameters = extract_parameters(stored)
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (MEMORY_KIB, PASSES, LANES)


async def test_the_right_password_verifies_in_any_unicode_composition(hashing: Hashing):
    stored = await hashing.hash("Zo\u00eb crosses the river")
    assert await hashing.verify(stored, "Zoe\u0308 crosses the river")
    assert not await hashing.verify(stored, "zo\u00eb crosses the river")


@pytest.mark.parametrize("password", [PASSWORD, "wrong", "", "x" * 257, "x" * 100_000, "\ud83d" * 3, "a\x00b"])
@pytest.mark.parametrize("known", [True, False])
async def test_every_verification_costs_exactly_one_computation(hashing: Hashing, stored: str, password: str, known: bool):  # noqa: FBT001
    before = hashing.computed
    verified = await hashing.verify(stored if known else None, password)
    assert verified == (known and password == PASSWORD)
    assert hashing.computed == before + 1


async def test_a_stored_value_that_is_no_hash_verifies_nothing(hashing: Hashing):
    assert not await hashing.verify("$argon2id$nonsense", PASSWORD)


async def test_beyond_the_queue_callers_are_told_when_to_come_back(hashing: Hashing):
    release = threading.Event()
    blocked = [asyncio.ensure_future(hashing._run(release.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not hashing.accepting
    with pytest.raises(Refused) as refused:
        await hashing.hash(PASSWORD)
    assert refused.value.refusal.type == OVERLOADED
    assert (refused.value.refusal.retry_after or 0) >= 1
    release.set()
    await asyncio.gather(*blocked)
    assert hashing.accepting
    assert await hashing.verify(await hashing.hash(PASSWORD), PASSWORD)


async def test_a_caller_that_leaves_takes_its_waiting_work_along(hashing: Hashing):
    release = threading.Event()
    running = asyncio.ensure_future(hashing._run(release.wait))
    waiting = asyncio.ensure_future(hashing.hash(PASSWORD))
    await asyncio.sleep(0)
    before = hashing.computed
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    await running
    assert await hashing.verify(None, "anything") is False
    assert hashing.computed <= before + 2, "the one running and ours, not the one that left"


async def test_hashing_runs_beside_the_event_loop(hashing: Hashing):
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    await hashing.hash(PASSWORD)
    counting.cancel()
    assert turns > 10


async def test_a_mark_knows_the_same_password_again_and_no_other(hashing: Hashing):
    assert hashing.mark("Zo\u00eb") == hashing.mark("Zoe\u0308")
    assert hashing.mark("a") != hashing.mark("b")
    other = Hashing(lambda: b"o" * 32, threads=1)
    try:
        assert other.mark("a") != hashing.mark("a")
    finally:
        other.close()
