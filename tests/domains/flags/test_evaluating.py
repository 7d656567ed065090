"""What a flag is for whom: sticky, even, and only growing with the percentage."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.flags.models import WHOLE, Asked, Cohort, Flag, Setup
from keepwell.domains.flags.rules.evaluating import evaluate, fallback, place
from keepwell.domains.flags.rules.naming import base, flag_id
from keepwell.kit.ids import new_id
from tests.support.flags import COLOUR, NEW, OLD

TENANT = new_id()
KEYS = st.text(min_size=1, max_size=20)


def asked(targeting_key: str | None = "somebody", *roles: str) -> Asked:
    return Asked(TENANT, targeting_key, roles)


def flag(basis_points: int, **changes: object) -> Flag:
    return Flag(NEW.key, msgspec.structs.replace(base(NEW), basis_points=basis_points, **changes))


def is_on(flag: Flag, targeting_key: str) -> bool:
    return evaluate(NEW, flag, asked(targeting_key)).value is True


@given(KEYS, st.integers(0, WHOLE), st.integers(0, WHOLE), KEYS)
def test_more_basis_points_only_add_people(targeting_key: str, some: int, others: int, salt: str):
    fewer, more = sorted((some, others))
    if is_on(flag(fewer, salt=salt), targeting_key):
        assert is_on(flag(more, salt=salt), targeting_key)


@given(KEYS, st.integers(0, WHOLE))
def test_who_asks_again_gets_the_same(targeting_key: str, basis_points: int):
    assert is_on(flag(basis_points), targeting_key) == is_on(flag(basis_points), targeting_key)


@given(KEYS)
def test_at_the_ends_it_is_everybody_or_nobody(targeting_key: str):
    assert is_on(flag(WHOLE), targeting_key)
    assert not is_on(flag(0), targeting_key)


@pytest.mark.parametrize("basis_points", [100, 500, 2_500, 5_000, 9_000])
def test_the_share_is_what_was_asked_for(basis_points: int):
    people = 20_000
    share = sum(is_on(flag(basis_points), f"person {number}") for number in range(people)) / people
    assert abs(share - basis_points / WHOLE) < 0.012


def test_places_are_even_and_differ_by_flag_and_by_salt():
    places = [place("flag", "salt", str(number)) for number in range(20_000)]
    assert min(places) >= 0
    assert max(places) < WHOLE
    counts = [sum(low <= each < low + 1_000 for each in places) for low in range(0, WHOLE, 1_000)]
    assert all(abs(count - 2_000) < 250 for count in counts)
    for others in (
        [place("other", "salt", str(n)) for n in range(2_000)],
        [place("flag", "other", str(n)) for n in range(2_000)],
    ):
        assert sum(a == b for a, b in zip(places, others, strict=False)) < 20


@pytest.mark.parametrize(
    ("setup", "who", "value", "variant", "reason"),
    [
        ({"basis_points": WHOLE}, asked(), True, "on", "STATIC"),
        ({"basis_points": 0}, asked(), False, "off", "STATIC"),
        ({"basis_points": 0, "cohorts": {"beta": Cohort(("somebody",))}}, asked(), True, "on", "TARGETING_MATCH"),
        ({"basis_points": 0, "cohorts": {"beta": Cohort(roles=("admin",))}}, asked("x", "admin"), True, "on", "TARGETING_MATCH"),
        ({"basis_points": 0, "cohorts": {"beta": Cohort(("me",), ("admin",))}}, asked("x", "patient"), False, "off", "DEFAULT"),
        ({"basis_points": 1}, asked(None), False, "off", "ERROR"),
        ({"basis_points": 0}, asked(None), False, "off", "STATIC"),
    ],
)
def test_the_reason_says_how_it_came_about(setup: dict[str, object], who: Asked, value: bool, variant: str, reason: str):  # noqa: FBT001
    found = evaluate(NEW, Flag(NEW.key, msgspec.structs.replace(base(NEW), **setup)), who)
    assert (found.value, found.variant, found.reason) == (value, variant, reason)


def test_a_split_is_called_one():
    assert evaluate(NEW, flag(5_000), asked()).reason == "SPLIT"


def test_what_nobody_set_is_as_declared():
    for declared, value in ((NEW, False), (OLD, True), (COLOUR, "grey")):
        found = evaluate(declared, None, asked())
        assert (found.value, found.reason) == (value, "DEFAULT")
        again = evaluate(declared, Flag(declared.key, base(declared)), asked())
        assert (again.value, again.reason) == (value, "STATIC")


def test_a_killed_flag_is_off_for_everybody_cohorts_included():
    setup = msgspec.structs.replace(base(OLD), cohorts={"beta": Cohort(("somebody",))})
    found = evaluate(OLD, Flag(OLD.key, setup, enabled=False), asked())
    assert (found.value, found.variant, found.reason) == (False, "off", "DISABLED")


def test_values_are_what_the_clinic_set():
    setup = Setup({"plain": "white", "fancy": "red"}, "fancy", "plain", WHOLE)
    assert evaluate(COLOUR, Flag(COLOUR.key, setup), asked()).value == "red"


def test_what_cannot_be_evaluated_is_as_declared_and_says_why():
    found = fallback(OLD, "PROVIDER_NOT_READY")
    assert (found.value, found.reason, found.error_code) == (True, "ERROR", "PROVIDER_NOT_READY")
    assert found.metadata == {"owner": "tests", "declared": "2025-01-01", "kill_switch": True}


@given(st.uuids(), st.uuids(), KEYS, KEYS)
def test_a_clinics_flag_has_one_id(one: object, other: object, key: str, another: str):
    found = flag_id(one, key)  # pyright: ignore[reportArgumentType]
    assert (found.version, str(found.variant)) == (8, "specified in RFC 4122")
    assert (flag_id(other, another) == found) == ((one, key) == (other, another))  # pyright: ignore[reportArgumentType]
