"""Whatever is asked of a response: what is stored is what its events say, and whatever is accepted can be stored."""

from collections.abc import Callable
from typing import Any, get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains.responses import PatchResponse, Response, ResponseEvent, change_of
from keepwell.domains.responses.rules.evolution import evolve
from keepwell.kernel.envelope import Snapshot
from keepwell.kernel.journal import event_name, fold
from keepwell.kernel.problems import Refusal
from keepwell.kit.ids import new_id
from tests.support.desk import START, Desk
from tests.support.following import applied
from tests.support.forms import REAL_FORMS, form, item, real_form
from tests.support.sheet import Sheet

RESPONSE = new_id()
CODES = [{"valueCoding": {"system": "s", "code": code}} for code in "ab"]
FORM = form(
    item("text"),
    item("number", "decimal", required=True),
    item("many", "integer", repeats=True),
    item("choice", "choice", answerOption=CODES),
    item("hidden", enableWhen=[{"question": "text", "operator": "=", "answerString": "show"}]),
    item("again", "string", item("below", "decimal", item("deeper", "boolean"), repeats=True), repeats=True),
    item("g", "group", item("in", "date"), item("h", "group", item("deep", "boolean"), repeats=True), repeats=True),
)
LINKS = st.sampled_from(
    [
        "text",
        "number",
        "many",
        "choice",
        "hidden",
        "nobody",
        "again",
        "again[0].below",
        "again[1].below",
        "again[0].below[1].deeper",
    ]
)
FITTING = st.sampled_from([None, "show", "x", 0.1, 3, [1, 2], ["x", "y"], ["y"], "a", {"system": "s", "code": "b"}, "2026", True])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.sampled_from(["code", "value"]), inner, max_size=3)
    ),
    max_leaves=8,
)
ANSWERS = st.dictionaries(LINKS, FITTING | ANYTHING, max_size=4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["patch", "row", "inner", "in-row", "remove", "whole", "submit", "amend"]), ANSWERS, st.integers(0, 5)
    ),
    max_size=25,
)


def step(sheet: Sheet, action: str, answers: dict[str, Any], pick: int) -> Refusal | None:
    """Does one thing, on a row that is there where it needs one."""
    rows = [(container, row) for container, ids in sheet.rows.items() for row in ids]
    container, row = rows[pick % len(rows)] if rows else ("g", str(new_id()))
    inside = f"{container}[{row}]."
    named = (str(new_id()), *sheet.rows.get("g", ())[pick % 2 :])
    moves: dict[str, Callable[[], Refusal | None]] = {
        "patch": lambda: sheet.change(answers),
        "row": lambda: sheet.refused_row("g", {"in": "2026"} if pick % 2 else {}),
        "inner": lambda: sheet.refused_row(f"{inside}h", {"deep": True}),
        "in-row": lambda: sheet.change({f"{inside}in": None if pick % 2 else "2026-01"}),
        "remove": lambda: sheet.remove_row(row),
        "whole": lambda: sheet.desk.do(
            PatchResponse(sheet.id, {}, {"g": named}, {"author": None if pick % 2 else {"display": "A"}})
        ),
        "submit": sheet.submit,
        "amend": lambda: sheet.amend(answers),
    }
    return moves[action]()


def refolded(desk: Desk) -> Any:
    """The state after the events went to the journal and came back."""
    stored = [msgspec.msgpack.encode(event) for event in desk.events]
    decoder = msgspec.msgpack.Decoder[Any](desk.aggregate.event)
    return fold(desk.aggregate, (decoder.decode(event) for event in stored))


@settings(max_examples=300)
@given(ANSWERS, STEPS)
def test_the_fold_of_the_journal_is_the_stored_state(first: dict[str, Any], steps: list[tuple[str, dict[str, Any], int]]):
    sheet = Sheet(FORM)
    if sheet.create(first) is not None:
        assert sheet.create() is None
    for action, answers, pick in steps:
        before, events = sheet.desk.state, len(sheet.desk.events)
        refusal = step(sheet, action, answers, pick)
        if refusal is not None:
            assert sheet.desk.state is before, "a refusal changes nothing"
            assert len(sheet.desk.events) == events
    state: Response = sheet.desk.state
    assert refolded(sheet.desk) == state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Response) == state
    assert all(value is not None for value in state.answers.values())
    assert state.rows_made >= sum(len(ids) for ids in state.rows.values())
    assert len({row for ids in state.rows.values() for row in ids}) == sum(len(ids) for ids in state.rows.values())


def shown(desk: Desk, state: Response, version: int) -> dict[str, Any]:
    """A response as a client has it."""
    snapshot = Snapshot("response", RESPONSE, version, state, START, START, b"")
    view = msgspec.json.decode(msgspec.json.encode(desk.aggregate.view(snapshot)))
    return {name: view[name] for name in ("version", "status", "answers", "rows", "elements") if name in view}


@settings(max_examples=300)
@given(ANSWERS, STEPS)
def test_whoever_has_a_version_and_is_told_the_change_has_the_next_one(
    first: dict[str, Any], steps: list[tuple[str, dict[str, Any], int]]
):
    sheet = Sheet(FORM)
    if sheet.create(first) is not None:
        assert sheet.create() is None
    for action, answers, pick in steps:
        step(sheet, action, answers, pick)
    state: Response | None = None
    copy: dict[str, Any] = {"version": 0, "status": "", "answers": {}, "rows": {}}
    for version, event in enumerate(sheet.desk.events, start=1):
        state = evolve(state, event)
        copy = applied(copy, msgspec.json.decode(msgspec.json.encode(change_of(version, event))))
        assert copy == shown(sheet.desk, state, version)


@given(st.dictionaries(LINKS, ANYTHING, min_size=1))
def test_nothing_sent_as_answers_breaks_a_decision(answers: dict[str, Any]):
    sheet = Sheet(FORM)
    assert sheet.create() is None
    refusal = sheet.change(answers)
    assert (refusal is None) == (len(sheet.desk.events) == 2)
    if refusal is not None:
        assert refusal.faults


def test_every_event_has_a_name_of_its_own():
    names = [event_name(kind) for kind in get_args(ResponseEvent)]
    assert len(set(names)) == len(names) == 7


def test_real_forms_take_an_empty_response_through_the_same_rules():
    for name in REAL_FORMS:
        sheet = Sheet({**real_form(name), "status": "active"})
        assert sheet.create() is None
        refusal = sheet.submit()
        assert refusal is None or all(fault.code == "required" for fault in refusal.faults)
