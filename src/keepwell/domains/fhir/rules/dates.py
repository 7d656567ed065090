"""Searching by date: prefixes and partial dates, compared as FHIR R4 wants it (search, 3.1.1.5.3): spans with spans.

A date means the whole span it leaves open, a day or a year. `eq` holds where the span searched for holds the whole other one.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from keepwell.kernel import Comparison, Condition
from keepwell.kit.fhir.temporal import span

_VALUE = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?([0-9].*)", re.DOTALL)
_LOST_PLUS = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)")
_TICK = timedelta(microseconds=1)
EARLIEST, LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


class Asked(NamedTuple):
    """One value of a date parameter: its prefix, and the first and last instant of its span."""

    prefix: str
    first: datetime
    last: datetime


def asked(value: str, now: datetime) -> Asked | None:
    """What a value asks for; None when it is no date. About (`ap`) is a tenth of the distance from now, both ways."""
    match = _VALUE.fullmatch(value)
    # A plus sign that was not percent-encoded arrives as a space.
    found = None if match is None else span(_LOST_PLUS.sub("+", match[2]))
    if match is None or found is None:
        return None
    prefix, (first, last) = match[1] or "eq", found
    if prefix == "ap":
        margin = abs(now - first) / 10
        first = first - margin if first - EARLIEST > margin else EARLIEST
        last = last + margin if LATEST - last > margin else LATEST
    return Asked(prefix, first, last)


def condition(first: str, last: str, wanted: list[Asked]) -> Condition:
    """Holds for what has a span, between these columns, that any of the values asks for."""
    found: list[tuple[Comparison, ...]] = []
    for prefix, start, end in wanted:
        within = (Comparison(first, ">=", start), Comparison(last, "<=", end))
        after, before = (Comparison(last, ">", end),), (Comparison(first, "<", start),)
        found += {
            "eq": [within],
            "ne": [before, after],
            "gt": [after],
            "lt": [before],
            "ge": [within, after],
            "le": [within, before],
            "sa": [(Comparison(first, ">", end),)],
            "eb": [(Comparison(last, "<", start),)],
            "ap": [(Comparison(first, "<=", end), Comparison(last, ">=", start))],
        }[prefix]
    return tuple(found)


Interval = tuple[datetime, datetime]
"""Instants from the first to the last, both included."""


def intervals(wanted: list[Asked]) -> list[Interval]:
    """The instants that any of the values asks for, in order, none twice."""
    found: list[Interval] = []
    for prefix, start, end in wanted:
        after = [(end + _TICK, LATEST)] if end < LATEST else []
        before = [(EARLIEST, start - _TICK)] if start > EARLIEST else []
        found += {
            "ne": before + after,
            "gt": after,
            "sa": after,
            "lt": before,
            "eb": before,
            "ge": [(start, LATEST)],
            "le": [(EARLIEST, end)],
        }.get(prefix, [(start, end)])
    return _merged(found)


def both(one: list[Interval], other: list[Interval]) -> list[Interval]:
    """The instants that are in both."""
    found = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return sorted(interval for interval in found if interval[0] <= interval[1])


def _merged(found: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(found):
        if merged and start - merged[-1][1] <= _TICK:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
