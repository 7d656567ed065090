"""How long a date or instant lasts: as long as what it leaves open."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.kit.fhir.temporal import span

TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01T00:00:00+00:00", "2026-12-31T23:59:59.999999+00:00"),
        ("2026-02", "2026-02-01T00:00:00+00:00", "2026-02-28T23:59:59.999999+00:00"),
        ("2026-12", "2026-12-01T00:00:00+00:00", "2026-12-31T23:59:59.999999+00:00"),
        ("2024-02-29", "2024-02-29T00:00:00+00:00", "2024-02-29T23:59:59.999999+00:00"),
        ("2026-03-01T12:30Z", "2026-03-01T12:30:00+00:00", "2026-03-01T12:30:59.999999+00:00"),
        ("2026-03-01T12:30:15+02:00", "2026-03-01T10:30:15+00:00", "2026-03-01T10:30:15.999999+00:00"),
        ("2026-03-01T12:30:15.0Z", "2026-03-01T12:30:15+00:00", "2026-03-01T12:30:15.099999+00:00"),
        ("2026-03-01T12:30:15.123Z", "2026-03-01T12:30:15.123+00:00", "2026-03-01T12:30:15.123999+00:00"),
        ("2026-03-01T12:30:15.123456Z", "2026-03-01T12:30:15.123456+00:00", "2026-03-01T12:30:15.123456+00:00"),
        ("2026-03-01T12:30:15.123456789Z", "2026-03-01T12:30:15.123456+00:00", "2026-03-01T12:30:15.123456+00:00"),
        ("0001", "0001-01-01T00:00:00+00:00", "0001-12-31T23:59:59.999999+00:00"),
        ("9999", "9999-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"),
        ("9999-12-31", "9999-12-31T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999+00:00", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_date_lasts_as_long_as_what_it_leaves_open(text: str, first: str, last: str):
    assert span(text) == (datetime.fromisoformat(first), datetime.fromisoformat(last))


@pytest.mark.parametrize("text", ["", "x", "0000", "2026-13", "2026-02-30", "26", "2026-3-1", "2026-03-01 12:00", "12:00:00"])
def test_what_is_no_date_has_no_span(text: str):
    assert span(text) is None


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC)))  # noqa: DTZ001 - made aware by the strategy
def test_an_instant_lies_in_the_span_of_each_of_its_shorter_forms(instant: datetime):
    whole = instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert span(whole) == (instant, instant)
    for text in (whole[:4], whole[:7], whole[:10], whole[:16] + "Z", whole[:19] + "Z", whole[:23] + "Z"):
        found = span(text)
        assert found is not None
        assert found[0] <= instant <= found[1]
        after = span((found[1] + TICK).isoformat(timespec="microseconds").replace("+00:00", "Z"))
        assert after == (found[1] + TICK, found[1] + TICK)
