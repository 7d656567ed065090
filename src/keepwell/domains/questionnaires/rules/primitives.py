"""The R4 primitive types: which JSON value is one. Source: HL7 FHIR R4 (4.0.1), Data Types, section 2.24.0.1.

Every check takes linear time and answers no more than yes or no. Beyond the standard's own limits, numbers stay inside
what a 64-bit integer or double can hold, so that whatever is accepted can be stored and given back unchanged.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from datetime import date
from typing import Any

_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?"
_DATE = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)
_DATE_TIME = re.compile(rf"(\d{{4}}-\d\d-\d\d)T{_CLOCK}{_ZONE}", re.ASCII)
_TIME = re.compile(_CLOCK, re.ASCII)
_CODE = re.compile(r"\S+(?: \S+)*")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_SPACE = re.compile(r"\s")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def is_text(value: Any) -> bool:
    """Whether this is a FHIR string: not empty, no control characters but tab, line feed and carriage return."""
    return isinstance(value, str) and value != "" and _FORBIDDEN.search(value) is None


def is_plain(value: str) -> bool:
    """Whether every character of the text may be stored, an empty text included."""
    return _FORBIDDEN.search(value) is None


def is_boolean(value: Any) -> bool:
    """Whether this is `true` or `false` itself."""
    return isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether this is a signed 32-bit whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31


def is_decimal(value: Any) -> bool:
    """Whether this is a number that can be kept as sent: whole ones within 64 bits."""
    if isinstance(value, bool):
        return False
    return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def is_date(value: Any) -> bool:
    """Whether this is a year, a month or a day that exists: `2026`, `2026-02`, `2026-02-28`."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] == "0000":
        return False
    return match[3] is None or _exists(int(match[1]), int(match[2]), int(match[3]))


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_instant(value: Any) -> bool:
    """Whether this is a day, a time to the second or finer, and an offset."""
    match = _DATE_TIME.fullmatch(value) if isinstance(value, str) else None
    return match is not None and is_date(match[1])


def is_date_time(value: Any) -> bool:
    """Whether this is a partial date, or a date with time and offset."""
    return is_date(value) or is_instant(value)


def is_time(value: Any) -> bool:
    """Whether this is a time of day to the second or finer."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def is_uri(value: Any) -> bool:
    """Whether this is a text without spaces; R4 asks no more of a URI."""
    return is_text(value) and _SPACE.search(value) is None


def is_code(value: Any) -> bool:
    """Whether this is a word, or words with single spaces between."""
    return is_text(value) and _CODE.fullmatch(value) is not None


def is_base64(value: Any) -> bool:
    """Whether this decodes as base64; white space between is allowed."""
    if not is_text(value):
        return False
    try:
        a2b_base64("".join(value.split()), strict_mode=True)
    except (Base64Error, ValueError):
        return False
    return True


def is_xhtml(value: Any) -> bool:
    """Whether this starts as a narrative must, with a `div`. What is in it is cleaned where it is shown."""
    return is_text(value) and value.lstrip().startswith("<div")


def unquoted(type_name: str, value: Any) -> Any:
    """The boolean or number that a text spells where one of this type belongs; None when it spells none.

    Form tools write `"true"` for `true` often enough; what is meant is beyond doubt.
    """
    if not isinstance(value, str) or len(value) > 20:
        return None
    if type_name == "boolean":
        return {"true": True, "false": False}.get(value)
    if type_name in ("integer", "positiveInt", "unsignedInt") and _WHOLE.fullmatch(value) is not None:
        whole = int(value)
        return whole if PRIMITIVES[type_name][0](whole) else None
    if type_name == "decimal" and _NUMBER.fullmatch(value) is not None:
        return float(value)
    return None


def spells_true(value: Any) -> bool:
    """Whether a flag is set, be it `true` or the text of it."""
    return value is True or value == "true"


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


PRIMITIVES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "base64Binary": (is_base64, "base64 data"),
    "boolean": (is_boolean, "true or false"),
    "canonical": (is_uri, "a canonical URL without spaces"),
    "code": (is_code, "a code: words with single spaces between"),
    "date": (is_date, "a date: YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": (is_date_time, "a date, or YYYY-MM-DDThh:mm:ss with an offset or Z"),
    "decimal": (is_decimal, "a number"),
    "id": (_matching(_ID), "an id: 1 to 64 letters, digits, hyphens and points"),
    "instant": (is_instant, "YYYY-MM-DDThh:mm:ss with an offset or Z"),
    "integer": (is_integer, "a whole number between -2147483648 and 2147483647"),
    "markdown": (is_text, "a text that is not empty"),
    "oid": (_matching(_OID), "an OID such as urn:oid:1.2.3"),
    "positiveInt": (lambda value: is_integer(value) and value > 0, "a whole number above 0"),
    "string": (is_text, "a text that is not empty"),
    "time": (is_time, "a time: hh:mm:ss"),
    "unsignedInt": (lambda value: is_integer(value) and value >= 0, "a whole number, 0 or above"),
    "uri": (is_uri, "a URI without spaces"),
    "url": (is_uri, "a URL without spaces"),
    "uuid": (_matching(_UUID), "a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
    "xhtml": (is_xhtml, "a narrative that starts with <div"),
}
"""By type name: the check, and what to tell a caller whose value fails it."""
