"""Which JSON is a well-formed value of the R4 types that answers have. Source: HL7 FHIR R4 (4.0.1), Data Types.

Every check takes time linear in the size of the value.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, cast

from keepwell.kit.fhir.temporal import clock, moment

Check = Callable[[Any], bool]

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_SPACE = re.compile(r"\s")
_CODE = re.compile(r"\S+(?: \S+)*")
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?", re.ASCII)
_DAY = len("2026-02-28")
_DATE_TIME = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))?)?)?", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,9})?", re.ASCII)


def is_text(value: Any) -> bool:
    """Whether this is a FHIR string: not empty, no control characters but tab, line feed and carriage return."""
    # Most texts are printable, which is told faster than a pattern is searched.
    return isinstance(value, str) and value != "" and (value.isprintable() or _FORBIDDEN.search(value) is None)


def is_boolean(value: Any) -> bool:
    """Whether this is `true` or `false` itself."""
    return isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether this is a signed 32-bit whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31


def is_decimal(value: Any) -> bool:
    """Whether this is a number."""
    if isinstance(value, float):
        return value - value == 0  # neither infinite nor not a number
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def is_date(value: Any) -> bool:
    """Whether this is a year, a month or a day that exists."""
    if not isinstance(value, str) or _DATE.fullmatch(value) is None:
        return False
    return _is_day(value) if len(value) == _DAY else _in_time(value)


def is_date_time(value: Any) -> bool:
    """Whether this is a date, or a day with a time to the second and an offset."""
    return isinstance(value, str) and _DATE_TIME.fullmatch(value) is not None and _in_time(value)


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _in_time(value: str) -> bool:
    return not value.startswith("0000") and moment(value) is not None


def is_time(value: Any) -> bool:
    """Whether this is a time of day to the second or finer."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None and clock(value) is not None


def is_uri(value: Any) -> bool:
    """Whether this is a text without spaces."""
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return value != "" and " " not in value
    return is_text(value) and _SPACE.search(value) is None


def is_code(value: Any) -> bool:
    """Whether this is a word, or words with single spaces between."""
    if isinstance(value, str) and value.isalnum():
        return True
    return is_text(value) and _CODE.fullmatch(value) is not None


def decoded_size(data: str) -> int | None:
    """How many bytes a base64 text holds, white space between allowed; None when it is none."""
    try:
        return len(a2b_base64("".join(data.split()), strict_mode=True))
    except (Base64Error, ValueError):
        return None


def is_base64(value: Any) -> bool:
    """Whether this decodes as base64."""
    return is_text(value) and decoded_size(value) is not None


def is_size(value: Any) -> bool:
    """Whether this is a whole number, zero or above."""
    return is_integer(value) and value >= 0


def is_element(value: Any) -> bool:
    """Whether this is an object that is not empty. What is in it is not looked at."""
    return isinstance(value, dict) and bool(cast("dict[str, Any]", value))


def is_elements(value: Any) -> bool:
    """Whether this is a list of such objects that is not empty."""
    return isinstance(value, list) and value != [] and all(is_element(one) for one in cast("list[Any]", value))


def _comparator(value: Any) -> bool:
    return value in ("<", "<=", ">=", ">")


_ELEMENT: dict[str, Check] = {"id": is_text, "extension": is_elements}
_COMPLEX: dict[str, Mapping[str, Check]] = {
    "Coding": {
        **_ELEMENT, "system": is_uri, "version": is_text, "code": is_code, "display": is_text, "userSelected": is_boolean,
    },
    "Quantity": {
        **_ELEMENT, "value": is_decimal, "comparator": _comparator, "unit": is_text, "system": is_uri, "code": is_code,
    },
    "Reference": {**_ELEMENT, "reference": is_text, "type": is_uri, "identifier": is_element, "display": is_text},
    "Attachment": {
        **_ELEMENT, "contentType": is_code, "language": is_code, "data": is_base64, "url": is_uri, "size": is_size,
        "hash": is_base64, "title": is_text, "creation": is_date_time,
    },
}  # fmt: skip
PRIMITIVES: dict[str, Check] = {
    "boolean": is_boolean,
    "decimal": is_decimal,
    "integer": is_integer,
    "date": is_date,
    "dateTime": is_date_time,
    "time": is_time,
    "string": is_text,
    "uri": is_uri,
}
TYPES = frozenset((*PRIMITIVES, *_COMPLEX))
"""The types an answer may have."""
KEYS: dict[str, str] = {"value" + type_[0].upper() + type_[1:]: type_ for type_ in sorted(TYPES)}
"""The properties an answer's value may stand in, each with its type."""


def _is_complex(type_: str) -> Check:
    return lambda value: malformed(type_, value) is None


CHECKS: dict[str, Check] = {**PRIMITIVES, **{type_: _is_complex(type_) for type_ in _COMPLEX}}
"""By type: whether a value is a well-formed one."""


def malformed(type_: str, value: Any) -> str | None:
    """Where a value is no well-formed one of its type: the name of a property of it, or `""` for itself. None when it is."""
    check = PRIMITIVES.get(type_)
    if check is not None:
        return None if check(value) else ""
    if not isinstance(value, dict) or not value:
        return ""
    properties = _COMPLEX[type_]
    for name, inner in cast("dict[str, Any]", value).items():
        check = properties.get(name)
        if check is None:
            beside = name[1:] if name.startswith("_") else ""
            if beside not in properties or beside in _ELEMENT or not is_element(inner):
                return name
        elif not check(inner):
            return name
    return None


def as_decimal(value: Any) -> Decimal | None:
    """A JSON number exactly as it was written, but for zeros at its end; None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    return Decimal(repr(value)) if isinstance(value, float) and value - value == 0 else None


def typed(element: Mapping[str, Any], base: str) -> tuple[str, Any]:
    """The type and value of a choice element such as `value[x]`: `("Coding", {...})`, `("string", "x")`, `("", None)`.

    Complex types begin with a capital letter, primitive ones do not.
    """
    for name, value in element.items():
        if name.startswith(base) and name[len(base) :][:1].isupper():
            kind = name[len(base) :]
            whole = bool(isinstance(value, dict))
            return (kind if whole else kind[0].lower() + kind[1:]), value
    return "", None
