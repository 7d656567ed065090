"""A clock that goes as time passes is steady; one that jumped is doubtful for a minute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.platform.probing.steadiness import Steadiness
from tests.support.clock import ManualClock


class Machine:
    """A clock, and the time that passes beside it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._passed = 0.0
        self.steadiness = Steadiness(self.clock, lambda: self._passed)

    def after(self, seconds: float, told: float | None = None) -> bool:
        """Whether the clock is steady once so many seconds passed, of which it told another number."""
        self._passed += seconds
        self.clock.advance(seconds=seconds if told is None else told)
        return self.steadiness.steady()


@given(st.lists(st.floats(0, 100_000)), st.floats(-0.0005, 0.0005))
def test_a_clock_that_is_slowly_set_right_is_steady(pauses: list[float], slew: float):
    machine = Machine()
    assert all(machine.after(seconds, seconds * (1 + slew)) for seconds in pauses)


@pytest.mark.parametrize("jump", [3600.0, 2.0, -2.0, -3600.0])
def test_a_jump_makes_it_doubtful_for_a_minute(jump: float):
    machine = Machine()
    assert machine.after(10)
    assert not machine.after(10, 10 + jump)
    assert not machine.after(59)
    assert machine.after(1)


def test_a_further_jump_begins_the_minute_anew():
    machine = Machine()
    assert not machine.after(1, 1000)
    assert not machine.after(30, -970)
    assert not machine.after(59)
    assert machine.after(1)
