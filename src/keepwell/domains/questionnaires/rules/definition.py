"""Compiles a valid resource into a `Definition`, once for each published version."""

from collections.abc import Collection, Mapping
from typing import Any

from keepwell.domains import validation
from keepwell.domains.questionnaires.models import Definition, Item, Option
from keepwell.domains.questionnaires.rules.elements import SHAPES
from keepwell.domains.questionnaires.rules.items import Found, dictionaries, walk
from keepwell.domains.questionnaires.rules.primitives import spells_true, unquoted

_NO_ANSWERS = ("display", "question")
_ENABLE_WHEN_EXPRESSION = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression"


def compile_form(resource: Mapping[str, Any]) -> Definition:
    """The compiled form of a resource in which `verdict` finds no fault."""
    found = list(walk(resource))
    children: dict[str, list[str]] = {one.item["linkId"]: [] for one in found}
    for one in found:
        if one.parent is not None:
            children[one.parent].append(one.item["linkId"])
    items = _items(found, children)
    top = tuple(one.item["linkId"] for one in found if one.parent is None)
    return Definition(items, top, _deciders(found), validation.compile_form(resource))


def _items(found: list[Found], children: Mapping[str, list[str]]) -> dict[str, Item]:
    items: dict[str, Item] = {}
    rows = _with_rows(found)
    for one in found:
        parent = items[one.parent] if one.parent is not None else None
        groups = () if parent is None else parent.groups + ((parent.link_id,) if parent.rows else ())
        item = _item(one, tuple(children[one.item["linkId"]]), groups, rows)
        items[item.link_id] = item
    return items


def _deciders(found: list[Found]) -> frozenset[str]:
    if any(one.get("url") == _ENABLE_WHEN_EXPRESSION for each in found for one in dictionaries(each.item.get("extension"))):
        return frozenset(one.item["linkId"] for one in found)
    return frozenset(condition["question"] for one in found for condition in dictionaries(one.item.get("enableWhen")))


def _with_rows(found: list[Found]) -> set[str]:
    """The linkIds of the items that have rows."""
    asking: set[str] = set()
    rows: set[str] = set()
    for one in reversed(found):  # what stands below an item comes after it
        link_id, kind = one.item["linkId"], one.item["type"]
        if spells_true(one.item.get("repeats")) and (kind == "group" or link_id in asking) and kind not in _NO_ANSWERS:
            rows.add(link_id)
        if one.parent is not None and (link_id in asking or kind not in ("group", *_NO_ANSWERS)):
            asking.add(one.parent)
    return rows


def _item(found: Found, children: tuple[str, ...], groups: tuple[str, ...], rows: Collection[str]) -> Item:
    source = found.item
    return Item(
        link_id=source["linkId"],
        type=source["type"],
        text=source.get("text"),
        required=spells_true(source.get("required")),
        repeats=spells_true(source.get("repeats")),
        read_only=spells_true(source.get("readOnly")),
        max_length=_as_meant("integer", source.get("maxLength")),
        options=tuple(Option(*typed(option, "value")) for option in dictionaries(source.get("answerOption"))),
        value_set=source.get("answerValueSet"),
        parent=found.parent,
        children=children,
        groups=groups,
        rows=source["linkId"] in rows,
        definition=source.get("definition"),
    )


def _as_meant(type_name: str, value: Any) -> Any:
    meant = unquoted(type_name, value)
    return value if meant is None else meant


def typed(element: Mapping[str, Any], base: str) -> tuple[str, Any]:
    """The type and value of a choice element such as `value[x]`: `("Coding", {...})`, `("string", "x")`, `("", None)`."""
    for name, value in element.items():
        if name.startswith(base) and name[len(base) :][:1].isupper():
            kind = name[len(base) :]
            return kind if kind in SHAPES else kind[0].lower() + kind[1:], value
    return "", None
