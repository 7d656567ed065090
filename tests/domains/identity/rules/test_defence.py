"""What is demanded after so many failures."""

from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.identity.rules.defence import EASIEST, HARDEST, Guard, demand, guards

kinds = st.builds(Guard, st.integers(0, 90), st.just(3600), st.booleans())


@given(kinds, st.integers(0, 10_000))
def test_each_failure_makes_the_next_try_at_least_as_hard(guard: Guard, failures: int):
    now, then = demand(guard, failures), demand(guard, failures + 1)
    if now is None:
        assert failures < guard.free
        return
    assert then is not None
    assert EASIEST <= now.work <= then.work <= HARDEST
    assert then.pause is None or (now.pause is not None and 1 <= now.pause <= then.pause <= 60)


@given(kinds, st.integers(0, 10_000))
def test_only_a_hundred_in_a_row_leave_nothing_but_work(guard: Guard, failures: int):
    found = demand(guard, failures)
    only_work = found is not None and found.pause is None
    assert only_work == (guard.consecutive and failures >= 100)
    assert not only_work or (found is not None and found.work == HARDEST)


def test_the_free_failures_are_those_of_the_settings():
    found = guards(account=3, address=7)
    free = {kind: sum(demand(guard, failures) is None for failures in range(200)) for kind, guard in found.items()}
    assert free == {"account": 3, "device": 3, "address": 7, "factor": 3}
