"""Turns the answers a caller names into the change they mean: full addresses, values as stored, rows brought along."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from keepwell.domains.questionnaires import Definition, escape
from keepwell.domains.responses.models import Answers, Rows
from keepwell.domains.responses.rules.addresses import Address, Unaddressable, containers, read
from keepwell.domains.responses.rules.values import judge
from keepwell.kernel.problems import Fault

MAX_ROWS = 500
MAX_CELLS = 100_000
MAX_FAULTS = 100


class Change(NamedTuple):
    """Values by full address, None where cleared; rows that begin with them; and what is wrong, when anything is."""

    answers: Answers
    rows: Rows
    faults: tuple[Fault, ...] = ()


def understand(definition: Definition, rows: Rows, answers: Answers, *, bring_rows: bool = False, inside: str = "") -> Change:
    """The change that `answers` mean for a response with these rows.

    `bring_rows`: an address may name a row that is not there yet, which thereby begins. `inside` stands before every
    address: the row that all of them are in.
    """
    change = _Change(definition, rows, bring_rows=bring_rows)
    for key, value in answers.items():
        change.add(key, inside + key, value)
        if len(change.faults) >= MAX_FAULTS:
            break
    return Change(change.answers, change.begun, tuple(change.faults[:MAX_FAULTS]))


def too_many_rows(definition: Definition, rows: Rows) -> bool:
    """Whether these rows, and the items they repeat, are more than a response may hold."""
    count = sum(len(ids) for ids in rows.values())
    return count > MAX_ROWS or count * sum(1 for item in definition.items.values() if item.groups) > MAX_CELLS


def added_rows(rows: Rows, more: Rows) -> Rows:
    """The rows of both, the new ones last."""
    return {**rows, **{container: (*rows.get(container, ()), *ids) for container, ids in more.items()}} if more else rows


class _Change:
    """A change as it grows, one answer at a time."""

    def __init__(self, definition: Definition, rows: Rows, *, bring_rows: bool) -> None:
        self._definition = definition
        self._rows = rows
        self._bring_rows = bring_rows
        self.answers: Answers = {}
        self.begun: dict[str, tuple[str, ...]] = {}
        self.faults: list[Fault] = []

    def add(self, key: str, text: str, value: Any) -> None:
        address = read(self._definition, text, self._rows)
        if isinstance(address, Unaddressable):
            self._fault(key, "", address.code, address.message, None)
            return
        if address.rows and not self._rows_are_there(address):
            self._fault(key, "", "unknown-row", "There is no such row.", address.item.link_id)
            return
        name = str(address) if address.rows else address.item.link_id
        if name in self.answers:
            self._fault(key, "", "named-twice", "Another address here means the same answer.", address.item.link_id)
        elif value is None and address.item.answerable:
            self.answers[name] = None
        else:
            judged = judge(address.item, value)
            for slip in judged.slips:
                self._fault(key, slip.below, slip.code, slip.message, address.item.link_id)
            # Without a single value there is no answer.
            self.answers[name] = None if judged.value == [] else judged.value

    def _rows_are_there(self, address: Address) -> bool:
        """Whether every row of the address is there, or begins with it."""
        for container, row in containers(address):
            if row in self._rows.get(container, ()) or row in self.begun.get(container, ()):
                continue
            if not self._bring_rows or _known(row, self._rows) or _known(row, self.begun):
                return False
            self.begun[container] = (*self.begun.get(container, ()), row)
        return True

    def _fault(self, key: str, below: str, code: str, message: str, link_id: str | None) -> None:
        self.faults.append(Fault(f"/answers/{escape(key)}{below}", code, message, link_id))


def _known(row: str, rows: Mapping[str, tuple[str, ...]]) -> bool:
    return any(row in ids for ids in rows.values())
