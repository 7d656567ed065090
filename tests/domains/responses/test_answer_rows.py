"""Repeating questions that ask further questions: each of their answers is a row, with what is asked below it inside."""

from typing import Any

from keepwell.kit.ids import new_id
from tests.support.forms import form, item
from tests.support.sheet import Sheet, begun, places

ALLERGY = item(
    "allergy",
    "string",
    item("since", "date"),
    item("signs", "string", item("grade", "integer"), repeats=True),
    repeats=True,
)
NOTED = item("visits", "group", ALLERGY, repeats=True)


def test_the_answers_of_a_list_get_rows_and_what_is_below_is_addressed_by_them():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts", "pollen"]}) is None
    nuts, pollen = sheet.rows["allergy"]
    assert sheet.change({f"allergy[{pollen}].since": "2020"}) is None
    assert sheet.answers == {"allergy": ["nuts", "pollen"], f"allergy[{pollen}].since": "2020"}
    assert nuts != pollen


def test_a_list_and_what_is_below_it_are_sent_at_once_by_place():
    sheet = begun(ALLERGY)
    assert sheet.change({
        "allergy[1].signs[0].grade": 3,
        "allergy[0].since": "2019",
        "allergy[1].signs": ["itching"],
        "allergy": ["nuts", "pollen"],
    }) is None  # fmt: skip
    nuts, pollen = sheet.rows["allergy"]
    (itching,) = sheet.rows[f"allergy[{pollen}].signs"]
    assert sheet.answers == {
        "allergy": ["nuts", "pollen"],
        f"allergy[{nuts}].since": "2019",
        f"allergy[{pollen}].signs": ["itching"],
        f"allergy[{pollen}].signs[{itching}].grade": 3,
    }


def test_an_answer_given_before_keeps_its_row_wherever_it_moves():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts", "pollen"], "allergy[1].since": "2020"}) is None
    nuts, pollen = sheet.rows["allergy"]
    assert sheet.change({"allergy": ["pollen", "dust", "nuts"]}) is None
    assert sheet.rows["allergy"] == (pollen, sheet.rows["allergy"][1], nuts)
    assert sheet.answers[f"allergy[{pollen}].since"] == "2020"


def test_a_changed_answer_keeps_the_row_of_its_place():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts", "polen"], "allergy[1].since": "2020"}) is None
    before = sheet.rows["allergy"]
    assert sheet.change({"allergy": ["nuts", "pollen"]}) is None
    assert sheet.rows["allergy"] == before
    assert sheet.answers[f"allergy[{before[1]}].since"] == "2020"


def test_what_is_below_an_answer_goes_with_it():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts", "pollen"], "allergy[0].signs": ["itching"], "allergy[0].signs[0].grade": 1}) is None
    pollen = sheet.rows["allergy"][1]
    assert sheet.change({"allergy": ["pollen"]}) is None
    assert (sheet.rows, sheet.answers) == ({"allergy": (pollen,)}, {"allergy": ["pollen"]})
    assert sheet.change({"allergy": None}) is None
    assert (sheet.rows, sheet.answers) == ({}, {})


def test_a_lone_value_is_a_list_of_one():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": "nuts", "allergy[0].since": "2020"}) is None
    (nuts,) = sheet.rows["allergy"]
    assert sheet.answers == {"allergy": "nuts", f"allergy[{nuts}].since": "2020"}


def test_equal_answers_have_rows_of_their_own():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts", "nuts"], "allergy[1].since": "2020"}) is None
    first, second = sheet.rows["allergy"]
    assert first != second
    assert sheet.change({"allergy": ["nuts", "nuts", "nuts"]}) is None
    assert sheet.rows["allergy"][:2] == (first, second)
    assert sheet.answers[f"allergy[{second}].since"] == "2020"


def test_they_stand_inside_the_rows_of_groups_too():
    sheet = begun(NOTED)
    row = sheet.add_row("visits", {"allergy": ["nuts"], "allergy[0].since": "2020"})
    (nuts,) = sheet.rows[f"visits[{row}].allergy"]
    assert sheet.answers[f"visits[{row}].allergy[{nuts}].since"] == "2020"
    assert sheet.change({f"allergy[{nuts}].since": "2021"}) is None
    assert sheet.answers[f"visits[{row}].allergy[{nuts}].since"] == "2021"
    assert sheet.remove_row(row) is None
    assert (sheet.rows, sheet.answers) == ({}, {})


def test_a_creation_and_an_amendment_name_them_by_place_too():
    answers: dict[str, Any] = {"allergy": ["nuts"], "allergy[0].since": "2020"}
    sheet = Sheet(form(ALLERGY))
    assert sheet.create(answers) is None
    (nuts,) = sheet.rows["allergy"]
    assert sheet.answers[f"allergy[{nuts}].since"] == "2020"
    assert sheet.submit() is None
    assert sheet.amend({"allergy": ["nuts", "dust"], "allergy[1].since": "2022"}) is None
    assert sheet.rows["allergy"][0] == nuts
    assert len(sheet.rows["allergy"]) == 2


def test_the_answers_of_a_question_are_no_rows_to_add_or_remove():
    sheet = begun(ALLERGY)
    assert sheet.change({"allergy": ["nuts"]}) is None
    assert places(sheet.refused_row("allergy")) == [("/group", "not-repeating")]
    refusal = sheet.remove_row(sheet.rows["allergy"][0])
    assert refusal is not None
    assert refusal.code == "not-found"


def test_places_and_rows_that_are_not_there_are_named():
    sheet, row = begun(ALLERGY, item("g", "group", item("x"), repeats=True)), str(new_id())
    assert sheet.change({"allergy": ["nuts"]}) is None
    gone = sheet.rows["allergy"][0]
    group = sheet.add_row("g")
    assert places(
        sheet.change({
            "allergy[2].since": "2020",
            f"allergy[{row}].since": "2020",
            "since": "2020",
            "g[0].x": "x",
            f"g[{group}].x": "x",
            "allergy": [],
            f"allergy[{gone}].since": "2020",
        })
    ) == [
        ("/answers/allergy[2].since", "unknown-row"),
        (f"/answers/allergy[{row}].since", "unknown-row"),
        ("/answers/since", "row-required"),
        ("/answers/g[0].x", "unknown-item"),
        (f"/answers/allergy[{gone}].since", "unknown-row"),
    ]  # fmt: skip


def test_a_link_id_that_looks_like_a_place_is_itself():
    sheet = begun(item("a[0].b"), ALLERGY)
    assert sheet.change({"a[0].b": "x"}) is None
    assert sheet.answers == {"a[0].b": "x"}


def test_questions_that_ask_nothing_further_have_no_rows():
    sheet = begun(item("plain", "string", item("help", "display"), repeats=True))
    assert sheet.change({"plain": ["a", "b"]}) is None
    assert sheet.rows == {}


def test_there_are_not_more_of_them_than_rows():
    sheet = begun(ALLERGY)
    assert places(sheet.change({"allergy": [str(n) for n in range(501)]})) == [("/answers/allergy", "limit")]
