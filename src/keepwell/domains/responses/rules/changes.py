"""Turns the answers a caller names into the change they mean: full addresses, values as stored, rows brought along."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from keepwell.domains.questionnaires import Definition, escape
from keepwell.domains.responses.models import Answers, Rows
from keepwell.domains.responses.rules.addresses import Address, Unaddressable, containers, read
from keepwell.domains.responses.rules.values import judge
from keepwell.kernel.problems import Fault
from keepwell.kit.ids import parse_id

MAX_ROWS = 500
MAX_CELLS = 100_000
MAX_FAULTS = 100

RowIds = Callable[[int], str]
"""The id of the response's nth row, counted from all there ever were."""


class Change(NamedTuple):
    """Values by full address, None where cleared; rows that begin with them; and what is wrong, when anything is.

    `answer_rows` are the rows of those changed questions that have rows, and of the groups named, as they are after the change.
    """

    answers: Answers
    rows: Rows
    answer_rows: Rows
    faults: tuple[Fault, ...] = ()


class Ground(NamedTuple):
    """What a change is made to: the form, what is there already, and where ids for new rows come from."""

    definition: Definition
    answers: Answers
    rows: Rows
    ids: RowIds
    made: int = 0


def understand(
    ground: Ground, answers: Answers, *, bring_rows: bool = False, inside: str = "", named: Rows | None = None
) -> Change:
    """The change that `answers` mean.

    `bring_rows`: an address may name a row of a group that is not there yet, which thereby begins. `inside` stands before
    every address: the row that all of them are in. `named` are the rows that items are to have; where a group's are named, no
    other begins.
    """
    change = _Change(ground, bring_rows=bring_rows)
    if named:
        change.name_rows(named)
    items = ground.definition.items
    later: list[tuple[int, bool, int, str, Any]] = []
    for place, (key, value) in enumerate(answers.items()):
        text = inside + key
        item = items.get(text)
        if item is not None and not item.groups and not item.rows:
            change.put(place, key, Address(item, ()), value)
        else:
            # From outside in, and answers before what is asked below them: by then their rows are known.
            meant = items.get(text.rpartition("].")[2])
            around = text.count("].") if meant is None else len(meant.groups)
            later.append((around, meant is None or not meant.rows, place, key, value))
    for _, _, place, key, value in sorted(later, key=lambda one: one[:3]):
        change.add(place, key, inside + key, value)
    return change.done()


def too_many_rows(definition: Definition, rows: Rows) -> bool:
    """Whether these rows, and the items they repeat, are more than a response may hold."""
    count = sum(len(ids) for ids in rows.values())
    return count > MAX_ROWS or count * sum(1 for item in definition.items.values() if item.groups) > MAX_CELLS


def added_rows(rows: Rows, more: Rows) -> Rows:
    """The rows of both, the new ones last."""
    return {**rows, **{container: (*rows.get(container, ()), *ids) for container, ids in more.items()}} if more else rows


def as_list(value: Any) -> list[Any]:
    """The answers in a stored value: none, one, or as many as are in the list."""
    return cast("list[Any]", value) if isinstance(value, list) else [] if value is None else [value]


