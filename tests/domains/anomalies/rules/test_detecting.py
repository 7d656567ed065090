"""What the detector notices, what it lets pass, and how it says so."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import pi, sin
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains.anomalies import Alarm, Detector, Habit, Sense, begin
from keepwell.domains.anomalies.rules.drifting import unlikely
from keepwell.domains.anomalies.rules.seasons import Seasons, explain

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(minutes=5)
DAY = 288
QUICK = Sense(learning=20, settling=10)
NUMBERS = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False)


def daily(day: int) -> list[float]:
    """One day of latencies, in milliseconds: by night half of what they are by day, with some noise."""
    noise = Random(day)  # noqa: S311 - noise, the same in every run
    return [100 + 50 * sin(2 * pi * row / DAY) + noise.gauss(0, 4) for row in range(DAY)]


def told(detector: Detector, values: Iterable[float], start: datetime = MONDAY) -> list[Alarm]:
    readings = [detector.observe(start + number * STEP, value) for number, value in enumerate(values)]
    return [reading.alarm for reading in readings if reading.alarm is not None]


def trained(days: int) -> Detector:
    detector = begin()
    told(detector, [value for day in range(days) for value in daily(day)])
    return detector


def test_usual_days_make_no_alarm():
    assert told(begin(), [value for day in range(14) for value in daily(day)]) == []


def test_much_more_than_ever_is_an_alarm_at_once_and_ends_soon_after():
    detector, begins, ends = trained(7), 108, 140
    values = [value * 3.4 if begins <= row < ends else value for row, value in enumerate(daily(7))]
    start = MONDAY + timedelta(days=7)
    alarms = [detector.observe(start + row * STEP, value).alarm for row, value in enumerate(values)]
    first = alarms[begins]
    assert first is not None
    assert first.habit is Habit.RANGE
    assert first.explanation.endswith("times the usual for Monday 09:00")
    assert first.ratio == pytest.approx(3.4, rel=0.2)
    assert {row for row, alarm in enumerate(alarms) if alarm} <= set(range(begins, ends + detector.sense.recent))


def test_values_of_the_day_by_night_are_an_alarm_although_none_is_new():
    usual = daily(7)
    alarms = told(trained(7), [*usual[:200], *(140 for _ in range(60))], MONDAY + timedelta(days=7))
    assert alarms
    assert alarms[0].habit is Habit.HOURS
    assert alarms[0].ratio is not None
    assert alarms[0].ratio > 1.25


def test_a_series_that_never_moved_alarms_when_it_does():
    alarms = told(begin(), [*[0.0] * 600, *[0.4] * 10])
    assert (
        alarms[0].explanation == "0.4, where 0 is usual for Wednesday 02:00" or "0.4, where 0 is usual" in alarms[0].explanation
    )
    assert alarms[0].ratio is None


def test_nothing_is_judged_before_the_scale_is_learned():
    detector = begin()
    assert all(detector.observe(MONDAY + row * STEP, 10.0**row).score == 0 for row in range(200))


@settings(max_examples=30, deadline=None)
@given(st.lists(NUMBERS, min_size=25, max_size=80), st.integers(min_value=0, max_value=80))
def test_a_detector_that_was_stored_goes_on_as_if_it_had_never_stopped(values: list[float], cut: int):
    whole, first = begin(QUICK), begin(QUICK)
    expected = [whole.observe(MONDAY + row * STEP, value) for row, value in enumerate(values)]
    found = [first.observe(MONDAY + row * STEP, value) for row, value in enumerate(values[:cut])]
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(first), type=Detector)
    found += [stored.observe(MONDAY + (row + cut) * STEP, value) for row, value in enumerate(values[cut:])]
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(st.lists(NUMBERS, min_size=21, max_size=60), st.lists(NUMBERS, max_size=10))
def test_what_comes_later_changes_nothing_that_was_said(values: list[float], later: list[float]):
    alone, followed = begin(QUICK), begin(QUICK)
    said = [alone.observe(MONDAY + row * STEP, value) for row, value in enumerate(values)]
    assert [followed.observe(MONDAY + row * STEP, value) for row, value in enumerate([*values, *later])][: len(values)] == said


def test_what_is_known_of_a_series_stays_small():
    detector = begin()
    noise = Random(5)  # noqa: S311 - noise, the same in every run
    told(detector, (noise.expovariate(0.01) for _ in range(25_000)))
    assert detector.habits.total < 20_000
    assert len(msgspec.msgpack.encode(detector)) < 100_000


@given(st.floats(min_value=0, max_value=200), st.floats(min_value=0, max_value=200))
def test_more_deviations_are_never_likelier(one: float, other: float):
    assert (unlikely(one) <= unlikely(other)) or one > other


def test_explanations_name_the_hour_as_exactly_as_it_is_known():
    known = Seasons()
    known.remember(MONDAY.replace(hour=9), 100.0)
    assert explain(340, known.usual(MONDAY.replace(hour=9, minute=30))) == "3.4 times the usual for Monday 09:00"
    assert explain(25, known.usual(MONDAY.replace(day=3, hour=9))) == "0.25 times the usual for 09:00"
    assert (
        explain(101, known.usual(MONDAY.replace(day=3, hour=8)))
        == "seldom values, though about the usual for any hour on average"
    )
