"""What must be there when a response is submitted, and what must not."""

from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.support.forms import form, item
from tests.support.sheet import Sheet, begun, places


def when(question: str, operator: str, **answer: Any) -> dict[str, Any]:
    return {"enableWhen": [{"question": question, "operator": operator, **answer}]}


def test_every_faulty_item_has_one_fault():
    sheet = begun(item("a", required=True), item("b", "integer", required=True), item("c"), item("d", required=True))
    assert sheet.patch(d="x") is None
    refusal = sheet.submit()
    assert refusal is not None
    assert refusal.code == "response-invalid"
    assert [(fault.pointer, fault.code, fault.linkId) for fault in refusal.faults] == [
        ("/answers/a", "required", "a"),
        ("/answers/b", "required", "b"),
    ]
    assert sheet.desk.state.status == "in-progress"


def test_a_complete_response_is_submitted():
    sheet = begun(item("a", required=True), item("b"))
    assert sheet.patch(a="x") is None
    assert sheet.submit() is None


def test_an_optional_group_with_nothing_in_it_asks_for_nothing():
    sheet = begun(item("g", "group", item("a", required=True), item("b")))
    assert sheet.submit() is None


def test_an_optional_group_with_something_in_it_asks_for_what_is_required():
    sheet = begun(item("g", "group", item("a", required=True), item("b")))
    assert sheet.patch(b="x") is None
    assert places(sheet.submit()) == [("/answers/a", "required")]


def test_a_required_group_needs_something_in_it():
    sheet = begun(item("g", "group", item("deep", "group", item("a"))) | {"required": True})
    assert places(sheet.submit()) == [("/answers/g", "required")]
    assert sheet.patch(a="x") is None
    assert sheet.submit() is None


def test_what_stands_below_an_unanswered_question_is_not_asked():
    sheet = begun(item("q", "string", item("detail", required=True)))
    assert sheet.submit() is None
    sheet = begun(item("q", "string", item("detail", required=True)))
    assert sheet.patch(q="x") is None
    assert places(sheet.submit()) == [("/answers/detail", "required")]


def test_each_row_is_asked_by_itself():
    sheet = begun(item("g", "group", item("a", required=True), item("b"), repeats=True))
    full, lacking, _empty = sheet.add_row("g", {"a": "x"}), sheet.add_row("g", {"b": "y"}), sheet.add_row("g")
    assert places(sheet.submit()) == [(f"/answers/g[{lacking}].a", "required")]
    assert full != lacking


def test_a_required_repeating_group_needs_one_row_with_something_in_it():
    sheet = begun(item("g", "group", item("a"), repeats=True, required=True))
    sheet.add_row("g")
    assert places(sheet.submit()) == [("/answers/g", "required")]
    sheet.add_row("g", {"a": "x"})
    assert sheet.submit() is None


def test_a_disabled_item_is_neither_required_nor_may_be_answered():
    sheet = begun(item("a", "boolean"), item("b", required=True, **when("a", "=", answerBoolean=True)))
    assert sheet.submit() is None
    sheet = begun(item("a", "boolean"), item("b", required=True, **when("a", "=", answerBoolean=True)))
    assert sheet.patch(a=False, b="x") is None
    assert places(sheet.submit()) == [("/answers/b", "disabled")]
    assert sheet.patch(a=True) is None
    assert sheet.submit() is None


def test_a_disabled_group_disables_what_is_in_it():
    hidden = item("g", "group", item("b", required=True)) | {"required": True} | when("a", "exists", answerBoolean=True)
    sheet = begun(item("a"), hidden)
    assert sheet.submit() is None
    sheet = begun(item("a"), hidden)
    assert sheet.patch(b="x") is None
    assert places(sheet.submit()) == [("/answers/g", "disabled")]


def test_the_answer_of_a_disabled_item_enables_nothing():
    sheet = begun(
        item("a"),
        item("b", **when("a", "=", answerString="yes")),
        item("c", required=True, **when("b", "exists", answerBoolean=True)),
    )
    assert sheet.patch(a="no", b="left over") is None
    assert places(sheet.submit()) == [("/answers/b", "disabled")]
    assert sheet.patch(b=None) is None
    assert sheet.submit() is None


def test_a_condition_looks_into_its_own_row_first():
    sheet = begun(
        item(
            "g",
            "group",
            item("smokes", "boolean"),
            item("packs", required=True, **when("smokes", "=", answerBoolean=True)),
            repeats=True,
        )
    )
    sheet.add_row("g", {"smokes": False})
    smoker = sheet.add_row("g", {"smokes": True})
    assert places(sheet.submit()) == [(f"/answers/g[{smoker}].packs", "required")]


def test_from_outside_any_row_can_meet_a_condition():
    sheet = begun(
        item("g", "group", item("smokes", "boolean"), repeats=True),
        item("advice", required=True, **when("smokes", "=", answerBoolean=True)),
    )
    sheet.add_row("g", {"smokes": False})
    sheet.add_row("g", {"smokes": True})
    assert places(sheet.submit()) == [("/answers/advice", "required")]


def test_all_or_any_of_several_conditions():
    conditions = [
        {"question": "a", "operator": "=", "answerString": "x"},
        {"question": "b", "operator": "=", "answerString": "x"},
    ]
    for behaviour, asked in (("all", []), ("any", [("/answers/c", "required")])):
        sheet = begun(item("a"), item("b"), item("c", required=True, enableWhen=conditions, enableBehavior=behaviour))
        assert sheet.patch(a="x") is None
        refusal = sheet.submit()
        assert (places(refusal) if refusal else []) == asked


def test_a_long_chain_of_conditions_is_followed_to_its_end():
    chain = [item("0"), *(item(str(i), **when(str(i - 1), "exists", answerBoolean=True)) for i in range(1, 3_000))]
    sheet = begun(*chain)
    assert sheet.change({str(i): "x" for i in range(3_000)}) is None
    assert sheet.change({"1500": None}) is None
    refusal = sheet.submit()
    assert refusal is not None
    assert places(refusal)[0] == ("/answers/1501", "disabled")
    assert len(refusal.faults) == 100


@pytest.mark.parametrize(
    ("operator", "answer", "enabled"),
    [
        ("=", {"answerString": "x"}, False),
        ("!=", {"answerString": "x"}, False),
        (">", {"answerString": "x"}, False),
        ("exists", {"answerBoolean": True}, False),
        ("exists", {"answerBoolean": False}, True),
    ],
)
def test_without_an_answer_only_absence_is_met(operator: str, answer: dict[str, Any], enabled: bool):  # noqa: FBT001
    sheet = begun(item("a"), item("b", required=True, **when("a", operator, **answer)))
    assert (sheet.submit() is not None) == enabled


def test_of_several_answers_one_is_enough():
    for operator in ("=", "!="):
        sheet = begun(item("a", repeats=True), item("b", required=True, **when("a", operator, answerString="x")))
        assert sheet.patch(a=["x", "y"]) is None
        assert places(sheet.submit()) == [("/answers/b", "required")]


def test_rows_that_come_with_a_creation_are_judged_alike():
    sheet, row = Sheet(form(item("g", "group", item("a", required=True), item("b"), repeats=True))), str(new_id())
    assert sheet.create({f"g[{row}].b": "x"}) is None
    assert places(sheet.submit()) == [(f"/answers/g[{row}].a", "required")]