class _Change:
    """A change as it grows, one answer at a time."""

    def __init__(self, ground: Ground, *, bring_rows: bool) -> None:
        self._ground = ground
        self._made = ground.made
        self._bring_rows = bring_rows
        self._answers: Answers = {}
        self._begun: dict[str, tuple[str, ...]] = {}
        self._named: dict[str, tuple[str, ...]] = {}
        self._answer_rows: dict[str, tuple[str, ...]] = {}
        self._rows = ground.rows
        self._faults: list[tuple[int, Fault]] = []

    def done(self) -> Change:
        """What came of it, the faults in the order the answers were sent."""
        for name in self._named.keys() - self._answer_rows.keys() - self._answers.keys():
            message = "The rows of a question are named together with its answers."
            self._faults.append((-1, Fault(f"/rows/{escape(name)}", "row-id", message)))
        faults = tuple(fault for _, fault in sorted(self._faults, key=lambda one: one[0])[:MAX_FAULTS])
        return Change(self._answers, self._begun, self._answer_rows, faults)

    def name_rows(self, named: Rows) -> None:
        """Takes over which rows there are to be, from outside in."""
        for key in sorted(named, key=lambda text: text.count("].")):
            address = read(self._ground.definition, key, self._rows)
            wrong = address if isinstance(address, Unaddressable) else self._wrong_rows(address, named[key])
            if isinstance(address, Unaddressable) or wrong is not None:
                code, message = wrong or _NOT_REPEATING
                self._faults.append((-1, Fault(f"/rows/{escape(key)}", code, message)))
                continue
            name = str(address)
            self._rows = {**self._rows, name: named[key]}
            self._named[name] = named[key]
            if address.item.type == "group":
                self._answer_rows[name] = named[key]

    def _wrong_rows(self, address: Address, ids: tuple[str, ...]) -> Unaddressable | None:
        """Why an item cannot have these rows."""
        if not address.item.rows:
            return _NOT_REPEATING
        if not self._rows_are_there(address):
            return Unaddressable("unknown-row", "There is no such row.")
        elsewhere = (set(others) for container, others in self._rows.items() if container != str(address))
        proper = all((found := parse_id(row)) is not None and str(found) == row for row in ids)
        if not proper or len(set(ids)) != len(ids) or any(others & set(ids) for others in elsewhere):
            return Unaddressable("row-id", "The ids of rows are UUIDs in lower case, each for one row only.")
        return None

    def add(self, place: int, key: str, text: str, value: Any) -> None:
        address = read(self._ground.definition, text, self._rows)
        if isinstance(address, Unaddressable):
            self._fault(place, key, "", address.code, address.message, None)
        elif address.rows and not self._rows_are_there(address):
            self._fault(place, key, "", "unknown-row", "There is no such row.", address.item.link_id)
        else:
            self.put(place, key, address, value)

    def put(self, place: int, key: str, address: Address, value: Any) -> None:
        item = address.item
        name = str(address) if address.rows else item.link_id
        if name in self._answers:
            self._fault(place, key, "", "named-twice", "Another address here means the same answer.", item.link_id)
            return
        if value is None and item.answerable:
            self._answers[name] = None
        else:
            judged = judge(item, value)
            for slip in judged.slips:
                self._fault(place, key, slip.below, slip.code, slip.message, item.link_id)
            # Without a single value there is no answer.
            self._answers[name] = None if judged.value == [] else judged.value
        if item.rows and item.answerable:
            self._keep(place, key, name, as_list(self._answers[name]))

    def _keep(self, place: int, key: str, name: str, values: list[Any]) -> None:
        if len(values) > MAX_ROWS:
            message = f"At most {MAX_ROWS} answers can be given to a question that asks further ones."
            self._fault(place, key, "", "limit", message, None)
            return
        named = self._named.get(name)
        if named is not None and len(named) != len(values):
            self._fault(place, key, "", "row-id", "There must be as many rows as answers.", None)
            return
        self._answer_rows[name] = self._kept(name, values) if named is None else named
        self._rows = {**self._rows, name: self._answer_rows[name]}

    def _kept(self, name: str, values: list[Any]) -> tuple[str, ...]:
        """A row for each answer: one given before keeps its row, a changed one the row of what stood in its place."""
        before = list(zip(as_list(self._ground.answers.get(name)), self._ground.rows.get(name, ()), strict=True))
        ids: list[str | None] = []
        free: dict[int, str] = {index: row for index, (_, row) in enumerate(before)}
        for value in values:
            match = next((i for i in free if before[i][0] == value and type(before[i][0]) is type(value)), None)
            ids.append(None if match is None else free.pop(match))
        return tuple(row or free.get(index) or self._new_id() for index, row in enumerate(ids))

    def _new_id(self) -> str:
        self._made += 1
        return self._ground.ids(self._made - 1)

    def _rows_are_there(self, address: Address) -> bool:
        """Whether every row of the address is there, or begins with it."""
        for level, (container, row) in enumerate(containers(address)):
            if row in self._rows.get(container, ()) or row in self._begun.get(container, ()):
                continue
            group = self._ground.definition.items[address.item.groups[level]]
            if (
                not self._bring_rows
                or container in self._named
                or group.type != "group"
                or _known(row, self._rows)
                or _known(row, self._begun)
            ):
                return False
            self._begun[container] = (*self._begun.get(container, ()), row)
        return True

    def _fault(self, place: int, key: str, below: str, code: str, message: str, link_id: str | None) -> None:
        self._faults.append((place, Fault(f"/answers/{escape(key)}{below}", code, message, link_id)))


_NOT_REPEATING = Unaddressable("not-repeating", "Only a repeating group, or a repeating question with others below it, has rows.")


def _known(row: str, rows: Mapping[str, tuple[str, ...]]) -> bool:
    return any(row in ids for ids in rows.values())
