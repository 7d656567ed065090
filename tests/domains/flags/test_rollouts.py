"""How a roll-out moves, by its numbers and the time it was held."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.flags.models import Guard, Numbers, Plan, Rollout, RolloutAdvanced, RolloutCompleted, RolloutSteppedBack
from keepwell.domains.flags.rules.rollouts import judge, move, share, watched
from tests.support.desk import START

PLAN = Plan((100, 500, 2_500, 10_000), 600, Guard(0.05, 100, 2.0))
LATER = START + timedelta(seconds=600)
HEALTHY = Numbers(on=200, on_errors=2, off=1_000, off_errors=10)
FAILING = Numbers(on=200, on_errors=40, off=1_000, off_errors=10)


def at(step: int, status: str = "running") -> Rollout:
    return Rollout(PLAN, step, START, status)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("numbers", "health"),
    [
        (HEALTHY, "healthy"),
        (FAILING, "failing"),
        (Numbers(on=99, on_errors=99), "unclear"),
        (Numbers(on=100, on_errors=5), "healthy"),
        (Numbers(on=100, on_errors=6), "failing"),
        (Numbers(on=100, on_errors=30, off=100, off_errors=15), "unclear"),
        (Numbers(on=100, on_errors=31, off=100, off_errors=15), "failing"),
        (Numbers(on=100, on_errors=30, off=99, off_errors=99), "failing"),
        (Numbers(on=100, on_errors=6, off=100, off_errors=0), "failing"),
    ],
)
def test_a_flag_is_blamed_for_what_fails_more_with_it_than_without(numbers: Numbers, health: str):
    assert judge(PLAN.guard, numbers) == health


def test_without_a_ratio_a_flag_is_blamed_whatever_the_others_suffer():
    assert judge(Guard(0.05, 100, None), Numbers(on=100, on_errors=30, off=100, off_errors=30)) == "failing"


def test_a_step_held_long_enough_in_health_leads_to_the_next():
    assert move(at(1), HEALTHY, LATER) == RolloutAdvanced(2, LATER, HEALTHY)
    assert move(at(1), HEALTHY, LATER - timedelta(microseconds=1)) is None
    assert move(at(1), Numbers(on=99), LATER + timedelta(days=9)) is None, "too few to know"


def test_the_last_step_is_held_too():
    assert move(at(3), HEALTHY, LATER) == RolloutCompleted(LATER, HEALTHY)
    assert move(at(3, "completed"), FAILING, LATER) is None


def test_failing_leads_back_at_once_and_from_the_first_step_to_nothing():
    soon = START + timedelta(seconds=1)
    assert move(at(2), FAILING, soon) == RolloutSteppedBack(1, soon, FAILING)
    assert move(at(0), FAILING, soon) == RolloutSteppedBack(-1, soon, FAILING)
    assert [share(at(step)) for step in (-1, 0, 3)] == [0, 100, 10_000]


def test_what_stepped_back_goes_further_back_but_never_on_by_itself():
    back = at(1, "stepped-back")
    assert watched(back)
    assert move(back, HEALTHY, LATER + timedelta(days=9)) is None
    assert move(back, FAILING, LATER) == RolloutSteppedBack(0, LATER, FAILING)
    assert not watched(at(-1, "stepped-back"))
    assert move(at(-1, "stepped-back"), FAILING, LATER) is None


@pytest.mark.parametrize("status", ["completed", "stopped"])
def test_what_is_over_does_not_move(status: str):
    assert move(at(1, status), FAILING, LATER) is None


@given(
    st.builds(Numbers, *(st.integers(0, 500) for _ in range(4))),
    st.integers(-1, 3),
    st.sampled_from(("running", "stepped-back", "completed", "stopped")),
    st.integers(0, 2_000),
)
def test_a_move_is_one_step_and_only_as_far_as_the_plan(numbers: Numbers, step: int, status: str, seconds: int):
    rollout, now = at(step, status), START + timedelta(seconds=seconds)
    moved = move(rollout, numbers, now)
    match moved:
        case RolloutAdvanced():
            assert moved.step == step + 1 < len(PLAN.steps)
            assert (status, seconds >= PLAN.hold_s, judge(PLAN.guard, numbers)) == ("running", True, "healthy")
        case RolloutSteppedBack():
            assert -1 <= moved.step == step - 1
            assert judge(PLAN.guard, numbers) == "failing"
        case RolloutCompleted():
            assert step == len(PLAN.steps) - 1
        case None:
            pass
