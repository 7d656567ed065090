"""Addresses of answers: reading them against a form, and writing them."""

import re
from typing import NamedTuple

from keepwell.domains.questionnaires import Definition, Item
from keepwell.domains.responses.models import Rows

_ROW = re.compile(r"\[([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\]\.")
_STEP = re.compile(r"\[([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|0|[1-9][0-9]{0,2})\]\.")


class Address(NamedTuple):
    """An item, and the rows of the items around it that have rows, as many as there are such items."""

    item: Item
    rows: tuple[str, ...]

    def __str__(self) -> str:
        return prefix(self.item.groups, self.rows) + self.item.link_id


class Unaddressable(NamedTuple):
    """Why a text is no address in this form."""

    code: str
    message: str


_NO_ROW = Unaddressable("unknown-row", "There is no such row.")


def prefix(groups: tuple[str, ...], rows: tuple[str, ...]) -> str:
    """What stands before the linkId in addresses inside these rows."""
    return "".join(f"{group}[{row}]." for group, row in zip(groups, rows, strict=True))


def read(definition: Definition, text: str, rows: Rows) -> Address | Unaddressable:
    """The address a text means. Outer rows may be left out where the innermost is known: row ids are unique.

    An answer of a repeating question may be named by its place, from 0, because a list that is just being sent has no
    ids yet. Rows of groups never are: whoever counts them may count others than the server.
    """
    item = definition.items.get(text)
    if item is None:
        return _read_with_rows(definition, text, rows)
    if item.groups:
        return Unaddressable("row-required", "This item is inside a repeating one: name the row, as in group[row].item.")
    return Address(item, ())


def _read_with_rows(definition: Definition, text: str, rows: Rows) -> Address | Unaddressable:
    """The address in the steps item, row, item, row, ..., linkId. A linkId may itself look like a step with a number."""
    steps = _ROW.split(text)
    item = definition.items.get(steps[-1])
    if item is None:
        steps = _STEP.split(text)
        item = definition.items.get(steps[-1])
    if item is None:
        return Unaddressable("unknown-item", "The questionnaire has no such item.")
    groups, named = tuple(steps[:-1:2]), tuple(row.lower() for row in steps[1::2])
    if groups != item.groups:
        if not groups or groups != item.groups[-len(groups) :]:
            return Unaddressable("unknown-item", "The questionnaire has this item inside other ones.")
        outer = _rows_around(definition, groups[0], named[0], rows)
        if outer is None:
            return _NO_ROW
        named = outer + named
    return _by_id(definition, item, named, rows)


def _by_id(definition: Definition, item: Item, named: tuple[str, ...], rows: Rows) -> Address | Unaddressable:
    """The address with every place in it exchanged for the id of the answer that stands there."""
    for level, row in enumerate(named):
        if len(row) == 36:
            continue
        group = item.groups[level]
        if definition.items[group].type == "group":
            return Unaddressable("unknown-item", "Rows of groups are named by their ids.")
        ids = rows.get(prefix(item.groups[:level], named[:level]) + group, ())
        if int(row) >= len(ids):
            return _NO_ROW
        named = (*named[:level], ids[int(row)], *named[level + 1 :])
    return Address(item, named)


def _rows_around(definition: Definition, group: str, row: str, rows: Rows) -> tuple[str, ...] | None:
    """The rows around a row of this item; None when there is no such row."""
    for container, ids in rows.items():
        if row in ids:
            found = read(definition, container, rows)
            if isinstance(found, Address) and found.item.link_id == group:
                return found.rows
    return None


def containers(address: Address) -> list[tuple[str, str]]:
    """The addresses of the items with rows, and the rows, that an address goes through, outermost first."""
    groups, rows = address.item.groups, address.rows
    return [(prefix(groups[:level], rows[:level]) + groups[level], rows[level]) for level in range(len(groups))]
