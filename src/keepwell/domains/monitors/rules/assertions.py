"""What may be asserted of an answer, and whether it holds."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from keepwell.domains.monitors.models import Assertion, Comparison, Kind, Scalar, Subject
from keepwell.domains.monitors.rules import paths, patterns
from keepwell.kernel.problems import Fault

_ABOUT: Mapping[Kind, tuple[Subject, ...]] = {
    "http": ("status", "header", "body", "json", "json-length", "latency", "certificate-days"),
    "flow": (),
    "tcp": ("body", "latency"),
    "dns": ("record", "latency"),
    "tls": ("certificate-days", "latency"),
    "heartbeat": (),
}
_NUMBERS: tuple[Comparison, ...] = ("equals", "not-equals", "below", "above")
_TEXTS: tuple[Comparison, ...] = ("equals", "not-equals", "contains", "not-contains", "matches", "not-matches")
_COMPARED: Mapping[Subject, tuple[Comparison, ...]] = {
    "status": (*_NUMBERS, "within"),
    "header": (*_TEXTS, "present", "absent"),
    "body": _TEXTS,
    "json": (*_TEXTS, "below", "above", "present", "absent"),
    "json-length": _NUMBERS,
    "latency": ("below", "above"),
    "certificate-days": ("below", "above"),
    "record": (*_TEXTS, "present", "absent"),
}
_CODES = re.compile(r"\d{3}(?:-\d{3})?(?:,\d{3}(?:-\d{3})?)*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_LONGEST_TEXT = 10_000
_DAY_S = 86_400
_NOT_JSON: Any = object()


class Seen(NamedTuple):
    """What assertions are about, of one answer."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    latency_ms: float | None
    certificate_expires: datetime | None
    records: tuple[str, ...]
    at: datetime


class Reading:
    """One answer, its body decoded once for all assertions."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self._text: str | None = None
        self._json: Any = None

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = self.seen.body.decode("utf-8", "replace")
        return self._text

    @property
    def json(self) -> Any:
        """The body's JSON, or `ABSENT` under every path where it is none."""
        if self._json is None:
            try:
                self._json = (msgspec.json.decode(self.seen.body),)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                self._json = (_NOT_JSON,)
        return self._json[0]


def holds(assertion: Assertion, reading: Reading) -> bool:
    """Whether an assertion, which must be a valid one, holds of an answer. Of what is not there, only its absence does."""
    if assertion.on == "record":
        return _any_record(assertion, reading.seen.records)
    return _compared(assertion, _FOUND[assertion.on](assertion, reading))


_FOUND: Mapping[Subject, Callable[[Assertion, Reading], Any]] = {
    "status": lambda _, reading: reading.seen.status,
    "header": lambda assertion, reading: reading.seen.headers.get(assertion.name.lower(), paths.ABSENT),
    "body": lambda _, reading: reading.text,
    "json": lambda assertion, reading: paths.at(reading.json, assertion.name),
    "json-length": lambda assertion, reading: _length(paths.at(reading.json, assertion.name)),
    "latency": lambda _, reading: reading.seen.latency_ms,
    "certificate-days": lambda _, reading: _days(reading.seen.certificate_expires, reading.seen.at),
}


def _any_record(assertion: Assertion, records: tuple[str, ...]) -> bool:
    """Some record is as wanted; of what must not be, none is."""
    if assertion.compare in ("present", "absent"):
        return bool(records) == (assertion.compare == "present")
    if assertion.compare.startswith("not-"):
        return all(_compared(assertion, record) for record in records)
    return any(_compared(assertion, record) for record in records)


def _compared(assertion: Assertion, found: Any) -> bool:
    wanted = assertion.value
    missing = found is paths.ABSENT or (found is None and assertion.on != "json")
    if missing or assertion.compare in ("present", "absent"):
        return missing == (assertion.compare == "absent")
    if assertion.compare in ("equals", "not-equals"):
        return _equal(found, wanted) == (assertion.compare == "equals")
    if assertion.compare in ("below", "above"):
        return _ordered(found, wanted, below=assertion.compare == "below")
    if assertion.compare == "within":
        return _within(found, str(wanted))
    return _in_text(assertion.compare, found if isinstance(found, str) else _written(found), str(wanted))


