"""The life of a batch and what its parts remember: the folds of their events, each row once."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import enrollment
from keepwell.domains.enrollment.models import (
    Batch,
    CancelBatch,
    Correction,
    CreateBatch,
    FinishBatch,
    Part,
    PauseBatch,
    RecordRows,
    RecordUndone,
    ReopenBatch,
    ReopenRows,
    ResumeBatch,
    RollBackBatch,
    RowOutcome,
    StartBatch,
)
from keepwell.domains.enrollment.rules.parts import REOPENABLE
from keepwell.domains.programs import Period
from keepwell.domains.uploads import Mapping
from keepwell.kernel.journal import fold
from keepwell.kit.ids import new_id
from tests.support.desk import Desk

BATCH, PART = enrollment.AGGREGATES
ID, OTHER, SIZE = new_id(), new_id(), 4
STEPS = st.lists(
    st.sampled_from(
        [
            StartBatch(ID),
            PauseBatch(ID),
            ResumeBatch(ID),
            CancelBatch(ID),
            ReopenBatch(ID),
            RollBackBatch(ID),
            FinishBatch(ID, "completed"),
            FinishBatch(ID, "failed", "rows-refused"),
            FinishBatch(ID, "rolled-back", left=1),
        ]
    ),
    max_size=12,
)
ROWS = st.lists(
    st.builds(
        RowOutcome,
        st.integers(1, SIZE),
        st.sampled_from(["enrolled", "unchanged", "updated", "conflict", "refused", "dead"]),
        st.none(),
        st.none() | st.just(OTHER),
    ),
    max_size=SIZE,
    unique_by=lambda outcome: outcome.row,
).map(tuple)
NUMBERS = st.lists(st.integers(1, SIZE), max_size=SIZE, unique=True).map(tuple)
WORK = st.lists(
    st.one_of(
        st.builds(RecordRows, *map(st.just, (ID, OTHER, "run", 0, SIZE)), ROWS),
        st.builds(ReopenRows, st.just(ID), NUMBERS),
        st.builds(ReopenRows, st.just(ID), NUMBERS, st.just((Correction(1, {"phone": "1"}),))),
        st.builds(RecordUndone, st.just(ID), NUMBERS, st.just(())),
    ),
    max_size=8,
)


def refolded(desk: Desk) -> Any:
    decoder = msgspec.msgpack.Decoder[Any](desk.aggregate.event)
    return fold(desk.aggregate, (decoder.decode(msgspec.msgpack.encode(event)) for event in desk.events))


@given(STEPS, st.booleans(), st.booleans())
def test_a_batch_is_the_fold_of_its_journal_and_ends_where_it_may(steps: list[Any], dry_run: bool, atomic: bool):  # noqa: FBT001
    desk = Desk(BATCH)
    assert desk.do(CreateBatch(ID, OTHER, Period("2026-01-01", "2026-12-31", "UTC"), Mapping(), 3, "", dry_run, atomic)) is None
    for step in steps:
        before: Batch = desk.state
        refused = desk.do(step)
        assert refused is None or desk.state is before
        assert not (dry_run and desk.state.task == "roll-back")
        assert before.status != "rolled-back" or desk.state.status == "rolled-back"
        assert (desk.state.finished_at is None) == (desk.state.status in ("queued", "running", "paused"))
    assert refolded(desk) == desk.state


@given(ROWS, WORK)
def test_a_part_is_the_fold_of_its_journal_and_knows_each_row_once(first: tuple[RowOutcome, ...], work: list[Any]):
    desk = Desk(PART)
    assert desk.do(RecordRows(ID, OTHER, "run", 0, SIZE, first)) is None
    for command in work:
        before: Part = desk.state
        known = {outcome.row: outcome.result for outcome in before.rows}
        refused = desk.do(command)
        rows = [outcome.row for outcome in desk.state.rows]
        assert rows == sorted(set(rows))
        assert not set(desk.state.undone) & set(desk.state.left)
        if isinstance(command, RecordRows):
            assert known.items() <= {outcome.row: outcome.result for outcome in desk.state.rows}.items()
        if isinstance(command, ReopenRows) and refused is None:
            assert {known[row] for row in known.keys() - set(rows)} <= set(REOPENABLE)
    assert refolded(desk) == desk.state
