"""Conversions between types: None when a value has no such form."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from keepwell.kit.fhir.fhirpath.operators import number
from keepwell.kit.fhir.fhirpath.values import Amount, amount, text_of
from keepwell.kit.fhir.temporal import Clock, Moment, clock, moment

_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_QUANTITY = re.compile(
    r"(?P<value>[+-]?\d{1,40}(?:\.\d{1,40})?)(?:\s*'(?P<code>[^']{1,100})'|\s+(?P<word>[a-z]{1,20}?)s?)?", re.ASCII
)
_TRUE = {"true", "t", "yes", "y", "1", "1.0"}
_FALSE = {"false", "f", "no", "n", "0", "0.0"}


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = value.lower() if isinstance(value, str) else None if number(value) is None else format(Decimal(value), "f")
    return True if text in _TRUE else False if text in _FALSE else None


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def _decimal(value: Any) -> int | Decimal | None:
    if isinstance(value, bool):
        return Decimal(int(value))
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    return number(value)


def _moment(value: Any) -> Moment | None:
    return moment(value) if isinstance(value, str) else value if isinstance(value, Moment) else None


def _date(value: Any) -> Moment | None:
    found = _moment(value)
    return None if found is None else Moment(found.fields[:3])


def _time(value: Any) -> Clock | None:
    return clock(value) if isinstance(value, str) else value if isinstance(value, Clock) else None


def _quantity(value: Any) -> Amount | None:
    if isinstance(value, bool):
        return Amount(Decimal(int(value)), "1")
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value)
        return None if match is None else Amount(Decimal(match["value"]), match["code"] or match["word"] or "1")
    plain = number(value)
    return amount(value) if plain is None else Amount(Decimal(plain), "1")


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "Boolean": _boolean,
    "Integer": _integer,
    "Decimal": _decimal,
    "String": text_of,
    "Date": _date,
    "DateTime": _moment,
    "Time": _time,
    "Quantity": _quantity,
}
