"""A tree of items as FHIR has them, read as answers by address: strictly, so that nothing said in it is dropped unseen.

What cannot become an answer is a fault at its place. Whether an answer fits its question is for those to say who are given it.
Items that say nothing, such as a question without an answer, are no part of what was read.
Source: HL7 FHIR R4 (4.0.1), QuestionnaireResponse.item.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from keepwell.domains.questionnaires import Definition, Item, escape
from keepwell.domains.responses.models import Answers, Rows
from keepwell.domains.responses.rules.addresses import Unaddressable, prefix, read
from keepwell.domains.responses.rules.changes import MAX_FAULTS, RowIds
from keepwell.domains.responses.rules.likeness import content, matched
from keepwell.domains.responses.rules.tree import Tree, value_key
from keepwell.kernel.problems import Fault
from keepwell.kit.ids import parse_id

_AROUND = {"linkId", "text", "definition"}
_Found = list[tuple[str, dict[str, Any]]]
"""Elements, each with the JSON pointer to it."""


class Standing(NamedTuple):
    """Where something stands in the tree: the JSON pointers to an item or row, and to each of its values."""

    pointer: str
    values: tuple[str, ...] = ()


class Reading(NamedTuple):
    """What a tree says: answers and rows, where each stands, and what of it cannot be an answer."""

    answers: Answers
    rows: Rows
    places: Mapping[str, Standing]
    faults: tuple[Fault, ...] = ()


def read_items(definition: Definition, items: Any, ids: RowIds, known: Tree | None = None) -> Reading:
    """What a resource with these items says. Rows without an id get one of `ids`.

    Not so when `known`, the tree of the response that the resource is to replace, has a row like it, or else one in its place.
    """
    reader = _Reader(definition, ids)
    if items is not None:
        reader.level(items, _Level((), "", None, known or []))
    return Reading(reader.answers, reader.rows, reader.places, tuple(reader.faults))


class _Level(NamedTuple):
    """Items side by side: the rows around them, the pointer to what holds them, the item they are below, those known before."""

    path: tuple[str, ...]
    pointer: str
    parent: Item | None
    known: Tree


class _Reader:
    def __init__(self, definition: Definition, ids: RowIds) -> None:
        self._definition = definition
        self._ids = ids
        self._made = 0
        self._seen: set[str] = set()
        self.answers: Answers = {}
        self.rows: dict[str, tuple[str, ...]] = {}
        self.places: dict[str, Standing] = {}
        self.faults: list[Fault] = []

    def level(self, items: Any, level: _Level) -> None:
        siblings = self._definition.top if level.parent is None else level.parent.children
        order = {link_id: place for place, link_id in enumerate(siblings)}
        found: dict[str, _Found] = {}
        last = 0
        for pointer, element in self._objects(items, f"{level.pointer}/item"):
            item = self._item(pointer, element, level.parent)
            if item is None:
                continue
            if order[item.link_id] < last:
                self._fault(pointer, "out-of-order", "Items stand in the order of the form.", item)
            last = max(last, order[item.link_id])
            self._properties(pointer, element, item)
            found.setdefault(item.link_id, []).append((pointer, element))
        for link_id, elements in found.items():
            self._read(self._definition.items[link_id], elements, level)

    def _item(self, pointer: str, element: Mapping[str, Any], parent: Item | None) -> Item | None:
        link_id = element.get("linkId")
        if not isinstance(link_id, str) or not link_id:
            self._fault(pointer, "link-id-missing", "An item must name its linkId.")
            return None
        item = self._definition.items.get(link_id)
        if item is None:
            self._fault(pointer, "unknown-item", "The questionnaire has no such item.")
        elif item.parent != (None if parent is None else parent.link_id):
            self._fault(pointer, "unknown-item", "The questionnaire has this item inside other ones.", item)
            return None
        return item

    def _properties(self, pointer: str, element: Mapping[str, Any], item: Item) -> None:
        for name, value in element.items():
            if name == "text" and value != item.text:
                self._fault(f"{pointer}/text", "text-differs", "The text is not the one of the form.", item)
            elif name == "definition" and value != item.definition:
                self._fault(f"{pointer}/definition", "not-kept", "The definition is not the one of the form.", item)
            elif name == "answer" and not item.answerable:
                self._fault(pointer, "not-answerable", "Groups and texts on the form cannot be answered.", item)
            elif name == "item" and item.answerable:
                self._fault(pointer, "nested-items", "Items below a question stand in its answer.", item)
            elif name not in (*_AROUND, "answer", "item") and not (name == "id" and item.rows and not item.answerable):
                self._not_kept(pointer, name, item)

    def _read(self, item: Item, elements: _Found, level: _Level) -> None:
        address = prefix(item.groups, level.path) + item.link_id
        if len(elements) > 1 and not item.repeats:
            self._fault(elements[1][0], "repeated", "This item is there once only.", item)
        elif item.answerable:
            self._question(item, address, elements, level)
        elif item.rows:
            self._group_rows(item, address, elements, level)
        else:
            for pointer, element in elements:
                self.places[address] = Standing(pointer)
                if "item" in element:
                    self.level(element["item"], _Level(level.path, pointer, item, _below(level.known, item)))

    def _group_rows(self, item: Item, address: str, elements: _Found, level: _Level) -> None:
        told = [(pointer, element) for pointer, element in elements if "id" in element or content(element)]
        known = [one for one in level.known if one["linkId"] == item.link_id]
        for (pointer, element), (row, before) in zip(told, self._identified(item, address, told, known), strict=True):
            self.places[f"{address}[{row}]"] = Standing(pointer)
            if "item" in element:
                self.level(element["item"], _Level((*level.path, row), pointer, item, before))

    def _question(self, item: Item, address: str, elements: _Found, level: _Level) -> None:
        given = [
            answer
            for pointer, element in elements
            if "answer" in element
            for answer in self._objects(element["answer"], f"{pointer}/answer")
        ]
        values = [self._value(item, pointer, answer, alone=len(given) == 1) for pointer, answer in given]
        pointers = tuple(pointer for pointer, _ in values if pointer)
        self.places[address] = Standing(elements[0][0], pointers)
        valued = [value for pointer, value in values if pointer]
        if valued:
            self.answers[address] = valued if item.repeats or len(valued) > 1 else valued[0]
        known = [answer for one in level.known if one["linkId"] == item.link_id for answer in one.get("answer", ())]
        if item.rows:
            for (pointer, answer), (row, before) in zip(given, self._identified(item, address, given, known), strict=True):
                self.places[f"{address}[{row}]"] = Standing(pointer)
                self._inside(answer, _Level((*level.path, row), pointer, item, before))
        else:
            before = [inner for answer in known for inner in answer.get("item", [])]
            for pointer, answer in given:
                self._inside(answer, _Level(level.path, pointer, item, before))

    def _inside(self, answer: Mapping[str, Any], level: _Level) -> None:
        if "item" in answer:
            self.level(answer["item"], level)

    def _value(self, item: Item, pointer: str, answer: Mapping[str, Any], *, alone: bool) -> tuple[str, Any]:
        """The pointer to an answer's value, and the value; an empty pointer where there is none."""
        keys = [name for name in answer if name.startswith("value")]
        for name in answer:
            if name not in (*keys, "item") and not (name == "id" and item.rows):
                self._not_kept(pointer, name, item)
        if len(keys) > 1:
            self._fault(pointer, "structure", "An answer has one value only.", item)
        elif not keys and ("item" not in answer or item.rows or not alone):
            self._fault(pointer, "structure", "An answer needs a value.", item)
        for key in keys[:1]:
            value = answer[key]
            if value is None or key != value_key(item, value):
                self._fault(f"{pointer}/{escape(key)}", "wrong-type", "The answer is not of the type of its question.", item)
            return f"{pointer}/{escape(key)}", value
        return "", None

    def _identified(self, item: Item, address: str, elements: _Found, known: Tree) -> list[tuple[str, Tree]]:
        """The row of each element, and the items known to be below it."""
        ids = [self._sent_id(item, pointer, element) for pointer, element in elements]
        places = matched(ids, [content(element) for _, element in elements], known)
        found: list[tuple[str, Tree]] = []
        for id_, place in zip(ids, places, strict=True):
            before = None if place is None else known[place]
            row = id_ or (self._new_id() if before is None else before["id"])
            found.append((row, [] if before is None else before.get("item", [])))
        if found:
            self.rows[address] = tuple(row for row, _ in found)
        return found

    def _sent_id(self, item: Item, pointer: str, element: Mapping[str, Any]) -> str | None:
        if "id" not in element:
            return None
        id_ = parse_id(str(element["id"]))
        if id_ is None:
            self._fault(f"{pointer}/id", "not-kept", "The id of a row is a UUID.", item)
            return None
        if str(id_) in self._seen:
            self._fault(f"{pointer}/id", "row-id", "Another row has this id.", item)
        self._seen.add(str(id_))
        return str(id_)

    def _new_id(self) -> str:
        self._made += 1
        return self._ids(self._made - 1)

    def _objects(self, value: Any, pointer: str) -> _Found:
        if not isinstance(value, list) or not value:
            self._fault(pointer, "structure", "This must be an array that is not empty.")
            return []
        found: _Found = []
        for place, one in enumerate(cast("list[Any]", value)):
            if isinstance(one, dict) and one:
                found.append((f"{pointer}/{place}", cast("dict[str, Any]", one)))
            else:
                self._fault(f"{pointer}/{place}", "structure", "This must be an object that is not empty.")
        return found

    def _not_kept(self, pointer: str, name: str, item: Item) -> None:
        self._fault(f"{pointer}/{escape(name)}", "not-kept", "This cannot be kept with an answer.", item)

    def _fault(self, pointer: str, code: str, message: str, item: Item | None = None) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(pointer, code, message, None if item is None else item.link_id))


