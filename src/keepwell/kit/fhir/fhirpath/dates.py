"""Adds calendar durations to dates, instants and times of day."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from keepwell.kit.fhir.fhirpath.errors import ExpressionError
from keepwell.kit.fhir.fhirpath.values import Amount
from keepwell.kit.fhir.temporal import Clock, Moment

_MONTHS = {"year": 12, "month": 1, "a": 12, "mo": 1}
_SECONDS = {
    "week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1,
    "wk": 604_800, "d": 86_400, "h": 3_600, "min": 60, "s": 1,
}  # fmt: skip


def shifted(start: Moment | Clock, by: Amount | None, sign: int) -> Moment | Clock:
    """The moment so much later or earlier, as precise as the start; a month's missing day becomes its last.

    Raises:
        ExpressionError: it is no duration, or leads out of the calendar.
    """
    if by is None or by.unit is None or abs(by.value) > 10**9:
        raise ExpressionError("An expression adds something to a date that is no duration.")
    try:
        if isinstance(start, Clock):
            return _around_the_clock(start, _seconds(by) * sign)
        if by.unit in _MONTHS:
            return _months(start, int(by.value) * _MONTHS[by.unit] * sign)
        return _later(start, _seconds(by) * sign)
    except (ValueError, OverflowError):
        raise ExpressionError("An expression leads to a date that does not exist.") from None


def _seconds(by: Amount) -> int:
    each = _SECONDS.get(by.unit or "")
    if each is None:
        raise ExpressionError("An expression adds something to a date that is no duration.")
    return int(by.value * each)


def _around_the_clock(start: Clock, seconds: int) -> Clock:
    hour, minute, second = (*start.fields, *(0, 0)[: 3 - len(start.fields)])
    total = (hour * 3_600 + minute * 60 + second + seconds) % 86_400
    return Clock((total // 3_600, total // 60 % 60, total % 60)[: len(start.fields)], start.fraction)


def _months(start: Moment, months: int) -> Moment:
    year, month = divmod(start.fields[0] * 12 + (start.fields[1] - 1 if len(start.fields) > 1 else 0) + months, 12)
    if not 1 <= year <= 9_999:
        raise ValueError(year)
    fields = (year, month + 1, *start.fields[2:])[: len(start.fields)]
    if len(fields) > 2:
        fields = (*fields[:2], min(fields[2], monthrange(year, month + 1)[1]), *fields[3:])
    return start._replace(fields=fields)


def _later(start: Moment, seconds: int) -> Moment:
    year, month, day, hour, minute, second = (*start.fields, *(0, 1, 1, 0, 0, 0)[len(start.fields) :])
    there = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC) + timedelta(seconds=seconds)
    fields = (there.year, there.month, there.day, there.hour, there.minute, there.second)
    return start._replace(fields=fields[: len(start.fields)])
