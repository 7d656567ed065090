"""Compiles a valid resource into a `Definition`, once for each published version."""

from collections.abc import Collection, Mapping
from typing import Any

from keepwell.domains.questionnaires.models import Condition, Definition, Item, Option
from keepwell.domains.questionnaires.rules.elements import SHAPES
from keepwell.domains.questionnaires.rules.items import Found, dictionaries, evaluation_order, walk
from keepwell.domains.questionnaires.rules.primitives import PRIMITIVES, spells_true, unquoted

_NO_ANSWERS = ("display", "question")


def compile_form(resource: Mapping[str, Any]) -> Definition:
    """The compiled form of a resource in which `verdict` finds no fault."""
    found = list(walk(resource))
    children: dict[str, list[str]] = {one.item["linkId"]: [] for one in found}
    for one in found:
        if one.parent is not None:
            children[one.parent].append(one.item["linkId"])
    return _definition(found, children)


def _definition(found: list[Found], children: Mapping[str, list[str]]) -> Definition:
    items: dict[str, Item] = {}
    kinds: dict[str, str] = {one.item["linkId"]: one.item["type"] for one in found}
    rows = _with_rows(found)
    for one in found:
        parent = items[one.parent] if one.parent is not None else None
        groups = () if parent is None else parent.groups + ((parent.link_id,) if parent.rows else ())
        item = _item(one, tuple(children[one.item["linkId"]]), groups, kinds, rows)
        items[item.link_id] = item
    needs: dict[str, set[str]] = {
        link_id: {condition.question for condition in item.conditions}
        | ({item.parent} if item.parent is not None else set[str]())
        for link_id, item in items.items()
    }
    order, _ = evaluation_order(needs)
    return Definition(items, order)


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


def _item(
    found: Found, children: tuple[str, ...], groups: tuple[str, ...], kinds: Mapping[str, str], rows: Collection[str]
) -> Item:
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
        conditions=tuple(_condition(condition, kinds) for condition in dictionaries(source.get("enableWhen"))),
        any_condition=source.get("enableBehavior") == "any",
        parent=found.parent,
        children=children,
        groups=groups,
        rows=source["linkId"] in rows,
    )


def _condition(source: Mapping[str, Any], kinds: Mapping[str, str]) -> Condition:
    """A compared answer that is not of the type it claims is taken as one of the type of the item it is compared with."""
    question = source["question"]
    kind, value = typed(source, "answer")
    if kind in PRIMITIVES and not PRIMITIVES[kind][0](value):
        meant = unquoted(kind, value)
        kind, value = (kinds[question], value) if meant is None else (kind, meant)
    return Condition(question, source["operator"], kind, value)


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
