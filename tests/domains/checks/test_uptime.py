"""How long a monitor was up: every second counts once, as what it was."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.checks.rules.retrying import retry_after
from keepwell.domains.checks.rules.uptime import Change, budget, spent
from keepwell.domains.checks.service.reading import window_of

START = datetime(2026, 11, 26, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def test_an_outage_counts_from_the_check_that_showed_it_to_the_one_that_showed_its_end():
    time = spent([Change(at(-5), "up", None), Change(at(10), "down", None), Change(at(16), "up", None)], START, at(60))
    assert (time.up_s, time.down_s, time.outages) == (54 * 60, 6 * 60, 1)
    assert time.uptime == 0.9


def test_maintenance_and_what_nobody_knows_count_neither_way():
    changes = [
        Change(at(0), "up", None),
        Change(at(10), "down", None),
        Change(at(20), "down", "maintenance"),
        Change(at(30), "down", None),
        Change(at(40), "down", "own-outage"),
        Change(at(50), "up", None),
    ]
    time = spent(changes, at(-10), at(60))
    assert (time.up_s, time.down_s, time.maintenance_s, time.unknown_s) == (20 * 60, 20 * 60, 10 * 60, 20 * 60)
    assert (time.uptime, time.outages) == (0.5, 1)


def test_without_anything_known_there_is_no_uptime():
    assert spent([], START, at(60)).uptime is None


def test_an_outage_from_before_is_not_one_of_this_time_but_its_seconds_are():
    time = spent([Change(at(-5), "down", None), Change(at(5), "up", None)], START, at(10))
    assert (time.outages, time.down_s) == (0, 300)


def test_a_budget_that_is_overdrawn_says_by_how_much():
    time = spent([Change(at(0), "up", None), Change(at(999), "down", None)], START, at(1000))
    found = budget(time, 0.9995)
    assert (round(found.allowed_s, 6), found.spent_s, round(found.left_s, 6)) == (30, 60, -30)
    assert round(found.consumed or 0, 6) == 2


@given(
    st.lists(
        st.tuples(
            st.integers(-100, 100),
            st.sampled_from(["up", "down", "unknown"]),
            st.sampled_from([None, "maintenance", "parent-down"]),
        ),
        max_size=12,
    ),
    st.integers(0, 80),
)
def test_every_second_counts_once(said: list[tuple[int, str, str | None]], length: int):
    changes = [Change(at(minute), status, why) for minute, status, why in sorted(said, key=lambda one: one[0])]  # pyright: ignore[reportArgumentType]
    time = spent(changes, START, at(length))
    assert time.up_s + time.down_s + time.maintenance_s + time.unknown_s == pytest.approx(length * 60)
    assert min(time.up_s, time.down_s, time.maintenance_s, time.unknown_s, time.outages) >= 0


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90m", 90),
        ("24h", 1440),
        ("30d", 43200),
        ("731d", 731 * 1440),
        ("24H", 1440),
        ("3600s", 60),
        ("1w", 10080),
        ("PT24H", 1440),
        ("P1D", 1440),
    ],
)
def test_a_window_ends_now(text: str, length: int):
    assert window_of(text, START) == (START - timedelta(minutes=length), START)


@pytest.mark.parametrize(
    "text",
    ["", "d", "0d", "-1d", "30", "30 d", "732d", "1e3d", "٣d", "9999999999999d", "P", "PT", "P0D", "P732D", "PT1X", "999999999w"],
)
def test_what_is_no_window_is_none(text: str):
    assert window_of(text, START) is None


@given(st.integers(1, 100), st.integers(0, 100), st.floats(1, 600))
def test_attempts_are_bounded_and_come_later_each_time(attempt: int, retries: int, first: float):
    found = retry_after("up", attempt, retries, first)
    assert (found is None) == (attempt > retries)
    assert retry_after("down", attempt, retries, first) is None
    following = retry_after("up", attempt + 1, retries + 1, first)
    assert found is None or (following is not None and found <= following <= 3_600)
