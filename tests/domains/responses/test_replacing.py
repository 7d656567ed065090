"""A response is made to say just what a whole resource says, by the least change, and the journal still tells all."""

from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains.questionnaires import compile_form
from keepwell.domains.responses import AmendResponse, AnswersChanged, CreateResponse, PatchResponse, Response
from keepwell.domains.responses.rules import replacement
from keepwell.domains.responses.rules.evolution import before
from keepwell.kernel.problems import Refusal
from tests.domains.responses.test_journal import refolded
from tests.domains.responses.test_tree import MIXED, filled
from tests.support.forms import form, item
from tests.support.sheet import FORM, Sheet, places

DEFINITION = compile_form(MIXED)
ELEMENTS = st.dictionaries(st.sampled_from(["author", "language", "authored"]), st.sampled_from(["x", {"y": 1}, [2]]))
ROWS = form(
    item("a", "integer"),
    item("again", "string", item("deep", "date"), repeats=True),
    item("g", "group", item("x"), item("h", "group", item("y"), repeats=True), repeats=True),
    item("must", required=True),
)


def begun(answers: Any, rows: Any, elements: Any = None, source: Any = MIXED) -> Sheet:
    sheet = Sheet(source)
    refusal = sheet.desk.do(CreateResponse(sheet.id, FORM, None, answers, rows, elements or {}))
    assert refusal is None, refusal
    return sheet


def replaced(sheet: Sheet, answers: Any, rows: Any, elements: Any = None) -> Refusal | None:
    change = replacement(sheet.desk.state, answers, rows, elements or {})
    return sheet.desk.do(PatchResponse(sheet.id, change.answers, change.rows, change.elements))


def said(state: Response) -> Any:
    return state.answers, state.rows, state.elements


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_response_says_just_what_replaced_it(data: st.DataObject):
    first, second = data.draw(filled(DEFINITION)), data.draw(filled(DEFINITION))
    elements = [data.draw(ELEMENTS) for _ in range(2)]
    sheet = begun(*first, elements[0])
    assert said(sheet.desk.state) == (*first, elements[0])
    assert replaced(sheet, *second, elements[1]) is None
    assert said(sheet.desk.state) == (*second, elements[1])
    assert refolded(sheet.desk) == sheet.desk.state
    if len(sheet.desk.events) > 1:
        assert said(before(sheet.desk.state, sheet.desk.events[1:])) == (*first, elements[0])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_the_same_needs_no_change(data: st.DataObject):
    answers, rows = data.draw(filled(DEFINITION))
    sheet = begun(answers, rows, {"author": {"reference": "Patient/1"}})
    assert replacement(sheet.desk.state, dict(answers), dict(rows), {"author": {"reference": "Patient/1"}}).empty
    assert replaced(sheet, answers, rows, {"author": {"reference": "Patient/1"}}) is None
    assert sheet.version == 1


def test_only_what_differs_is_written():
    sheet = begun({"a": 1, "again": ["x"]}, {"again": (str(uuid4()),)}, source=ROWS)
    assert replaced(sheet, {**sheet.answers, "a": 2}, sheet.rows) is None
    event: AnswersChanged = sheet.desk.events[-1]
    assert (event.answers, event.answer_rows, event.replaced) == ({"a": 2}, {}, {"a": 1})


def test_rows_are_taken_away_begun_and_put_in_order():
    one, two, three, inner = (str(uuid4()) for _ in range(4))
    answers = {f"g[{one}].x": "first", f"g[{two}].x": "second", f"g[{two}].h[{inner}].y": "below"}
    sheet = begun(answers, {"g": (one, two), f"g[{two}].h": (inner,)}, source=ROWS)
    after = {f"g[{three}].x": "third", f"g[{one}].x": "first"}
    assert replaced(sheet, after, {"g": (three, one)}) is None
    assert (sheet.answers, sheet.rows) == (after, {"g": (three, one)})
    assert sheet.desk.state.rows_made == 4
    assert replaced(sheet, {}, {"g": (one,), f"g[{one}].h": (two,)}) is None
    assert (sheet.answers, sheet.rows) == ({}, {"g": (one,), f"g[{one}].h": (two,)})


def test_rows_that_cannot_be_are_refused():
    row, other = str(uuid4()), str(uuid4())
    sheet = begun({"again": ["x"]}, {"again": (row,), "g": (other,)}, source=ROWS)
    for answers, rows, expected in (
        ({}, {"a": (other,)}, ("/rows/a", "not-repeating")),
        ({}, {"nobody": (other,)}, ("/rows/nobody", "unknown-item")),
        ({}, {"g": (row,)}, ("/rows/g", "row-id")),
        ({}, {"g": (other, other)}, ("/rows/g", "row-id")),
        ({}, {"g": (str(uuid4()).upper(),)}, ("/rows/g", "row-id")),
        ({}, {"g": ("first",)}, ("/rows/g", "row-id")),
        ({}, {f"g[{row}].h": (str(uuid4()),)}, (f"/rows/g[{row}].h", "unknown-row")),
        ({}, {"again": ()}, ("/rows/again", "row-id")),
        ({"again": ["x", "y"]}, {"again": (row,)}, ("/answers/again", "row-id")),
        ({f"g[{uuid4()}].x": "z"}, {"g": ()}, None),
    ):
        refusal = sheet.desk.do(PatchResponse(sheet.id, answers, rows))
        if expected is None:
            assert [code for _, code in places(refusal)] == ["unknown-row"]
        else:
            assert places(refusal) == [expected]
    assert sheet.version == 1


def test_a_change_of_rows_or_elements_is_not_merged():
    sheet = begun({}, {}, source=ROWS)
    assert sheet.patch(a=1) is None
    for command in (PatchResponse(sheet.id, {}, {"g": (str(uuid4()),)}), PatchResponse(sheet.id, {}, {}, {"author": "x"})):
        refusal = sheet.desk.do(command, 1)
        assert refusal is not None
        assert refusal.code == "version-conflict"


def test_a_response_can_begin_as_a_complete_one_and_only_if_it_is():
    sheet = Sheet(ROWS)
    refusal = sheet.desk.do(CreateResponse(sheet.id, FORM, None, {}, submitted=True))
    assert places(refusal) == [("/answers/must", "required")]
    assert refusal is not None
    assert not refusal.type.kept
    assert sheet.version == 0
    assert sheet.desk.do(CreateResponse(sheet.id, FORM, None, {"must": "x"}, submitted=True)) is None
    assert (sheet.desk.state.status, sheet.version) == ("completed", 2)
    row = str(uuid4())
    amended = AmendResponse(sheet.id, "why", {"a": 3, f"g[{row}].x": "z"}, {"g": (row,)}, {"author": {"display": "A"}})
    assert sheet.desk.do(amended) is None
    assert said(sheet.desk.state) == ({"must": "x", "a": 3, f"g[{row}].x": "z"}, {"g": (row,)}, {"author": {"display": "A"}})
    assert sheet.desk.do(AmendResponse(sheet.id, "why", {}, {"g": ()}, {"author": None})) is None
    assert said(sheet.desk.state) == ({"must": "x", "a": 3}, {}, {})
    assert refolded(sheet.desk) == sheet.desk.state
