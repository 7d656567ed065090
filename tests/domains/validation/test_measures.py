"""Units that measure the same are converted, others never; dates compare as far as both say; value sets know their limits."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.validation import compile_value_set
from keepwell.domains.validation.models import Membership, ValueSet
from keepwell.domains.validation.rules.valuesets import contains_code, membership
from keepwell.kit.fhir import units
from keepwell.kit.fhir.temporal import clock, compare, moment, written


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1, "kg"), (1_000, "g")),
        ((1, "[in_i]"), (Decimal("2.54"), "cm")),
        ((1, "[lb_av]"), (16, "[oz_av]")),
        ((1, "[ft_i]"), (12, "[in_i]")),
        ((1, "[mi_i]"), (5_280, "[ft_i]")),
        ((100, "Cel"), (212, "[degF]")),
        ((0, "Cel"), (Decimal("273.15"), "K")),
        ((760, "mm[Hg]"), (Decimal("101325.0144354"), "Pa")),
        ((1, "mmol/L"), (1, "umol/mL")),
        ((1, "g/dL"), (10, "g/L")),
        ((1, "10*3/uL"), (1, "10*9/L")),
        ((60, "/min"), (1, "Hz")),
        ((60, "{beats}/min"), (1, "/s")),
        ((1, "U/L"), (Decimal(1) / 60, "umol/s/L")),
        ((1, "kcal"), (Decimal("4.184"), "kJ")),
        ((1, "L"), (1, "dm3")),
        ((1, "mL"), (1, "cm3")),
        ((1, "ug/(24.h)"), (1, "ug/d")),
        ((50, "%"), (Decimal("0.5"), "1")),
        ((1, "wk"), (7, "d")),
        ((1, "kg.m/s2"), (1, "N")),
        ((1, "m2"), (10_000, "cm2")),
        ((1, "[IU]/L"), (1, "m[IU]/mL")),
    ],
)
def test_amounts_that_are_the_same_in_other_units_are_known_to_be(left: tuple[Any, str], right: tuple[Any, str]):
    found = units.compare(Decimal(left[0]), left[1], Decimal(right[0]), right[1])
    assert found.comparable
    assert abs(found.left - found.right) <= abs(found.left) * Decimal("1e-9")


@pytest.mark.parametrize(
    ("left", "right"), [("kg", "m"), ("mmol/L", "mg/dL"), ("[IU]", "mg"), ("Cel", "J"), ("L", "L/min"), ("[IU]", "[arb'U]")]
)
def test_amounts_of_different_things_are_not_compared(left: str, right: str):
    found = units.compare(Decimal(1), left, Decimal(1), right)
    assert (found.comparable, found.known) == (False, True)


@pytest.mark.parametrize(
    "code", ["", "furlong", "kkg", "k%", "m/", "m//s", "(m", "m)", "m.", "{x", "M[IU", "m" * 200, "[" * 50, "(" * 60]
)
def test_what_is_no_unit_of_the_table_is_unknown(code: str):
    assert units.unit(code) is None


@given(st.text("mgkLs/.()0123456789-+[]{}*^%dU'", max_size=25))
def test_no_code_makes_reading_units_fail(code: str):
    found = units.unit(code)
    assert found is None or found.factor > 0


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_the_same_whatever_the_zone_it_is_written_in(at: Any, offset: int):
    text = at.isoformat(timespec="microseconds") + "Z"
    one = moment(text)
    assert one is not None
    moved = one._replace(offset=offset)
    assert compare(one, moved).sign == (offset > 0) - (offset < 0) or at.year in (1, 9_999)
    assert moment(written(one)) == one


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-02-30", "2026-02-28T25:00:00Z", "2026-2-3", "26", "", "2026-02-28 12:00:00", "T12:00"]
)
def test_what_is_no_date_is_none(text: str):
    assert moment(text) is None


@pytest.mark.parametrize("text", ["24:00:00", "12:60", "1:00:00", "", "12:00:00Z"])
def test_what_is_no_time_is_none(text: str):
    assert clock(text) is None


SYSTEM = "http://example.org/s"


def compiled(compose: dict[str, Any]) -> ValueSet:
    systems = {SYSTEM: {"a": ("Ay",), "b": ("Bee",)}}
    others = {"http://example.org/vs": ValueSet(None, {SYSTEM: {"b": ("Bee",)}})}
    return compile_value_set({"resourceType": "ValueSet", **compose}, systems.get, others.get)


def verdict(values: ValueSet, code: str, system: str = SYSTEM, name: str | None = None) -> Membership:
    return membership(values, system, code, name)


def including(*parts: dict[str, Any], exclude: list[Any] | None = None) -> dict[str, Any]:
    return {"compose": {"include": list(parts), **({"exclude": exclude} if exclude else {})}}


def test_a_whole_system_is_enumerated_where_it_is_known():
    values = compiled(including({"system": SYSTEM}))
    assert [verdict(values, code) for code in "abc"] == [Membership.MEMBER, Membership.MEMBER, Membership.STRANGER]
    assert verdict(values, "a", "http://elsewhere") is Membership.STRANGER


def test_of_a_system_that_is_not_known_nothing_is_sure():
    values = compiled(including({"system": "http://loinc.org"}))
    assert verdict(values, "8480-6", "http://loinc.org") is Membership.UNKNOWN
    assert verdict(values, "no code of LOINC", "http://loinc.org") is Membership.STRANGER
    assert verdict(values, "a") is Membership.STRANGER
    assert contains_code(values, "8480-6") is Membership.UNKNOWN


@pytest.mark.parametrize(
    "part",
    [
        {"system": SYSTEM, "filter": [{"property": "concept", "op": "is-a", "value": "a"}]},
        {"system": SYSTEM, "valueSet": ["http://example.org/vs"]},
    ],
)
def test_what_only_a_terminology_server_could_tell_is_not_sure(part: dict[str, Any]):
    values = compiled(including(part))
    assert verdict(values, "a") is Membership.UNKNOWN
    assert verdict(values, "a", "http://elsewhere") is Membership.STRANGER


def test_other_sets_are_taken_over():
    values = compiled(including({"valueSet": ["http://example.org/vs"]}))
    assert (verdict(values, "b"), verdict(values, "a")) == (Membership.MEMBER, Membership.STRANGER)
    unknown = compiled(including({"valueSet": ["http://example.org/none"]}))
    assert verdict(unknown, "a") is Membership.UNKNOWN


def test_what_is_excluded_does_not_belong():
    values = compiled(including({"system": SYSTEM}, exclude=[{"system": SYSTEM, "concept": [{"code": "a"}]}]))
    assert (verdict(values, "a"), verdict(values, "b")) == (Membership.STRANGER, Membership.MEMBER)
    assert contains_code(values, "a") is Membership.STRANGER
    unsure = compiled(including({"system": SYSTEM}, exclude=[{"system": SYSTEM, "filter": [{}]}]))
    assert verdict(unsure, "a") is Membership.UNKNOWN


def test_names_are_those_of_the_set_and_of_the_system():
    listed = {"code": "a", "display": "Letter A", "designation": [{"value": "Buchstabe A"}]}
    values = compiled(including({"system": SYSTEM, "concept": [listed]}))
    for name in ("Letter A", "letter  a", "Buchstabe A", "Ay"):
        assert verdict(values, "a", name=name) is Membership.MEMBER
    assert verdict(values, "a", name="Bee") is Membership.MISNAMED


def test_an_expansion_is_as_good_as_a_composition():
    contains = [{"system": SYSTEM, "code": "x", "contains": [{"system": SYSTEM, "code": "y"}]}, {"abstract": True, "code": "z"}]
    values = compiled({"expansion": {"contains": contains}})
    assert [verdict(values, code) for code in "xyz"] == [Membership.MEMBER, Membership.MEMBER, Membership.STRANGER]


def test_a_set_too_large_to_be_held_is_open():
    concepts = [{"code": str(number)} for number in range(30_000)]
    values = compiled(including({"system": SYSTEM, "concept": concepts}))
    assert sum(len(codes) for codes in values.codes.values()) == 20_000
    assert verdict(values, "29999") is Membership.UNKNOWN


NAMES = st.sampled_from(
    ["compose", "include", "exclude", "concept", "code", "system", "valueSet", "filter", "expansion", "contains", "designation"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


@given(st.dictionaries(NAMES, JSON, max_size=4) | JSON.map(lambda one: {"compose": {"include": one}}))
def test_no_value_set_makes_compiling_fail(sent: dict[str, Any]):
    compiled(sent)
