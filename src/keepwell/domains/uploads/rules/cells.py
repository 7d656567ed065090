"""What a cell of a workbook says, as text: numbers as they are meant, days as ISO dates. Pure."""

import re
from datetime import datetime, timedelta

_BUILT_IN_DATES = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_NOT_DATE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_DATE_LETTER = re.compile(r"[dmyhs]", re.IGNORECASE)
_COLUMN = re.compile(r"([A-Z]{1,3})\d+")
_DAYS_1900, _DAYS_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - a workbook's days have no zone
_LATEST = 2_958_465  # 9999-12-31


def shows_date(format_id: int, code: str | None) -> bool:
    """Whether a number format shows days or times."""
    if code is None:
        return format_id in _BUILT_IN_DATES
    return _DATE_LETTER.search(_NOT_DATE.sub("", code.partition(";")[0])) is not None


def number_text(text: str, *, dated: bool, since_1904: bool) -> str:
    """A number: a day, a day and time, a whole number without a fraction, or as it is stored."""
    try:
        value = float(text)
    except ValueError:
        return text
    if dated and 0 <= value <= _LATEST:
        return _day(value, since_1904=since_1904)
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return text if "e" not in text.lower() else format(value, "f").rstrip("0").rstrip(".")


def _day(value: float, *, since_1904: bool) -> str:
    if not since_1904 and value < 61:
        value += 1 if value >= 1 else 0  # Excel counts a 29 February 1900 that never was
    at = (_DAYS_1904 if since_1904 else _DAYS_1900) + timedelta(seconds=round(value * 86_400))
    return at.date().isoformat() if value == int(value) else at.isoformat()


def column(reference: str) -> int:
    """The column, from 0, of a cell's reference such as `AB12`; -1 for what is none."""
    found = _COLUMN.fullmatch(reference)
    if found is None:
        return -1
    place = 0
    for letter in found[1]:
        place = place * 26 + ord(letter) - 64
    return place - 1
