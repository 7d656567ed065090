"""Search parameters as sent, read against those a type declares: every one known, or refused unless the caller is lenient.

Repeated parameters must all hold; of values between commas any one may. Source: HL7 FHIR R4 (4.0.1), search.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.fhir.models import Filter, HistoryPart, Parameter, Query, ResourceType
from keepwell.domains.fhir.rules import dates
from keepwell.kernel import Comparison, Condition, Fault, Refusal, Refused
from keepwell.kernel.problems import INVALID_PARAMETER
from keepwell.kit.ids import parse_id

MOST = 1_000
USUAL = 100
UNKNOWN = "There is no such parameter here."
_MOST_VALUES = 200
_SPLIT = re.compile(r"(?<!\\)((?:\\\\)*),")
_TOKEN = re.compile(r"((?:[^\\|]|\\.)*)\|(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\([\\,|$])")
_ID = Parameter("_id", "token", "The id of the resource")
_LAST_UPDATED = Parameter("_lastUpdated", "date", "When this version was made")
COMMON = (_ID, _LAST_UPDATED)
"""What every stored type can be searched by."""

_JSON = {"json", "application/json", "application/fhir+json", "text/json"}
_SORTS = {"_id": "id", "_lastUpdated": "updated_at"}


class _Reader:
    def __init__(self, type_: ResourceType, *, lenient: bool) -> None:
        self._type = type_
        self._lenient = lenient
        self._seen: set[str] = set()
        self.faults: list[Fault] = []
        self.query = Query(count=USUAL)

    def take(self, name: str, value: str) -> None:
        control = getattr(self, f"_take{name}", None) if name in _CONTROLS else None
        if control is not None:
            if name in self._seen:
                self._fault(name, "repeated-parameter", "Send this parameter once.")
            self._seen.add(name)
            control(value)
            self._use(name, value)
            return
        plain, colon, modifier = name.partition(":")
        parameter = self._type.parameter(plain)
        if parameter is None:
            self._unknown(name, "unknown-parameter", UNKNOWN)
        elif colon and modifier not in parameter.modifiers:
            self._unknown(name, "unknown-modifier", "This parameter takes no such modifier.")
        else:
            values = split(value)
            if not all(values) or len(values) > _MOST_VALUES:
                self._fault(name, "invalid-value", f"Send a value, or up to {_MOST_VALUES} with commas between them.")
            self.query = replace(self.query, filters=(*self.query.filters, Filter(plain, values, modifier)))
            self._use(name, value)

    def _use(self, name: str, value: str) -> None:
        if name != "_cursor":
            self.query = replace(self.query, used=(*self.query.used, (name, value)))

    def _unknown(self, name: str, code: str, message: str) -> None:
        if self._lenient:
            self.query = replace(self.query, ignored=(*self.query.ignored, name))
        else:
            self._fault(name, code, message)

    def _fault(self, name: str, code: str, message: str) -> None:
        self.faults.append(Fault(f"?{name[:80]}", code, message))

    def _take_count(self, value: str) -> None:
        if not (value.isascii() and value.isdigit()) or len(value) > 9:
            self._fault("_count", "invalid-value", "Send a number of 0 or more.")
        elif int(value) == 0 and self._type.finder is None:
            self._fault("_count", "invalid-value", "What is not counted here has no total: send a number of 1 or more.")
        elif int(value) == 0:
            self.query = replace(self.query, counted=True, listed=False)
        else:
            self.query = replace(self.query, count=min(int(value), MOST))

    def _take_sort(self, value: str) -> None:
        name = value.removeprefix("-")
        if name not in _SORTS or self._type.finder is None:
            self._fault("_sort", "invalid-value", "Results can be sorted by _id or by _lastUpdated, with - the other way round.")
        else:
            self.query = replace(self.query, by=_SORTS[name], descending=value.startswith("-"))

    def _take_total(self, value: str) -> None:
        if value not in ("none", "estimate", "accurate") or (value != "none" and self._type.finder is None):
            self._fault("_total", "invalid-value", "Send none, estimate or accurate; what is not counted here has no total.")
        elif value != "none":
            self.query = replace(self.query, counted=True)

    def _take_summary(self, value: str) -> None:
        if value == "count" and self._type.finder is not None:
            self.query = replace(self.query, counted=True, listed=False)
        elif value != "false":
            self._fault("_summary", "invalid-value", "Only count and false can be had.")

    def _take_format(self, value: str) -> None:
        fault = wrong_format(value)
        if fault is not None:
            self.faults.append(fault)

    def _take_cursor(self, value: str) -> None:
        self.query = replace(self.query, cursor=value)


_CONTROLS = ("_count", "_sort", "_total", "_summary", "_format", "_cursor")


def wrong_format(value: str) -> Fault | None:
    """What is wrong with a `_format`: only JSON is spoken. A plus sign may have arrived as a space."""
    if value.replace(" ", "+").partition(";")[0].strip().lower() in _JSON:
        return None
    return Fault("?_format", "not-allowed", "Only json can be had.")


def read_query(type_: ResourceType, pairs: Iterable[tuple[str, str]], *, lenient: bool = False) -> Query:
    """The search that these parameters ask for.

    Raises:
        Refused: `invalid-parameter`, with a fault such as `?_count` for each that cannot be used.
    """
    reader = _Reader(type_, lenient=lenient)
    for name, value in pairs:
        reader.take(name, value)
    query = reader.query
    if query.cursor is not None and (query.filters or query.listed is False):
        reader.faults.append(Fault("?_cursor", "either-or", "A cursor holds the whole search: send it alone."))
    if reader.faults:
        raise Refused(Refusal(INVALID_PARAMETER, faults=tuple(reader.faults)))
    return query


def whole_number(text: str) -> int:
    """A positive number; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def read_part(pairs: Iterable[tuple[str, str]], now: datetime) -> HistoryPart:
    """The part of a history that these parameters ask for. Raises as `read_query` does."""
    part, faults = HistoryPart(USUAL), list[Fault]()
    for name, value in pairs:
        wanted = dates.asked(value, now) if name == "_since" else None
        if name == "_format":
            fault = wrong_format(value)
            faults += [] if fault is None else [fault]
        elif name == "_count" and whole_number(value):
            part = part._replace(most=min(whole_number(value), MOST))
        elif name == "_before" and whole_number(value):
            part = part._replace(before=whole_number(value))
        elif wanted is not None and wanted.prefix == "eq":
            part = part._replace(since=wanted.first, since_text=value)
        elif name in ("_count", "_before", "_since"):
            faults.append(Fault(f"?{name}", "invalid-value", "Send a number of 1 or more; for _since an instant."))
        else:
            faults.append(Fault(f"?{name[:80]}", "unknown-parameter", UNKNOWN))
    if faults:
        raise Refused(Refusal(INVALID_PARAMETER, faults=tuple(faults)))
    return part


