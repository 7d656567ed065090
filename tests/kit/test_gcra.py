"""The cell rate algorithm beside a bucket that is simply counted."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.kit.gcra import SECOND, Pace, Rate, left, parse, taken, wait

rates = st.builds(Rate, st.integers(1, 2 * SECOND), st.integers(1, 50))
pauses = st.lists(st.one_of(st.integers(0, 10), st.integers(0, 5 * SECOND)), min_size=1, max_size=200)


class Counted:
    """The plainest model: a level that rises with time to a brim, and falls with every request let through."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.level = rate.window
        self.at = 0

    def let_through(self, now: int) -> bool:
        self.level = min(self.rate.window, self.level + now - self.at)
        self.at = now
        if self.level < self.rate.interval:
            return False
        self.level -= self.rate.interval
        return True


def instants(pauses: Sequence[int]) -> list[int]:
    return list(accumulate(pauses, initial=1))


@given(rates, pauses)
def test_whoever_comes_when_is_let_through_as_by_counting(rate: Rate, pauses: list[int]):
    model, full_at = Counted(rate), 0
    for now in instants(pauses):
        allowed = wait(rate, full_at, now) == 0
        assert allowed == model.let_through(now)
        if allowed:
            full_at = taken(rate, full_at, now)
        assert left(rate, full_at, now) == model.level // rate.interval


@given(rates, pauses)
def test_in_no_stretch_of_time_more_than_the_burst_and_the_rate_of_it(rate: Rate, pauses: list[int]):
    full_at, through = 0, list[int]()
    for now in instants(pauses):
        if wait(rate, full_at, now) == 0:
            full_at = taken(rate, full_at, now)
            through.append(now)
    for first, begin in enumerate(through):
        for last, end in enumerate(through[first:], start=first):
            assert last - first + 1 <= rate.burst + (end - begin) // rate.interval


@given(rates, pauses)
def test_who_waits_as_long_as_told_is_let_through_and_no_sooner(rate: Rate, pauses: list[int]):
    full_at = 0
    for now in instants(pauses):
        waiting = wait(rate, full_at, now)
        assert wait(rate, full_at, now + waiting) == 0
        assert waiting == 0 or wait(rate, full_at, now + waiting - 1) == 1
        if waiting == 0:
            full_at = taken(rate, full_at, now)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100:1000", Rate(10_000, 1000)),
        ("100", Rate(10_000, 1000)),
        ("0.5", Rate(2_000_000, 5)),
        ("0", None),
        ("0:5", None),
        ("9999999:1", Rate(1, 1)),
    ],
)
def test_a_rate_is_read_as_it_is_written(text: str, rate: Rate | None):
    assert parse(text) == rate


@pytest.mark.parametrize("text", ["", "-1", "5:0", "a", "1:2:3", "1e9", "5 a second", "1:"])
def test_what_is_no_rate_is_refused(text: str):
    with pytest.raises(ValueError, match="such as 100:1000"):
        parse(text)


def test_a_pace_lets_its_burst_through_and_then_keeps_to_its_rate():
    pace = Pace(Rate.of(10, 3))
    assert pace.full(0)
    assert [pace.take(0) for _ in range(4)] == [True, True, True, False]
    assert not pace.full(2 * SECOND // 10)
    assert [pace.take(SECOND // 10) for _ in range(2)] == [True, False]
    assert pace.full(SECOND)
