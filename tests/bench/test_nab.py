"""The scoring of NAB, on series small enough to reckon by hand, and the detector by it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.nab import contest
from bench.nab.scoring import Series, best_threshold, learning_rows, normalised, points, raw_score, worths

START = datetime(2026, 3, 2, tzinfo=UTC)
ROWS = 100
WINDOW = (40, 49)


def series(*windows: tuple[int, int]) -> Series:
    instants = tuple(START + timedelta(minutes=row) for row in range(ROWS))
    return Series("made.csv", instants, (0.0,) * ROWS, tuple((instants[left], instants[right]) for left, right in windows))


def alarms(*rows: int) -> list[float]:
    return [float(row in rows) for row in range(ROWS)]


def scored(found: Series, *rows: int) -> float:
    return raw_score(points(found, alarms(*rows)), 1.0)


def test_an_alarm_as_a_window_begins_earns_all_and_silence_loses_all():
    assert scored(series(WINDOW), 40) == pytest.approx(1.0)
    assert scored(series(WINDOW)) == -1.0


def test_a_later_alarm_in_a_window_earns_less_and_a_second_one_nothing():
    earned = [scored(series(WINDOW), row) for row in range(40, 50)]
    assert all(earlier > later > 0 for earlier, later in pairwise(earned))
    assert scored(series(WINDOW), 45, 42, 49) == earned[2]


def test_false_alarms_cost_less_just_behind_a_window_than_before_or_far_behind():
    costs = [-1.0 - scored(series(WINDOW), row) for row in (30, 51, 55, 90)]
    assert costs[0] == pytest.approx(0.11)
    assert costs[3] == pytest.approx(0.11)
    assert 0 < costs[1] < costs[2] < costs[0]


def test_the_first_part_of_a_file_is_for_learning():
    assert learning_rows(ROWS) == 15
    assert learning_rows(1_000_000) == 750
    assert scored(series(WINDOW), *range(15), 40) == pytest.approx(1.0)


def test_worths_follow_the_published_sigmoid():
    rows = worths(series(WINDOW))
    assert rows[45].window == 0
    assert rows[45].worth == pytest.approx(0.84828 / 0.98661, abs=1e-4)
    assert rows[39].worth == -0.11
    assert rows[58].worth == pytest.approx(-0.98661 * 0.11, abs=1e-5)


def test_silence_is_zero_and_perfection_a_hundred():
    both = [series(WINDOW), series((20, 29), (60, 79))]
    assert normalised(-3.0, both) == 0
    assert normalised(sum(scored(each, *[each.instants.index(left) for left, _ in each.windows]) for each in both), both) == 100


@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), min_size=ROWS, max_size=ROWS))
def test_no_threshold_scores_better_than_the_one_that_is_chosen(scores: list[float]):
    found = points(series(WINDOW, (70, 79)), scores)
    threshold, best = best_threshold(found)
    assert raw_score(found, threshold) == pytest.approx(best)
    assert all(raw_score(found, other) <= best + 1e-9 for other in (*scores, 2.0))


def test_the_detector_reaches_the_aim_on_files_its_threshold_was_not_chosen_on(shared_data: Path):
    said = list[str]()
    assert contest.run(shared_data / "nab", said.append) >= contest.AIM, said
