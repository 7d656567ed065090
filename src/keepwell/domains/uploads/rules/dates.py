"""Birth dates, by the forms that are allowed and no other. Pure."""

import re
from collections.abc import Sequence
from datetime import date

_ISO = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_PARTS = {"DD": r"(?P<day>\d{1,2})", "MM": r"(?P<month>\d{1,2})", "YYYY": r"(?P<year>\d{4})"}
_FORM = re.compile(r"(DD|MM|YYYY)([./ -])(DD|MM|YYYY)\2(DD|MM|YYYY)")
_EARLIEST = 1850


def is_date_format(text: str) -> bool:
    """Whether this says how dates are written: DD, MM and YYYY, once each, with one of `. / -` or a space between them."""
    found = _FORM.fullmatch(text)
    return found is not None and {found[1], found[3], found[4]} == set(_PARTS)


def date_pattern(text: str) -> re.Pattern[str]:
    """What finds the parts of a date that is written in a form.

    Raises:
        ValueError: it is not the form of a date.
    """
    found = _FORM.fullmatch(text)
    if found is None or not is_date_format(text):
        raise ValueError("not the form of a date")
    between = re.escape(found[2])
    return re.compile(between.join(_PARTS[part] for part in (found[1], found[3], found[4])), re.ASCII)


def birth_date(text: str, patterns: Sequence[re.Pattern[str]], today: date) -> tuple[str, str | None]:
    """The FHIR date that a text says, and no fault; or the code of what is wrong.

    A month or a year alone are dates too, as in FHIR. A text that two forms read differently is ambiguous, and not guessed.
    """
    said = _iso(text)
    if said is None:
        read = {found for pattern in patterns if (found := _formed(text, pattern)) is not None}
        if len(read) > 1:
            return "", "ambiguous-birth-date"
        said = read.pop() if read else None
    if said is None:
        return "", "invalid-birth-date"
    if said > today.isoformat()[: len(said)]:
        return "", "birth-date-in-future"
    return (said, None) if int(said[:4]) >= _EARLIEST else ("", "birth-date-too-early")


def _iso(text: str) -> str | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    return text if _day(found[1], found[2] or "1", found[3] or "1") is not None else None


def _formed(text: str, pattern: re.Pattern[str]) -> str | None:
    found = pattern.fullmatch(text)
    return None if found is None else _day(found["year"], found["month"], found["day"])


def _day(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