def _in_text(compare: Comparison, text: str, wanted: str) -> bool:
    inside = wanted in text if compare.endswith("contains") else patterns.found(wanted, text) is not None
    return inside != compare.startswith("not-")


def _equal(found: Any, wanted: Scalar) -> bool:
    """Numbers are equal by value, and a truth is none."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def _ordered(found: Any, wanted: Any, *, below: bool) -> bool:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (found, wanted))
    return numbers and bool(found < wanted if below else found > wanted)


def _written(found: Any) -> str:
    return msgspec.json.encode(found).decode()


def _within(status: Any, codes: str) -> bool:
    for each in codes.split(","):
        first, _, last = each.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


def _length(found: Any) -> Any:
    return len(found) if isinstance(found, str | list | dict) else paths.ABSENT  # pyright: ignore[reportUnknownArgumentType]


def _days(expires: datetime | None, at: datetime) -> float | None:
    return None if expires is None else (expires - at).total_seconds() / _DAY_S


def faults(assertion: Assertion, kind: Kind, pointer: str) -> Iterator[Fault]:
    """What is wrong with an assertion about what a monitor of this kind sees."""
    if assertion.on not in _ABOUT[kind]:
        yield Fault(f"{pointer}/on", "not-for-this-kind", f"Use one of: {', '.join(_ABOUT[kind]) or 'none'}.")
    if assertion.compare not in _COMPARED[assertion.on]:
        yield Fault(f"{pointer}/compare", "invalid-value", f"Use one of: {', '.join(_COMPARED[assertion.on])}.")
        return
    yield from _name_faults(assertion, f"{pointer}/name")
    yield from _value_faults(assertion, f"{pointer}/value")


def _name_faults(assertion: Assertion, pointer: str) -> Iterator[Fault]:
    if assertion.on == "header" and not _HEADER.fullmatch(assertion.name):
        yield Fault(pointer, "invalid-value", "Use the name of a header.")
    elif assertion.on in ("json", "json-length"):
        yield from path_faults(assertion.name, pointer)


def path_faults(path: str, pointer: str) -> Iterator[Fault]:
    """What is wrong with a path into JSON."""
    try:
        paths.steps(path)
    except paths.PathError:
        yield Fault(pointer, "invalid-value", "Use a path to one place, such as $.data[0].id.")


def _value_faults(assertion: Assertion, pointer: str) -> Iterator[Fault]:
    value, compare = assertion.value, assertion.compare
    if compare in ("below", "above") or (compare in ("equals", "not-equals") and assertion.on in ("status", "json-length")):
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield Fault(pointer, "invalid-value", "Use a number.")
    elif compare == "within":
        if not isinstance(value, str) or not _CODES.fullmatch(value):
            yield Fault(pointer, "invalid-value", "Use status codes and ranges of them, such as 200-299,404.")
    elif compare in ("matches", "not-matches"):
        yield from _pattern_faults(value, pointer)
    elif compare in ("present", "absent"):
        return
    elif (not isinstance(value, str) and assertion.on != "json") or (isinstance(value, str) and len(value) > _LONGEST_TEXT):
        yield Fault(pointer, "invalid-value", f"Use a text of at most {_LONGEST_TEXT} characters.")
    elif "contains" in compare and not isinstance(value, str):
        yield Fault(pointer, "invalid-value", "Use a text.")


def _pattern_faults(value: Scalar, pointer: str) -> Iterator[Fault]:
    try:
        patterns.check(value if isinstance(value, str) else "(")
    except patterns.PatternError as error:
        yield Fault(pointer, "invalid-value", str(error))
