"""What a part remembers of its rows. What was recorded first counts: whoever runs a row once more changes nothing."""

from collections import Counter
from typing import Any

import msgspec
from msgspec.structs import replace

from keepwell.domains.enrollment.errors import UNKNOWN_ROWS
from keepwell.domains.enrollment.models import (
    Part,
    PartEvent,
    RecordRows,
    RecordUndone,
    ReopenRows,
    RowOutcome,
    RowsRecorded,
    RowsReopened,
    RowsUndone,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Refusal

REOPENABLE = ("dead", "refused", "conflict")


class PartView(msgspec.Struct, frozen=True):
    """What commands on a part answer: nobody shows it."""

    rows: int


def decide_record(state: Part | None, command: RecordRows, _context: Context) -> Decision:
    """Rows that were recorded already stay as they were recorded."""
    known = set[int]() if state is None else {outcome.row for outcome in state.rows}
    fresh = tuple(_counted(state, outcome) for outcome in command.rows if outcome.row not in known)
    if not fresh and state is not None:
        return ()
    return (RowsRecorded(command.id, command.batch, command.phase, command.number, command.size, fresh),)


def _counted(state: Part | None, outcome: RowOutcome) -> RowOutcome:
    before = 0 if state is None else dict(state.reopened).get(outcome.row, 0)
    return replace(outcome, attempts=outcome.attempts + before) if before else outcome


def decide_reopen(state: Part, command: ReopenRows, _context: Context) -> Decision:
    """Only what did not come through is run again."""
    open_to_it = {outcome.row for outcome in state.rows if outcome.result in REOPENABLE}
    rows = {*command.rows, *(one.row for one in command.corrections)}
    if not rows <= open_to_it:
        return Refusal(UNKNOWN_ROWS)
    return (RowsReopened(tuple(sorted(rows)), command.corrections),) if rows else ()


def decide_undone(state: Part, command: RecordUndone, _context: Context) -> Decision:
    """A row is taken back or left once."""
    known = {*state.undone, *state.left}
    undone = tuple(row for row in command.undone if row not in known)
    left = tuple(row for row in command.left if row not in known)
    return (RowsUndone(undone, left),) if undone or left else ()


COMMANDS: tuple[tuple[str, Any, Any, bool], ...] = (
    ("record", RecordRows, decide_record, True),
    ("reopen-rows", ReopenRows, decide_reopen, False),
    ("record-undone", RecordUndone, decide_undone, False),
)
"""Name, command, rule, and whether a part may begin with it."""


def evolve(state: Part | None, event: PartEvent) -> Part:
    """The part after one event."""
    if isinstance(event, RowsRecorded):
        state = state or Part(event.id, event.batch, event.phase, event.number, event.size)
        return replace(state, rows=tuple(sorted((*state.rows, *event.rows), key=lambda outcome: outcome.row)))
    if state is None:
        raise ValueError("a part begins by recording rows")
    if isinstance(event, RowsUndone):
        return replace(state, undone=(*state.undone, *event.undone), left=(*state.left, *event.left))
    again = set(event.rows)
    kept = tuple(outcome for outcome in state.rows if outcome.row not in again)
    attempts = {outcome.row: outcome.attempts for outcome in state.rows if outcome.row in again}
    corrected = {one.row: one for one in (*state.corrections, *event.corrections)}
    return replace(
        state, rows=kept, corrections=tuple(corrected.values()), reopened=tuple({**dict(state.reopened), **attempts}.items())
    )


def complete(state: Part) -> bool:
    """Whether something came of each of its rows."""
    return len(state.rows) == state.size


def counted(state: Part) -> Counter[str]:
    """How many rows came to what."""
    return Counter(outcome.result for outcome in state.rows)


def view(snapshot: Snapshot) -> PartView:
    """How much is recorded."""
    return PartView(len(snapshot.state.rows))
