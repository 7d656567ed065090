"""Puzzles: solved by work, good once and for a while, and nobody's but ours."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.identity.service.puzzles import LIFETIME_SECONDS, Puzzles
from keepwell.platform.counts import Counts
from keepwell.platform.valkey import Valkey, ValkeySettings
from tests.support.clock import ManualClock
from tests.support.puzzle import solve

KEY, WORK = b"p" * 32, 200


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Valkey]:
    cache = Valkey(ValkeySettings(valkey_url, timeout=1.0))
    await cache.open()
    yield cache
    await cache.close()


@pytest.fixture
def puzzles(manual_clock: ManualClock) -> Puzzles:
    return Puzzles(lambda: KEY, manual_clock, Counts())


async def test_a_solution_is_good_once(puzzles: Puzzles):
    solution = solve(puzzles.make(WORK))
    assert await puzzles.solved(solution, WORK)
    assert not await puzzles.solved(solution, WORK)
    assert not await puzzles.solved(reworded(solution, lambda _: None, spaced=True), WORK), "the same in other words"


async def test_a_solution_is_good_once_over_all_processes(valkey: Valkey, manual_clock: ManualClock):
    here, there = (Puzzles(lambda: KEY, manual_clock, Counts(valkey)) for _ in range(2))
    solution = solve(here.make(WORK))
    assert await there.solved(solution, WORK)
    assert not await here.solved(solution, WORK)


async def test_a_solution_comes_in_time_or_not_at_all(puzzles: Puzzles, manual_clock: ManualClock):
    early, late = (solve(puzzles.make(WORK)) for _ in range(2))
    manual_clock.advance(seconds=LIFETIME_SECONDS - 1)
    assert await puzzles.solved(early, WORK)
    manual_clock.advance(seconds=1)
    assert not await puzzles.solved(late, WORK)


async def test_an_easier_puzzle_is_no_answer_to_a_harder_one(puzzles: Puzzles):
    assert not await puzzles.solved(solve(puzzles.make(WORK)), WORK + 1)
    assert await puzzles.solved(solve(puzzles.make(WORK + 1)), WORK)


def reworded(solution: str, change: Callable[[Any], object], *, spaced: bool = False) -> str:
    document = json.loads(base64.b64decode(solution))
    change(document)
    return base64.b64encode(json.dumps(document, indent=1 if spaced else None).encode()).decode()


CHANGES: list[Callable[[Any], object]] = [
    lambda sent: sent["challenge"]["parameters"]["data"].update(work=10**9),
    lambda sent: sent["challenge"]["parameters"]["data"].update(until=10**10),
    lambda sent: sent["challenge"]["parameters"].update(keyPrefix=""),
    lambda sent: sent["challenge"]["parameters"].update(cost=0),
    lambda sent: sent["challenge"].update(signature="0" * 64),
    lambda sent: sent["challenge"].pop("signature"),
    lambda sent: sent["solution"].update(counter=sent["solution"]["counter"] + 1),
    lambda sent: sent["solution"].update(derivedKey="00"),
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
async def test_nothing_in_a_solution_can_be_changed(puzzles: Puzzles, change: Callable[[Any], object]):
    solution = solve(puzzles.make(WORK))
    assert not await puzzles.solved(reworded(solution, change), 1)
    assert await puzzles.solved(solution, WORK)


async def test_a_puzzle_of_another_installation_is_none_of_ours(puzzles: Puzzles, manual_clock: ManualClock):
    other = Puzzles(lambda: b"o" * 32, manual_clock, Counts())
    assert not await puzzles.solved(solve(other.make(WORK)), WORK)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["challenge", "solution", "parameters", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.text() | _json.map(lambda value: base64.b64encode(json.dumps(value).encode()).decode()))
async def test_whatever_is_sent_is_no_solution_and_no_error(sent: str):
    assert not await Puzzles(lambda: KEY, ManualClock(), Counts()).solved(sent, WORK)