def split(value: str) -> tuple[str, ...]:
    """The values between commas, as they were meant: backslashes escape commas, bars, dollars and themselves."""
    parts = _SPLIT.sub("\\1\0", value).split("\0")
    return tuple(parts)


def plain(value: str) -> str:
    """A value without its escapes."""
    return _ESCAPED.sub(r"\1", value)


def token(value: str) -> tuple[str | None, str]:
    """The system and code of a token: `system|code`, `|code` for one without system, `code` for any (None)."""
    match = _TOKEN.fullmatch(value)
    return (None, plain(value)) if match is None else (plain(match[1]), plain(match[2]))


def wrong(name: str, message: str) -> Refused:
    """The parameter of this name has a value that cannot be used."""
    return Refused(Refusal(INVALID_PARAMETER, faults=(Fault(f"?{name}", "invalid-value", message),)))


def only(query: Query, name: str) -> str | None:
    """The value of a parameter that is good for one value only; None when it was not sent.

    Raises:
        Refused: `invalid-parameter` when there are several.
    """
    values = [value for one in query.filters if one.name == name for value in one.values]
    if len(values) > 1:
        raise wrong(name, "Send one value only.")
    return values[0] if values else None


def equals(column: str, values: Iterable[object]) -> Condition:
    """Holds where the column is any of the values."""
    return tuple((Comparison(column, "=", value),) for value in values)


def ids(filter_: Filter) -> Condition:
    """Holds for what has any of these ids. What is no id of ours names nothing."""
    found: list[UUID] = [id_ for value in filter_.values if (id_ := parse_id(value)) is not None]
    return equals("id", found)


def dated(filter_: Filter, first: str, last: str, now: datetime) -> Condition:
    """Holds for what has a date that the filter asks for.

    Raises:
        Refused: `invalid-parameter` when a value is no date.
    """
    return dates.condition(first, last, asked(filter_, now))


def asked(filter_: Filter, now: datetime) -> list[dates.Asked]:
    """What the values of a date parameter ask for. Raises as `dated` does."""
    found = [dates.asked(value, now) for value in filter_.values]
    wanted = [one for one in found if one is not None]
    if len(wanted) != len(found):
        raise wrong(filter_.name, "Send dates such as 2026, 2026-03-01 or ge2026-03-01T12:00:00Z.")
    return wanted


def normal_form(query: Query) -> str:
    """The same text for the same condition, however it was written."""
    filters = sorted((one.name, one.modifier, sorted(set(one.values))) for one in query.filters)
    return repr(filters)
