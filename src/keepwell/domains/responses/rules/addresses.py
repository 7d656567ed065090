"""Addresses of answers: reading them against a form, and writing them."""

import re
from typing import NamedTuple

from keepwell.domains.questionnaires import Definition, Item
from keepwell.domains.responses.models import Rows

_ROW = re.compile(r"\[([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\]\.")


class Address(NamedTuple):
    """An item, and the rows of the repeating groups around it, as many as there are groups."""

    item: Item
    rows: tuple[str, ...]

    def __str__(self) -> str:
        return prefix(self.item.groups, self.rows) + self.item.link_id


class Unaddressable(NamedTuple):
    """Why a text is no address in this form."""

    code: str
    message: str


def prefix(groups: tuple[str, ...], rows: tuple[str, ...]) -> str:
    """What stands before the linkId in addresses inside these rows."""
    return "".join(f"{group}[{row}]." for group, row in zip(groups, rows, strict=True))


def read(definition: Definition, text: str, rows: Rows) -> Address | Unaddressable:
    """The address a text means. Outer groups may be left out where the innermost row is known: row ids are unique."""
    item = definition.items.get(text)
    if item is None:
        return _read_with_rows(definition, _ROW.split(text), rows)
    if item.groups:
        return Unaddressable("row-required", "This item is inside a repeating group: name the row, as in group[row].item.")
    return Address(item, ())


def _read_with_rows(definition: Definition, steps: list[str], rows: Rows) -> Address | Unaddressable:
    """The address in the steps group, row, group, row, ..., linkId."""
    item = definition.items.get(steps[-1])
    if item is None:
        return Unaddressable("unknown-item", "The questionnaire has no such item.")
    groups, named = tuple(steps[:-1:2]), tuple(row.lower() for row in steps[1::2])
    if groups == item.groups:
        return Address(item, named)
    if not groups or groups != item.groups[-len(groups) :]:
        return Unaddressable("unknown-item", "The questionnaire has this item inside other groups.")
    outer = _rows_around(definition, groups[0], named[0], rows)
    return Unaddressable("unknown-row", "There is no such row.") if outer is None else Address(item, outer + named)


def _rows_around(definition: Definition, group: str, row: str, rows: Rows) -> tuple[str, ...] | None:
    """The rows around a row of this group; None when there is no such row."""
    for container, ids in rows.items():
        if row in ids:
            found = read(definition, container, rows)
            if isinstance(found, Address) and found.item.link_id == group:
                return found.rows
    return None


def containers(address: Address) -> list[tuple[str, str]]:
    """The group addresses and rows an address goes through, outermost first."""
    groups, rows = address.item.groups, address.rows
    return [(prefix(groups[:depth], rows[:depth]) + groups[depth], rows[depth]) for depth in range(len(groups))]