def _below(known: Tree, item: Item) -> Tree:
    for one in known:
        if one["linkId"] == item.link_id:
            return one.get("item", [])
    return []


def in_tree(definition: Definition, reading: Reading, fault: Fault) -> Fault:
    """A fault of an answer by address, at the place in the tree where it was read: with the item above where it is missing."""
    if not fault.pointer.startswith("/answers/"):
        return fault
    first, slash, rest = fault.pointer.removeprefix("/answers/").partition("/")
    address = first.replace("~1", "/").replace("~0", "~")
    place = reading.places.get(address)
    if place is None:
        return Fault(_nearest(definition, reading, address), fault.code, fault.message, fault.linkId)
    pointer, below = place.pointer, slash + rest
    if place.values:
        index, slash, inner = rest.partition("/")
        several = isinstance(reading.answers.get(address), list) and index.isdigit() and int(index) < len(place.values)
        pointer = place.values[int(index)] + slash + inner if several else place.values[0] + below
    return Fault(pointer, fault.code, fault.message, fault.linkId)


def _nearest(definition: Definition, reading: Reading, address: str) -> str:
    """The pointer to the innermost item above an address that is there; empty for the resource itself."""
    found = read(definition, address, reading.rows)
    if isinstance(found, Unaddressable):
        return ""
    item, rows = found.item, found.rows
    while item.parent is not None:
        item = definition.items[item.parent]
        name = prefix(item.groups, rows[: len(item.groups)]) + item.link_id
        place = reading.places.get(f"{name}[{rows[len(item.groups)]}]" if item.rows else name)
        if place is not None:
            return place.pointer
    return ""
