"""What expressions work on: collections of plain values, elements of a resource, and the state of one run.

A value is a bool, an int, a Decimal, a text, a `Moment`, a `Clock`, an `Amount` or an `Element`. A collection is a list of
these, never changed once made. JSON numbers become int or Decimal, so that nothing is rounded.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast

from keepwell.kit.fhir.fhirpath.errors import ExhaustedError, UnavailableError
from keepwell.kit.fhir.limits import EXPRESSION_FUEL, MAX_TEXT
from keepwell.kit.fhir.temporal import Clock, Moment, clock, moment, written, written_clock

Collection = list[Any]
_CHOICES = ("value", "answer")
_LARGE = 20
_PART = frozenset(("resourceType", "linkId", "item", "answer"))
_COMPLEX = {"Coding", "Quantity", "Reference", "Attachment", "Identifier", "Period", "CodeableConcept", "Expression"}


class Element:
    """An object of a resource and its FHIR type as far as its place tells it."""

    __slots__ = ("data", "type")

    def __init__(self, data: Mapping[str, Any], type_: str) -> None:
        self.data = data
        self.type = type_

    @property
    def part(self) -> bool:
        """Whether it is a part of a form or response, not a mere value: parts are compared by being the same part."""
        return not _PART.isdisjoint(self.data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return False
        return self.data is other.data or (not self.part and not other.part and _same(self.data, other.data))

    def __hash__(self) -> int:
        if self.part:
            return id(self.data)
        return hash(frozenset(item for item in self.data.items() if isinstance(item[1], str | int | float)))


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two values have the same content. Those too large for that are the same only if they are one."""
    if one.keys() != other.keys() or len(one) > _LARGE:
        return False
    for name, value in one.items():
        beside = other[name]
        if isinstance(value, dict) and isinstance(beside, dict):
            inner, there = cast("dict[str, Any]", value), cast("dict[str, Any]", beside)
            if any(isinstance(part, dict | list) for part in inner.values()) or not _same(inner, there):
                return False
        elif isinstance(value, list):
            if value is not beside:
                return False
        elif value != beside:
            return False
    return True


class Amount(NamedTuple):
    """A quantity: a number and a unit, a UCUM code or a calendar word such as `year`; None when it has none."""

    value: Decimal
    unit: str | None


class Fuel:
    """The steps that are left to all expressions of one check."""

    __slots__ = ("left",)

    def __init__(self, left: int = EXPRESSION_FUEL) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        """Takes steps away.

        Raises:
            ExhaustedError: there are not that many.
        """
        self.left -= steps
        if self.left < 0:
            raise ExhaustedError("The expressions of this form take too many steps.")


class Scope:
    """What one run can see. `$this`, `$index` and `$total` change while it runs; the rest does not.

    `variable` finds a `%name` or raises `ExpressionError`; `now` is None when the run may not depend on the time.
    """

    __slots__ = ("fuel", "index", "now", "this", "total", "variable")

    def __init__(self, this: Collection, variable: Callable[[str], Collection], fuel: Fuel, now: datetime | None) -> None:
        self.this = this
        self.index = 0
        self.total: Collection = []
        self.variable = variable
        self.fuel = fuel
        self.now = now

    def clock(self) -> datetime:
        """The instant this check takes place.

        Raises:
            UnavailableError: it was not told.
        """
        if self.now is None:
            raise UnavailableError("This expression depends on the time, which is not known here.")
        return self.now


def bounded(text: str) -> str:
    """The text itself, when it is not too long.

    Raises:
        ExhaustedError: it is.
    """
    if len(text) > MAX_TEXT:
        raise ExhaustedError(f"An expression may build texts of at most {MAX_TEXT} characters.")
    return text


def from_json(value: Any, type_: str = "") -> Collection:
    """A JSON value of this FHIR type as a collection; a list becomes its items."""
    if isinstance(value, list):
        return [one for item in cast("list[Any]", value) for one in from_json(item, type_)]
    if value is None:
        return []
    if isinstance(value, dict):
        data = cast("dict[str, Any]", value)
        return [Element(data, str(data.get("resourceType", type_)))]
    if isinstance(value, float):
        return [Decimal(repr(value))]
    if isinstance(value, str):
        return [_temporal(value, type_) or value]
    return [value]


def _temporal(text: str, type_: str) -> Moment | Clock | None:
    if type_ in ("date", "dateTime", "instant"):
        return moment(text)
    return clock(text) if type_ == "time" else None


def child(element: Element, name: str) -> Collection:
    """The values of a property; `value` also finds `valueInteger` and the like, typed by its name."""
    found = element.data.get(name)
    if found is not None:
        # Forms in the wild write `valueCoding` where FHIRPath wants `value`: it is read as meant.
        return from_json(found, _suffix(name))
    if name in _CHOICES:
        for key, value in element.data.items():
            if key.startswith(name) and key[len(name) :][:1].isupper():
                return from_json(value, _suffix(key))
    return []


def _suffix(key: str) -> str:
    if key in ("authored", "date", "start", "end"):
        return "dateTime"
    for base in _CHOICES:
        if key.startswith(base) and key[len(base) :][:1].isupper():
            kind = key[len(base) :]
            return kind if kind in _COMPLEX else kind[0].lower() + kind[1:]
    return ""


def children(element: Element) -> Collection:
    """All values directly below, but for ids and extensions of primitives."""
    return [one for key, value in element.data.items() if not key.startswith("_") for one in from_json(value, _suffix(key))]


def amount(value: Any) -> Amount | None:
    """A quantity, be it a literal or an element; None when it is none."""
    if isinstance(value, Amount):
        return value
    if isinstance(value, Element):
        number = value.data.get("value")
        if isinstance(number, int | float) and not isinstance(number, bool):
            unit = value.data.get("code", value.data.get("unit"))
            return Amount(Decimal(repr(number)), unit if isinstance(unit, str) else None)
    return None


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda value: "true" if value else "false",
    int: str,
    Decimal: lambda value: format(value, "f"),
    Moment: written,
    Clock: written_clock,
    Amount: lambda value: f"{value.value:f} '{value.unit}'" if value.unit else f"{value.value:f}",
}


def text_of(value: Any) -> str | None:
    """The value as `toString` gives it; None when it has no such form."""
    write = _WRITERS.get(value.__class__)
    return None if write is None else write(value)


def type_of(value: Any) -> str:
    """The type of a value, spelt with a small letter when primitive."""
    if isinstance(value, Element):
        return value.type
    for kind, name in (
        (bool, "boolean"), (int, "integer"), (Decimal, "decimal"), (str, "string"),
        (Moment, "dateTime"), (Clock, "time"), (Amount, "Quantity"),
    ):  # fmt: skip
        if isinstance(value, kind):
            return "date" if isinstance(value, Moment) and not value.timed else name
    return ""


def is_type(value: Any, name: str) -> bool:
    """Whether a value is of a type, by its FHIR or its System name."""
    own = type_of(value)
    wanted = name if name in _COMPLEX or name[:1].islower() else name[0].lower() + name[1:]
    if own in (wanted, name):
        return True
    if wanted == "string":
        return isinstance(value, str)
    return wanted == "dateTime" and own == "date"


def to_json(value: Any) -> Any:
    """The value as FHIR JSON has it."""
    if isinstance(value, Element):
        return value.data
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Amount):
        return {"value": to_json(value.value), **({"code": value.unit} if value.unit else {})}
    return text_of(value)
