"""Three-way merge: what becomes of a change that was made from an older version than the one it meets.

Answer by answer: what only one side changed is taken over; what both changed alike is no conflict; what they changed
differently is one, and then nothing is stored. A row that one side removed while the other changed something inside is a
conflict about what is inside. Nothing that either side wrote is dropped without being told.
"""

import re
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from keepwell.domains.questionnaires import Definition
from keepwell.domains.responses.models import Answers, Response, Rows
from keepwell.domains.responses.rules.changes import Change
from keepwell.domains.responses.rules.evolution import answered
from keepwell.domains.responses.rules.verdicts import disabled, filled

_MOST_ROUNDS = 10
_ROW = re.compile(r"\[([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\]\.")


class Conflict(msgspec.Struct, frozen=True):
    """An answer that two people changed differently; None where there is none. `linkId` is its whole address."""

    linkId: str  # noqa: N815 - FHIR's own name
    base: Any
    theirs: Any
    yours: Any


class Merged(NamedTuple):
    """What of a change is still to be written, or why it cannot be."""

    answers: Answers
    answer_rows: Rows
    conflicts: tuple[Conflict, ...]


def merge(base: Response, theirs: Response, yours: Change) -> Merged:
    """The change `yours`, made to `base`, as it is to be made to `theirs`."""
    merger = _Merger(base, theirs, yours)
    # From outside in: what becomes of a list decides about what is below its answers.
    for address in sorted(yours.answers, key=lambda one: one.count("].")):
        merger.add(address, yours.answers[address])
    return Merged(merger.answers, merger.answer_rows, tuple(merger.conflicts))


def same(one: Any, other: Any) -> bool:
    """Whether two answers are equal. A flag never equals a number."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


class _Merger:
    def __init__(self, base: Response, theirs: Response, yours: Change) -> None:
        self._base = base
        self._theirs = theirs
        self._yours = yours
        self._lost = _ids(base.rows) - _ids(theirs.rows) if base.rows != theirs.rows else set[str]()
        self._silent: set[str] = set()
        self.answers: Answers = {}
        self.answer_rows: dict[str, tuple[str, ...]] = {}
        self.conflicts: list[Conflict] = []

    def add(self, address: str, value: Any) -> None:
        was, now = self._base.answers.get(address), self._theirs.answers.get(address)
        rows = set(_ROW.findall(address)) if "[" in address else set[str]()
        if same(value, was) or rows & self._silent:
            return
        if rows & self._lost:
            if value is not None:
                self.conflicts.append(Conflict(address, was, None, value))
        elif same(now, was):
            self.answers[address] = value
            self._take_rows(address)
        elif same(now, value):
            self._lost |= self._new_rows(address)
        else:
            self._silent |= self._new_rows(address)
            self.conflicts.append(Conflict(address, was, now, value))

    def _new_rows(self, address: str) -> set[str]:
        """Rows that yours would begin, but that will not come: what is below them has no place to go."""
        return set(self._yours.answer_rows.get(address, ())) - _ids(self._theirs.rows)

    def _take_rows(self, address: str) -> None:
        ids = self._yours.answer_rows.get(address)
        if ids is None:
            return
        self.answer_rows[address] = ids
        for row in self._base.rows.get(address, ()):
            if row not in ids:
                self.conflicts += changed_inside(self._base, self._theirs, f"{address}[{row}].")


def changed_inside(base: Response, theirs: Response, inside: str) -> list[Conflict]:
    """What they changed inside a row that you remove."""
    addresses = dict.fromkeys(address for address in (*base.answers, *theirs.answers) if address.startswith(inside))
    pairs = ((address, base.answers.get(address), theirs.answers.get(address)) for address in addresses)
    return [Conflict(address, was, now, None) for address, was, now in pairs if not same(was, now)]


def cleared(
    definition: Definition, base: Response, theirs: Response, yours: Change, merged: Merged, now: datetime
) -> tuple[str, ...]:
    """The answers that apply no more once both changes are made, though they did for whoever gave or left them.

    What already stood where it does not apply, on the side it comes from, stays as it would without a merge.
    """
    touched = _touched(base, theirs) | yours.answers.keys()
    if not any(address.rpartition("].")[2] in definition.deciders for address in touched):
        return ()
    mine = answered(base, yours.answers, yours.answer_rows)
    for_them, for_you = (disabled(definition, filled(side, now)) for side in (theirs, mine))
    gone: dict[str, None] = {}
    answers, answer_rows = dict(merged.answers), dict(merged.answer_rows)
    for _ in range(_MOST_ROUNDS):
        together = answered(theirs, answers, answer_rows)
        fresh = [
            address
            for address in disabled(definition, filled(together, now))
            if (address in merged.answers and address not in for_you)
            or (not same(base.answers.get(address), theirs.answers.get(address)) and address not in for_them)
            or (address not in for_them and address not in for_you)
        ]
        if not fresh:
            break
        gone |= dict.fromkeys(sorted(fresh))
        answers |= dict.fromkeys(fresh)
        answer_rows |= {address: () for address in fresh if address in together.rows}
    return tuple(gone)


def _touched(base: Response, theirs: Response) -> set[str]:
    return {
        address
        for address in dict.fromkeys((*base.answers, *theirs.answers))
        if not same(base.answers.get(address), theirs.answers.get(address))
    }


def _ids(rows: Rows) -> set[str]:
    return {row for ids in rows.values() for row in ids}
