"""`answerOption`: the permitted answers of an item, ready to be looked up."""

from collections.abc import Mapping
from typing import Any, cast

from keepwell.domains.validation.models import Options
from keepwell.domains.validation.rules import extensions as ext
from keepwell.domains.validation.rules.extensions import Extensions, objects
from keepwell.domains.validation.rules.values import typed

Key = Any
"""What tells one permitted answer from another: a plain value, or the system, code and, without a code, name of a Coding."""


def key_of(type_: str, value: Any) -> Key:
    """The key of an answer of this type."""
    if type_ == "Coding":
        coding = cast("Mapping[str, Any]", value)
        code = coding.get("code")
        return coding.get("system"), code, None if code is not None else coding.get("display")
    if type_ == "Reference":
        return cast("Mapping[str, Any]", value).get("reference")
    if type_ == "Quantity":
        quantity = cast("Mapping[str, Any]", value)
        return quantity.get("value"), quantity.get("code", quantity.get("unit"))
    return value


def options(item: Mapping[str, Any]) -> Options | None:
    """The permitted answers; None when the item does not list any."""
    sources = objects(item.get("answerOption"))
    if not sources:
        return None
    values: dict[str, set[Key]] = {}
    exclusive: set[tuple[str, Key]] = set()
    names: set[str] = set()
    for source in sources:
        type_, value = typed(source, "value")
        if not _usable(type_, value):
            continue
        key = key_of(type_, value)
        values.setdefault(type_, set()).add(key)
        if Extensions(source).flag(ext.OPTION_EXCLUSIVE):
            exclusive.add((type_, key))
        if type_ == "Coding":
            names |= {str(value[part]).lower() for part in ("code", "display") if part in value}
    return Options({type_: frozenset(found) for type_, found in values.items()}, frozenset(exclusive), frozenset(names))


def _usable(type_: str, value: Any) -> bool:
    if type_ in ("Coding", "Reference", "Quantity"):
        return isinstance(value, dict) and all(not isinstance(one, list | dict) for one in _told(cast("dict[str, Any]", value)))
    return bool(type_) and isinstance(value, str | int | float)


def _told(value: Mapping[str, Any]) -> list[Any]:
    return [value.get(part) for part in ("system", "code", "display", "reference", "value", "unit")]


def initial(item: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What the item holds before anybody answers it, each with its type."""
    chosen = [option for option in objects(item.get("answerOption")) if option.get("initialSelected") is True]
    found = [typed(one, "value") for one in (*objects(item.get("initial")), *chosen)]
    return tuple((type_, value) for type_, value in found if type_)
