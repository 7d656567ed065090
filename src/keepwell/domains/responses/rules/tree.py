"""The answers of a response as the tree of items that FHIR has. Nothing is lost; `reading` is the way back.

A row is an `item` of its own (of a group) or an `answer` of its own (of a question), and its id stands there as element id.
Source: HL7 FHIR R4 (4.0.1), QuestionnaireResponse.item.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from keepwell.domains.questionnaires import Definition, Item
from keepwell.domains.responses.models import Answers, Rows
from keepwell.domains.responses.rules.addresses import Address, prefix, read
from keepwell.domains.responses.rules.changes import as_list

Tree = list[dict[str, Any]]
"""Items as FHIR has them."""

_KEYS = {
    "boolean": "valueBoolean",
    "decimal": "valueDecimal",
    "integer": "valueInteger",
    "date": "valueDate",
    "dateTime": "valueDateTime",
    "time": "valueTime",
    "string": "valueString",
    "text": "valueString",
    "url": "valueUri",
    "attachment": "valueAttachment",
    "reference": "valueReference",
    "quantity": "valueQuantity",
}
_OBJECTS = {"Coding", "Reference", "Quantity", "Attachment"}


class Place(NamedTuple):
    """Where a pointer into a tree leads: an item and the rows around it, None for the response itself.

    `own_row` is the row of a group that is meant; `answer` which of several answers; `below` the pointer inside its value.
    """

    item: Item | None
    rows: tuple[str, ...] = ()
    own_row: str | None = None
    answer: int | None = None
    below: str = ""

    @property
    def address(self) -> str:
        """The item's address, with the row where one of its rows is meant; empty for the response itself."""
        if self.item is None:
            return ""
        text = prefix(self.item.groups, self.rows) + self.item.link_id
        return text if self.own_row is None else f"{text}[{self.own_row}]"


def items_of(definition: Definition, answers: Answers, rows: Rows, *, empty_rows: bool = True) -> Tree:
    """The tree of these answers, in the order of the form. Without `empty_rows`, rows with nothing in them are left out."""
    addresses = [read(definition, text, rows) for text in (*answers, *(rows if empty_rows else ()))]
    wanted = _with_parents(definition, (found.item for found in addresses if isinstance(found, Address)))
    return _Writer(definition, answers, rows, wanted, empty_rows=empty_rows).level(definition.top, ())


def locate(definition: Definition, tree: Tree, pointer: str, link_id: str | None) -> Place:
    """The place that a JSON pointer into a response with this tree means. `link_id` names an item missing there."""
    item: Item | None = None
    rows: tuple[str, ...] = ()
    answer: int | None = None
    below = ""
    element: Any = {"item": tree}
    steps = pointer.split("/")[1:]
    for before, step, after in zip(["", *steps], steps, range(1, len(steps) + 1), strict=False):
        if step.startswith("value"):
            below = "".join("/" + inner for inner in steps[after:])
            break
        element = _inside(element, step)
        if before == "item" and step.isdigit():
            item, answer = definition.items[element["linkId"]], None
        elif before == "answer" and item is not None:
            answer = int(step)
        if step.isdigit() and item is not None and item.rows and (before == "answer") == item.answerable:
            rows = (*rows, element["id"])
    if link_id is not None and (item is None or item.link_id != link_id):
        item, answer, below = definition.items[link_id], None, ""
    if item is None:
        return Place(None)
    around = len(item.groups)
    own_row = rows[around] if item.type == "group" and len(rows) > around else None
    return Place(item, rows[:around], own_row, answer, below)


def _inside(element: Any, step: str) -> Any:
    """What stands at one step below; nothing where a property is missing."""
    if isinstance(element, list):
        return cast("list[Any]", element)[int(step)]
    return cast("dict[str, Any]", element).get(step, {})


def _with_parents(definition: Definition, items: Iterable[Item]) -> set[str]:
    wanted: set[str] = set()
    for item in items:
        link_id: str | None = item.link_id
        while link_id is not None and link_id not in wanted:
            wanted.add(link_id)
            link_id = definition.items[link_id].parent
    return wanted


def value_key(item: Item, value: Any) -> str:
    """The property an answer's value stands in."""
    key = _KEYS.get(item.type)
    if key is not None:
        return key
    if isinstance(value, dict):
        is_reference = "reference" in value and any(option.type == "Reference" for option in item.options)
        return "valueReference" if is_reference else "valueCoding"
    for option in item.options:
        if option.type not in _OBJECTS and type(option.value) is type(value) and option.value == value:
            return "value" + option.type[0].upper() + option.type[1:]
    return "valueString" if isinstance(value, str) else "valueInteger"


class _Writer:
    def __init__(self, definition: Definition, answers: Answers, rows: Rows, wanted: set[str], *, empty_rows: bool) -> None:
        self._definition = definition
        self._answers = answers
        self._rows = rows
        self._wanted = wanted
        self._empty_rows = empty_rows

    def level(self, link_ids: Iterable[str], path: tuple[str, ...]) -> Tree:
        """The items side by side in one instance."""
        found: Tree = []
        for link_id in link_ids:
            if link_id not in self._wanted:
                continue
            item = self._definition.items[link_id]
            address = prefix(item.groups, path) + link_id if path else link_id
            if item.answerable:
                answers = self._given(item, address, path)
                if answers:
                    found.append({"linkId": link_id, "answer": answers})
            elif item.rows:
                found += self._repeated(item, address, path)
            elif inner := self.level(item.children, path):
                found.append({"linkId": link_id, "item": inner})
        return found

    def _repeated(self, item: Item, address: str, path: tuple[str, ...]) -> Tree:
        found: Tree = []
        for row in self._rows.get(address, ()):
            inner = self.level(item.children, (*path, row))
            if inner:
                found.append({"id": row, "linkId": item.link_id, "item": inner})
            elif self._empty_rows:
                found.append({"id": row, "linkId": item.link_id})
        return found

    def _given(self, item: Item, address: str, path: tuple[str, ...]) -> Tree:
        value = self._answers.get(address)
        if not item.children:
            return [{value_key(item, one): one} for one in as_list(value)]
        if item.rows:
            rows, values = self._rows.get(address, ()), as_list(value)
            # A row may have lost its value, as a row of a group has none: what stands below it is kept.
            values = [*values, *(None for _ in rows[len(values) :])]
            return [self._answer(item, one, (*path, row), row) for one, row in zip(values, rows, strict=True)]
        inner = self.level(item.children, path)
        values = as_list(value)
        if not inner:
            return [{value_key(item, one): one} for one in values]
        # Items below a question stand in its answer, even in one that has no value.
        first = {} if not values else {value_key(item, values[0]): values[0]}
        return [{**first, "item": inner}, *({value_key(item, one): one} for one in values[1:])]

    def _answer(self, item: Item, value: Any, path: tuple[str, ...], row: str) -> dict[str, Any]:
        inner = self.level(item.children, path)
        answer = {"id": row} if value is None else {"id": row, value_key(item, value): value}
        return {**answer, "item": inner} if inner else answer
