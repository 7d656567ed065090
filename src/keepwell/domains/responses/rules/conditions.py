"""`enableWhen`: whether answers meet a condition. Source: HL7 FHIR R4 (4.0.1), Questionnaire.item.enableWhen.

A comparison that the two values cannot decide (other types, other units, overlapping dates) does not hold, whichever way
it was asked.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from operator import ge, gt, le, lt
from typing import Any, NamedTuple, cast

from keepwell.domains.questionnaires import Condition

_ORDER: dict[str, Callable[[Any, Any], bool]] = {">": gt, "<": lt, ">=": ge, "<=": le}
_TICK = timedelta(microseconds=1)


class Comparable(NamedTuple):
    """A value made ready: only two of one `sort` can be compared. `first` and `last` differ for partial dates."""

    sort: tuple[Any, ...]
    first: Any
    last: Any


def holds(condition: Condition, answers: Sequence[Any]) -> bool:
    """Whether a condition holds for the answers of the item it looks at: it is enough that one of them meets it."""
    if condition.operator == "exists":
        return bool(answers) == condition.value
    return any(_meets(condition, answer) for answer in answers)


def _meets(condition: Condition, answer: Any) -> bool:
    if condition.type in ("Coding", "Reference"):
        same = _same(condition.type, answer, condition.value)
        return {"=": same, "!=": not same}.get(condition.operator, False)
    left, right = comparable(condition.type, answer), comparable(condition.type, condition.value)
    if left is None or right is None or left.sort != right.sort:
        return False
    equal = left == right
    if condition.operator in ("=", "!="):
        return equal == (condition.operator == "=")
    if equal:
        return condition.operator in ("<=", ">=")
    if _ORDER[condition.operator] in (lt, le):
        return left.last < right.first
    return left.first > right.last


def _same(kind: str, answer: Any, value: dict[str, Any]) -> bool:
    """Codings by system and code (a condition without a system asks for the code alone), references by what they point to."""
    if not isinstance(answer, dict):
        # A text answer to an open choice stands for the option that reads the same.
        return isinstance(answer, str) and answer == value.get("display")
    sent = cast("dict[str, Any]", answer)
    names = ("reference",) if kind == "Reference" else ("code", "system") if "code" in value else ("display",)
    return all(sent.get(name) == value.get(name) for name in names if name != "system" or "system" in value)


def comparable(kind: str, value: Any) -> Comparable | None:
    """A value of a FHIR type made ready for comparing; None when it is not of that type."""
    if kind in ("decimal", "integer"):
        return _number(("number",), value)
    if kind == "boolean":
        return Comparable(("boolean",), value, value) if isinstance(value, bool) else None
    if kind == "Quantity" and isinstance(value, dict):
        quantity = cast("dict[str, Any]", value)
        unit = (quantity.get("system"), quantity["code"]) if "code" in quantity else (quantity.get("unit"),)
        return _number(("quantity", *unit), quantity.get("value"))
    if not isinstance(value, str):
        return None
    try:
        return _text(kind, value)
    except (ValueError, OverflowError):
        return None


def _number(sort: tuple[Any, ...], value: Any) -> Comparable | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Comparable(sort, value, value)


def _text(kind: str, value: str) -> Comparable:
    if kind == "time":
        moment = time.fromisoformat(_without_leap_second(value))
        return Comparable(("time",), moment, moment)
    if kind not in ("date", "dateTime"):
        return Comparable(("text",), value, value)
    if "T" in value:
        instant = datetime.fromisoformat(_without_leap_second(value)).astimezone(UTC)
        return Comparable(("date",), instant, instant)
    return Comparable(("date",), *_span(value))


def _without_leap_second(value: str) -> str:
    return value.replace(":60", ":59")


def _span(value: str) -> tuple[datetime, datetime]:
    """The first and last instant of a year, month or day, taken in UTC because a date has no zone."""
    year, month, day = ([int(part) for part in value.split("-")] + [0, 0])[:3]
    first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day:
        return first, first + timedelta(days=1) - _TICK
    following = (year + 1, 1) if month in (0, 12) else (year, month + 1)
    return first, datetime(*following, 1, tzinfo=UTC) - _TICK
