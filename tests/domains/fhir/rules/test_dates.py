"""Dates in searches hold for exactly the spans that FHIR says, whichever way they are asked."""

import operator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.fhir.rules.dates import EARLIEST, LATEST, Asked, asked, both, condition, intervals
from keepwell.kernel import Condition

NOW = datetime(2026, 3, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


def instant(number: int) -> datetime:
    return START + number * TICK


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    first = draw(st.integers(0, 12))
    return first, first + draw(st.integers(0, 5))


def holds(found: Condition, first: datetime, last: datetime) -> bool:
    values = {"first": first, "last": last}
    compare: dict[str, Any] = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
    return any(all(compare[one.operator](values[one.column], one.value) for one in all_of) for all_of in found)


def expected(prefix: str, wanted: tuple[int, int], has: tuple[int, int]) -> bool:
    """By the words of the specification, on sets of instants."""
    (start, end), (first, last) = wanted, has
    within = set(range(first, last + 1)) <= set(range(start, end + 1))
    above, below = last > end, first < start
    return {
        "eq": within,
        "ne": not within,
        "gt": above,
        "lt": below,
        "ge": above or within,
        "le": below or within,
        "sa": first > end,
        "eb": last < start,
        "ap": first <= end and last >= start,
    }[prefix]


@given(st.sampled_from(PREFIXES), spans(), spans())
def test_a_span_is_met_as_the_specification_says(prefix: str, wanted: tuple[int, int], has: tuple[int, int]):
    found = condition("first", "last", [Asked(prefix, instant(wanted[0]), instant(wanted[1]))])
    assert holds(found, instant(has[0]), instant(has[1])) is expected(prefix, wanted, has)


@given(st.lists(st.tuples(st.sampled_from(PREFIXES), spans()), min_size=1, max_size=3), st.integers(-2, 20))
def test_intervals_hold_the_instants_that_any_value_asks_for(wanted: list[tuple[str, tuple[int, int]]], number: int):
    values = [Asked(prefix, instant(start), instant(end)) for prefix, (start, end) in wanted]
    found = intervals(values)
    assert found == sorted(found)
    inside = any(first <= instant(number) <= last for first, last in found)
    assert inside is any(expected(prefix, span, (number, number)) for prefix, span in wanted)
    assert both(found, [(EARLIEST, LATEST)]) == found
    assert both(found, []) == []


@given(st.lists(spans(), max_size=4), st.lists(spans(), max_size=4), st.integers(0, 18))
def test_both_are_the_instants_in_either(one: list[tuple[int, int]], other: list[tuple[int, int]], number: int):
    first, second = ([(instant(a), instant(b)) for a, b in each] for each in (one, other))
    inside = any(start <= instant(number) <= end for start, end in both(first, second))
    assert inside is (any(a <= number <= b for a, b in one) and any(a <= number <= b for a, b in other))


@pytest.mark.parametrize(
    ("value", "prefix", "first", "last"),
    [
        ("2026", "eq", "2026-01-01T00:00:00Z", "2026-12-31T23:59:59.999999Z"),
        ("ge2026-02", "ge", "2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999999Z"),
        ("lt2026-03-01T12:00:00 01:00", "lt", "2026-03-01T11:00:00Z", "2026-03-01T11:00:00.999999Z"),
        ("ap2026-02-19", "ap", "2026-02-18T00:00:00Z", "2026-02-20T23:59:59.999999Z"),
    ],
)
def test_a_value_is_read_with_its_prefix(value: str, prefix: str, first: str, last: str):
    found = asked(value, NOW)
    assert found == Asked(prefix, datetime.fromisoformat(first), datetime.fromisoformat(last))


def test_about_ends_where_time_ends():
    for value, end in (("ap0001", EARLIEST), ("ap9999", LATEST)):
        found = asked(value, NOW)
        assert found is not None
        assert end in (found.first, found.last)


@pytest.mark.parametrize("value", ["", "ge", "x2026", "gege2026", "2026-13", "2026-1", "today", "2026 ", "ge 2026", "2026\n"])
def test_what_is_no_date_is_not_read(value: str):
    assert asked(value, NOW) is None
