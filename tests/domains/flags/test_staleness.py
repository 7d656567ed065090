"""Which flags have outlived what they were for."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from keepwell.domains.flags.models import WHOLE, Cohort, Flag, Plan, Rollout
from keepwell.domains.flags.rules.naming import base
from keepwell.domains.flags.rules.staleness import reasons
from tests.support.flags import NEW, OLD

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATELY, LONG_AGO = NOW - timedelta(days=2), NOW - timedelta(days=60)


def flag(basis_points: int = WHOLE, rollout: Rollout | None = None, *, enabled: bool = True, **changes: object) -> Flag:
    setup = msgspec.structs.replace(base(NEW), basis_points=basis_points, **changes)
    return Flag(NEW.key, setup, enabled=enabled, rollout=rollout)


@pytest.mark.parametrize("same", [flag(), flag(0), flag(5_000, enabled=False)])
def test_what_everybody_has_long_been_getting_is_decided(same: Flag):
    assert reasons(NEW, same, LONG_AGO, LATELY, NOW) == ("decided",)
    assert reasons(NEW, same, LATELY, LATELY, NOW) == ()


def test_what_nobody_ever_set_is_decided_once_it_was_declared_long_ago():
    assert reasons(NEW, None, None, LATELY, NOW) == ("decided",)
    declared = msgspec.structs.replace(NEW, declared=(NOW - timedelta(days=60)).date())
    assert reasons(declared, None, None, LATELY, NOW) == ()


@pytest.mark.parametrize(
    "undecided",
    [
        flag(5_000),
        flag(0, cohorts={"beta": Cohort(("a",))}),
        flag(WHOLE, Rollout(Plan((WHOLE,), 60), 0, LONG_AGO)),
    ],
)
def test_what_is_not_the_same_for_all_is_undecided(undecided: Flag):
    assert reasons(NEW, undecided, LONG_AGO, LATELY, NOW) == ()


def test_a_kill_switch_is_meant_to_stay():
    assert reasons(OLD, None, None, LATELY, NOW) == ()


def test_what_nobody_asks_for_any_more_is_told():
    assert reasons(OLD, None, None, None, NOW) == ("never-evaluated",)
    assert reasons(NEW, flag(), LONG_AGO, LONG_AGO, NOW) == ("decided", "never-evaluated")


def test_what_the_program_does_not_know_is_told():
    assert reasons(None, flag(), LATELY, LATELY, NOW) == ("not-declared",)
