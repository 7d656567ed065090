"""From a row to the person it names: the one form of each value, or what is wrong with it. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from unicodedata import normalize

from keepwell.domains.uploads.models import FIELDS, NormalRow, RawRow, RowFault
from keepwell.domains.uploads.models import Mapping as Configuration
from keepwell.domains.uploads.rules.dates import birth_date, date_pattern, is_date_format
from keepwell.domains.uploads.rules.phones import is_region, normal_phone
from keepwell.kernel import Fault
from keepwell.kit import zones

_Found = tuple[str, str | None]
"""The normal form and no code; or nothing and the code of a fault."""

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]+")
_EMAIL_MOST, _NAME_MOST, _ID_MOST = 254, 500, 255
_ATTRIBUTES, _ATTRIBUTE_NAME, _ATTRIBUTE = 200, 100, 2_000
_ZONES = {name.casefold(): name for name in zones.names()}
_MESSAGES = {
    "missing-external-id": "Every row needs an external_id.",
    "invalid-external-id": f"Use 1 to {_ID_MOST} printable characters.",
    "invalid-given-name": f"Use 1 to {_NAME_MOST} printable characters.",
    "invalid-family-name": f"Use 1 to {_NAME_MOST} printable characters.",
    "invalid-birth-date": "Use a date such as 1970-12-31, or have the program name the form in which dates are written.",
    "ambiguous-birth-date": "Two of the forms the program names read this differently. Use a date such as 1970-12-31.",
    "birth-date-in-future": "The birth date has not come yet.",
    "birth-date-too-early": "The birth date is before 1850.",
    "invalid-email": "Use an address like name@example.org.",
    "invalid-phone": "Use a number with its country, such as +49 30 1234567.",
    "invalid-time-zone": "Use the IANA name of a zone, such as Europe/Berlin.",
    "invalid-attribute": f"Use at most {_ATTRIBUTES}, with printable names of up to {_ATTRIBUTE_NAME} and texts to {_ATTRIBUTE}.",
}


def faulty(configuration: Configuration) -> Iterator[Fault]:
    """What is wrong with how a program's files are to be read."""
    for name in configuration.columns:
        if name not in FIELDS:
            yield Fault("/columns", "unknown-field", f"Name columns for {', '.join(FIELDS)}.")
    for place, form in enumerate(configuration.date_formats):
        if not is_date_format(form):
            yield Fault(f"/date_formats/{place}", "date-format", "Use DD, MM and YYYY once each, such as DD.MM.YYYY.")
    region = configuration.phone_region
    if region is not None and not is_region(region):
        yield Fault("/phone_region", "unknown-region", "Use a country's two letters, such as DE.")


class Normaliser:
    """Brings rows into normal form, as a program's files are read on one day.

    `configuration` is one that `faulty` finds nothing wrong with.
    """

    def __init__(self, configuration: Configuration, today: date) -> None:
        self._patterns = tuple(date_pattern(form) for form in configuration.date_formats)
        self._region = configuration.phone_region
        self._today = today
        self._forms: dict[str, Callable[[str], _Found]] = {
            "given_name": lambda text: _name(text, "invalid-given-name"),
            "family_name": lambda text: _name(text, "invalid-family-name"),
            "birth_date": lambda text: birth_date(text, self._patterns, self._today),
            "email": _email,
            "phone": lambda text: _phone(text, self._region),
            "time_zone": _time_zone,
        }

    def normal(self, row: RawRow) -> NormalRow | RowFault:
        """Whom a row names, or everything that is wrong with it."""
        faults: list[Fault] = []
        external_id, code = _external_id(row.values.get("external_id", ""))
        if code is not None:
            faults.append(_fault("external_id", code))
        said: dict[str, str] = {}
        for name, form in self._forms.items():
            text = row.values.get(name, "").strip()
            if text:
                said[name], code = form(text)
                if code is not None:
                    faults.append(_fault(name, code))
        attributes = _attributes(row.values)
        if not all(map(_is_attribute, attributes.items())) or len(attributes) > _ATTRIBUTES:
            faults.append(_fault("attributes", "invalid-attribute"))
        if faults:
            return RowFault(row.number, tuple(faults), row.line)
        return NormalRow(row.number, external_id, **said, attributes=attributes, line=row.line)


def _fault(name: str, code: str) -> Fault:
    return Fault(f"/{name}", code, _MESSAGES[code])


def _external_id(text: str) -> _Found:
    text = normalize("NFC", text).strip()
    if not text:
        return "", "missing-external-id"
    return (text, None) if len(text) <= _ID_MOST and text.isprintable() else ("", "invalid-external-id")


def _name(text: str, code: str) -> _Found:
    text = normalize("NFC", " ".join(text.split()))
    return (text, None) if len(text) <= _NAME_MOST and text.isprintable() else ("", code)


def _email(text: str) -> _Found:
    """Domains are the same in any case (RFC 5321, 2.3.11); what stands before them is kept as written."""
    text = normalize("NFC", text)
    if not _EMAIL.fullmatch(text) or not text.isprintable():
        return "", "invalid-email"
    local, _, domain = text.rpartition("@")
    text = f"{local}@{normalize('NFC', domain.lower())}"
    return (text, None) if len(text) <= _EMAIL_MOST else ("", "invalid-email")


def _phone(text: str, region: str | None) -> _Found:
    found = normal_phone(text, region)
    return ("", "invalid-phone") if found is None else (found, None)


def _time_zone(text: str) -> _Found:
    found = _ZONES.get(text.casefold())
    return ("", "invalid-time-zone") if found is None else (found, None)


def _attributes(values: Mapping[str, str]) -> dict[str, str]:
    pairs = ((name, normalize("NFC", value).strip()) for name, value in values.items() if name not in FIELDS)
    return {name: value for name, value in pairs if value}


def _is_attribute(pair: tuple[str, str]) -> bool:
    name, value = pair
    return 0 < len(name) <= _ATTRIBUTE_NAME and name.isprintable() and len(value) <= _ATTRIBUTE
