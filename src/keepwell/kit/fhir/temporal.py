"""Dates, instants and times of FHIR R4, compared as far as both are precise."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_FRACTION = re.compile(r"\.(\d+)", re.ASCII)
_TICK = timedelta(microseconds=1)
_WIDTHS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_CLOCK = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?", re.ASCII)


class Moment(NamedTuple):
    """A date or instant as precise as it was written: year, month, day, hour, minute, second, as many as there are.

    `fraction` are nanoseconds of the second. `offset` is in minutes east of UTC; None when none was written.
    """

    fields: tuple[int, ...]
    fraction: int = 0
    offset: int | None = None

    @property
    def timed(self) -> bool:
        return len(self.fields) > 3


class Clock(NamedTuple):
    """A time of day as precise as it was written: hour, minute, second, as many as there are."""

    fields: tuple[int, ...]
    fraction: int = 0


def moment(text: str) -> Moment | None:
    """The date or instant that a text spells; None when it spells none that exists."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    fields = tuple(int(part) for part in match.groups()[:6] if part is not None)
    zone, fraction = match[8], int((match[7] or "0").ljust(9, "0"))
    offset = None
    if zone is not None:
        offset = 0 if zone == "Z" else (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 60 + int(zone[4:]))
    found = Moment(fields, fraction, offset)
    try:
        _as_datetime(found)
    except (ValueError, OverflowError):
        return None
    return found


def clock(text: str) -> Clock | None:
    """The time of day that a text spells; None when it spells none."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    fields = tuple(int(part) for part in match.groups()[:3] if part is not None)
    if any(value > most for value, most in zip(fields, (23, 59, 60), strict=False)):
        return None
    return Clock(fields, int((match[4] or "0").ljust(9, "0")))


def _as_datetime(one: Moment) -> datetime:
    year, month, day, hour, minute, second = (*one.fields, *(0, 1, 1, 0, 0, 0)[len(one.fields) :])
    zone = UTC if one.offset is None else timezone(timedelta(minutes=one.offset))
    # A leap second is compared as the second before it.
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)


def _instant(one: Moment) -> Moment:
    """The same instant on the UTC clock."""
    if not one.offset:
        return one
    there = _as_datetime(one).astimezone(UTC)
    moved = (there.year, there.month, there.day, there.hour, there.minute, there.second)
    return Moment(moved[: len(one.fields)], one.fraction, 0)


class Order(NamedTuple):
    """How two values compare. `certain` is False when one is less precise and they agree as far as both say."""

    sign: int
    certain: bool


def compare(one: Moment, other: Moment) -> Order:
    """Two instants on one time line; where one is a mere date, the date as written there, whatever the zone."""
    if one.timed and other.timed:
        try:
            one, other = _instant(one), _instant(other)
        except OverflowError:
            return Order(0, certain=False)
    return _fields(one.fields, one.fraction, other.fields, other.fraction, 6)


def compare_clocks(one: Clock, other: Clock) -> Order:
    """Two times of day."""
    return _fields(one.fields, one.fraction, other.fields, other.fraction, 3)


def _fields(one: tuple[int, ...], nanos: int, other: tuple[int, ...], others: int, full: int) -> Order:
    common = min(len(one), len(other))
    left, right = one[:common], other[:common]
    if left != right:
        return Order(-1 if left < right else 1, certain=True)
    if len(one) != len(other):
        return Order(0, certain=False)
    if common == full and nanos != others:
        return Order(-1 if nanos < others else 1, certain=True)
    return Order(0, certain=True)


def span(text: str) -> tuple[datetime, datetime] | None:
    """The first instant that a date or instant can mean, and the last, to the microsecond in UTC; None when it is neither.

    Without an offset it is read as UTC. What lies beyond the years 1 to 9999 is cut off.
    """
    found = moment(text)
    if found is None:
        return None
    try:
        first = _as_datetime(found).astimezone(UTC) + timedelta(microseconds=found.fraction // 1_000)
        return first, min(first + (_width(found, first, text) - _TICK), _LATEST)
    except OverflowError:
        # Within an offset or a width of either end of time.
        return (_EARLIEST, _EARLIEST) if found.fields[0] == 1 else (_LATEST, _LATEST)


def _width(one: Moment, first: datetime, text: str) -> timedelta:
    """How long it lasts: as long as what it leaves open."""
    written_fraction = _FRACTION.search(text)
    if written_fraction is not None:
        return timedelta(microseconds=10 ** max(0, 6 - len(written_fraction[1])))
    precision = len(one.fields)
    if precision > 2:
        return _WIDTHS[precision - 3]
    year, month = (*one.fields, 12)[:2]
    if (year, month) == (9999, 12):
        return _LATEST - first + _TICK
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - first


def from_datetime(now: datetime) -> Moment:
    """An aware datetime as a moment."""
    offset = now.utcoffset()
    fields = (now.year, now.month, now.day, now.hour, now.minute, now.second)
    return Moment(fields, now.microsecond * 1_000, None if offset is None else int(offset.total_seconds()) // 60)


def written(one: Moment) -> str:
    """The moment as FHIR writes it."""
    text = "-".join((f"{one.fields[0]:04}", *(f"{part:02}" for part in one.fields[1:3])))
    if not one.timed:
        return text
    zone = ""
    if one.offset is not None:
        hours, minutes = divmod(abs(one.offset), 60)
        zone = "Z" if one.offset == 0 else f"{'-' if one.offset < 0 else '+'}{hours:02}:{minutes:02}"
    return text + "T" + written_clock(Clock(one.fields[3:], one.fraction)) + zone


def written_clock(one: Clock) -> str:
    """The time of day as FHIR writes it."""
    fraction = f".{one.fraction:09}".rstrip("0") if one.fraction else ""
    return ":".join(f"{part:02}" for part in one.fields) + fraction
