"""What may happen to a flag, and that its state is the fold of what happened."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains import flags
from keepwell.domains.flags.models import Changes, Cohort, Flag, Guard, Numbers, Plan, StepRollout, StopRollout
from keepwell.domains.flags.service import orders
from keepwell.kernel import fold
from keepwell.kernel.envelope import Command
from keepwell.kit.ids import new_id
from tests.support.desk import Desk
from tests.support.flags import COLOUR, NEW, OLD

(FLAG,) = flags.AGGREGATES
TENANT = new_id()
PLAN = Plan((100, 2_500, 10_000), 60, Guard(0.05, 10, 2.0))
GUARDS = ["/guard/maximum_error_rate", "/guard/minimum_sample", "/guard/maximum_ratio"]
_SECOND = timedelta(seconds=1)
HEALTHY, FAILING = Numbers(on=50), Numbers(on=50, on_errors=25, off=50)


def desk() -> Desk:
    return Desk(FLAG)


def setting(declared: flags.Declaration = NEW, **changes: Any) -> Command:
    return orders.setting(TENANT, declared, Changes(**changes))


def changing(declared: flags.Declaration = NEW, **changes: Any) -> Command:
    return orders.changing(TENANT, declared, Changes(**changes))


def kill() -> Command:
    return orders.killing(TENANT, OLD, "it hurts")


def restore() -> Command:
    return orders.restoring(TENANT, OLD, "it does not hurt any more")


def start(plan: Plan = PLAN) -> Command:
    return orders.starting(TENANT, NEW, plan)


def stop() -> Command:
    return orders.stopping(TENANT, NEW, "enough")


def step(numbers: Numbers) -> Command:
    return StepRollout(orders.stopping(TENANT, NEW, "").id, numbers)


def code(refusal: Any) -> str:
    return "" if refusal is None else refusal.code


def test_a_flag_that_nobody_set_can_be_changed_killed_and_rolled_out():
    for command, version in ((changing(basis_points=50), 1), (kill(), 2), (start(), 2), (restore(), 1), (setting(), 1)):
        one = desk()
        assert one.do(command) is None
        assert len(one.events) == version


def test_setting_puts_what_is_left_out_back_to_what_is_declared_and_changing_leaves_it():
    one = desk()
    one.do(setting(basis_points=50, cohorts={"beta": Cohort(("a",))}))
    one.do(changing(salt="pepper"))
    assert (one.state.setup.basis_points, one.state.setup.salt, set(one.state.setup.cohorts)) == (50, "pepper", {"beta"})
    one.do(setting(salt="pepper"))
    assert (one.state.setup.basis_points, one.state.setup.cohorts) == (0, {})


@pytest.mark.parametrize(
    ("command", "pointers"),
    [
        (setting(basis_points=10_001), ["/basis_points"]),
        (setting(basis_points=-1), ["/basis_points"]),
        (setting(variants={"on": True, "off": "no"}), ["/variants"]),
        (setting(variants={"on": 1, "off": 0}), ["/variants", "/variants"]),
        (setting(on="nothing"), ["/on"]),
        (setting(off="on"), ["/off"]),
        (setting(variants={"": True, "on": True, "off": False}), ["/variants"]),
        (setting(cohorts={"beta": Cohort(("",))}), ["/cohorts"]),
        (setting(cohorts={"x" * 65: Cohort()}), ["/cohorts"]),
        (setting(cohorts={str(n): Cohort() for n in range(51)}), ["/cohorts"]),
        (setting(cohorts={"all": Cohort(tuple(map(str, range(10_001))))}), ["/cohorts"]),
        (setting(COLOUR, variants={"plain": "x", "fancy": 3}), ["/variants"]),
        (start(Plan((), 60)), ["/steps"]),
        (start(Plan((100, 100), 60)), ["/steps"]),
        (start(Plan((0, 10_001), 0)), ["/steps", "/hold_s"]),
        (start(Plan((100,), 60, Guard(1.0, 0, 0.5))), GUARDS),
    ],
)  # fmt: skip
def test_what_cannot_be_is_pointed_at(command: Command, pointers: list[str]):
    refusal = desk().do(command)
    assert refusal is not None
    assert (refusal.code, [fault.pointer for fault in refusal.faults]) == ("invalid-flag", pointers)


def test_a_kill_ends_a_roll_out_and_restoring_does_not_begin_it_again():
    one = desk()
    one.do(start())
    one.do(orders.killing(TENANT, NEW, "stop"))
    assert (one.state.enabled, one.state.rollout.status) == (False, "stopped")
    assert code(one.do(start())) == "flag-killed"
    one.do(orders.restoring(TENANT, NEW, "go on"))
    assert (one.state.enabled, one.state.rollout.status, one.state.setup.basis_points) == (True, "stopped", 100)
    assert one.do(start()) is None


def test_killing_and_restoring_twice_changes_nothing():
    one = desk()
    for command in (kill(), kill(), restore(), restore()):
        one.do(command)
    assert len(one.events) == 3


def test_while_a_roll_out_runs_nobody_else_says_who_gets_what():
    one = desk()
    one.do(start())
    for command in (setting(basis_points=1), changing(salt="x"), start()):
        assert code(one.do(command)) == "rollout-running"
    one.do(stop())
    assert one.do(changing(salt="x")) is None
    assert code(one.do(stop())) == "rollout-not-running"


def test_a_roll_out_goes_all_the_way_in_health():
    one, shares = desk(), list[int]()
    one.do(start())
    for _ in range(3):
        shares.append(one.state.setup.basis_points)
        one.do(step(HEALTHY))
        assert one.state.setup.basis_points == shares[-1], "not held long enough"
        one.now += one.state.rollout.plan.hold_s * _SECOND
        one.do(step(HEALTHY))
    assert shares == [100, 2_500, 10_000]
    assert (one.state.rollout.status, one.state.setup.basis_points) == ("completed", 10_000)


def test_a_roll_out_steps_back_as_far_as_it_must_and_stays_there():
    one = desk()
    one.do(start())
    one.now += 60 * _SECOND
    one.do(step(HEALTHY))
    one.do(step(FAILING))
    assert (one.state.rollout.status, one.state.setup.basis_points) == ("stepped-back", 100)
    one.now += 600 * _SECOND
    one.do(step(HEALTHY))
    assert one.state.setup.basis_points == 100
    one.do(step(FAILING))
    assert (one.state.rollout.step, one.state.setup.basis_points) == (-1, 0)
    assert one.do(start()) is None, "somebody looked into it"


def test_who_sets_a_flag_after_it_stepped_back_has_the_last_word():
    one = desk()
    for command in (start(), step(FAILING), setting(basis_points=7)):
        one.do(command)
    one.do(step(FAILING))
    assert one.state.setup.basis_points == 7


ACTIONS: tuple[Callable[[], Command], ...] = (
    setting,
    lambda: changing(basis_points=1_234),
    lambda: changing(cohorts={"beta": Cohort(("a",), ("admin",))}),
    kill,
    restore,
    start,
    stop,
    lambda: step(HEALTHY),
    lambda: step(FAILING),
)


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 120)), max_size=30))
@settings(max_examples=200)
def test_the_state_is_the_fold_of_what_happened(actions: list[tuple[Callable[[], Command], int]]):
    one = desk()
    for action, seconds in actions:
        command = action()
        one.now += seconds * _SECOND
        if one.state is not None or not isinstance(command, StopRollout | StepRollout):
            one.do(command)
    events = [msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=FLAG.event) for event in one.events]
    assert fold(FLAG, events) == one.state
    if one.state is not None:
        state: Flag = msgspec.msgpack.decode(msgspec.msgpack.encode(one.state), type=Flag)
        assert state == one.state
        assert 0 <= state.setup.basis_points <= 10_000
        if state.rollout is not None and state.rollout.status == "running":
            assert state.enabled
