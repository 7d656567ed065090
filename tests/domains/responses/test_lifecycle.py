"""Beginning, answering, submitting and amending a response."""

from typing import Any

import pytest

from keepwell.domains.responses.errors import RESPONSE_NOT_SUBMITTED, RESPONSE_SUBMITTED, RESPONSE_VOIDED
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.ids import new_id
from tests.support.forms import form, item
from tests.support.sheet import Sheet, begun, places


def test_a_response_begins_in_progress_and_knows_its_questionnaire():
    sheet = Sheet(form(item("a"), url="http://example.org/q", version="2"))
    assert sheet.create({"a": "x"}, subject="Patient/1") is None
    view = sheet.desk.view(sheet.id)
    assert (view.status, view.subject, view.canonical, view.questionnaire_version) == (
        "in-progress", "Patient/1", "http://example.org/q|2", "2",
    )  # fmt: skip
    assert view.answers == {"a": "x"}


@pytest.mark.parametrize("status", ["draft", "retired"])
def test_only_a_published_questionnaire_is_answered(status: str):
    refusal = Sheet(form(item("a"), status=status)).create()
    assert refusal is not None
    assert refusal.code == "questionnaire-not-published"


def test_an_unknown_questionnaire_is_not_found_and_pointed_at():
    refusal = Sheet(form(item("a"))).create(questionnaire=new_id())
    assert refusal is not None
    assert refusal.type == NOT_FOUND
    assert places(refusal) == [("/questionnaire", "unknown-questionnaire")]


def test_a_patient_who_begins_a_response_is_its_subject():
    sheet = Sheet(form(item("a")), subject="Patient/me")
    assert sheet.create() is None
    assert sheet.desk.state.subject == "Patient/me"


@pytest.mark.parametrize("subject", ["", "has space", "x" * 256, "line\nbreak"])
def test_a_subject_must_be_a_reference(subject: str):
    assert places(Sheet(form(item("a"))).create(subject=subject)) == [("/subject", "reference")]


def test_a_change_touches_only_what_it_names():
    sheet = begun(item("a"), item("b"), item("c"))
    assert sheet.patch(a="1", b="2", c="3") is None
    assert sheet.patch(a="4", b=None) is None
    assert sheet.answers == {"a": "4", "c": "3"}
    assert sheet.desk.events[-1].answers == {"a": "4", "b": None}


def test_a_change_with_one_fault_changes_nothing():
    sheet = begun(item("a"), item("b", "integer"))
    assert places(sheet.patch(a="x", b="y", nobody=1)) == [("/answers/b", "wrong-type"), ("/answers/nobody", "unknown-item")]
    assert sheet.answers == {}


def test_a_change_that_names_nothing_is_no_event():
    sheet = begun(item("a"))
    assert sheet.change({}) is None
    assert len(sheet.desk.events) == 1


def test_pointers_escape_the_link_id():
    sheet = begun(item("a/b~c", "integer"))
    assert places(sheet.change({"a/b~c": "x"})) == [("/answers/a~1b~0c", "wrong-type")]


def submitted(*items: dict[str, Any], **answers: Any) -> Sheet:
    sheet = begun(*items)
    assert sheet.patch(**answers) is None
    assert sheet.submit() is None
    return sheet


def test_nothing_edits_a_submitted_response():
    sheet = submitted(item("a"), item("g", "group", item("b"), repeats=True), a="x")
    assert sheet.desk.state.status == "completed"
    for refusal in (sheet.patch(a="y"), sheet.submit(), sheet.refused_row("g"), sheet.remove_row(str(new_id()))):
        assert refusal is not None
        assert refusal.type == RESPONSE_SUBMITTED
    assert sheet.answers == {"a": "x"}


def test_amending_needs_a_submission_before():
    sheet = begun(item("a"))
    refusal = sheet.amend({"a": "x"})
    assert refusal is not None
    assert refusal.type == RESPONSE_NOT_SUBMITTED


def test_an_amendment_keeps_its_reason_and_can_be_amended_again():
    sheet = submitted(item("a"), item("b"), a="x", b="y")
    assert sheet.amend({"a": "z"}, "wrong arm") is None
    assert sheet.amend({"b": None}, "misheard") is None
    assert sheet.desk.state.status == "amended"
    assert sheet.answers == {"a": "z"}
    assert [event.reason for event in sheet.desk.events[-2:]] == ["wrong arm", "misheard"]


def test_an_amendment_without_a_reason_is_refused():
    sheet = submitted(item("a"), a="x")
    assert places(sheet.amend({"a": "y"}, "  ")) == [("/reason", "required")]


def test_an_amendment_may_not_leave_the_response_incomplete():
    sheet = submitted(item("a", required=True), item("b", "integer"), a="x")
    refusal = sheet.amend({"a": None})
    assert refusal is not None
    assert (refusal.code, places(refusal)) == ("response-invalid", [("/answers/a", "required")])
    refusal = sheet.amend({"b": "one"})
    assert refusal is not None
    assert (refusal.code, places(refusal)) == ("invalid-answers", [("/answers/b", "wrong-type")])


def test_an_amendment_entered_wrongly_is_amended_again():
    sheet = submitted(item("a"), a="x")
    assert sheet.amend({"a": "wrong"}) is None
    assert sheet.amend({"a": "right"}, "amended the wrong one") is None
    assert (sheet.desk.state.status, sheet.answers) == ("amended", {"a": "right"})


@pytest.mark.parametrize("far", ["begun", "submitted", "amended"])
def test_whatever_a_response_is_it_can_be_declared_entered_in_error_and_then_only_be_read(far: str):
    sheet = begun(item("a"), item("g", "group", item("x"), repeats=True))
    if far != "begun":
        assert sheet.submit() is None
    if far == "amended":
        assert sheet.amend({"a": "x"}) is None
    assert places(sheet.void(" ")) == [("/reason", "required")]
    assert sheet.void("the wrong person") is None
    assert sheet.desk.state.status == "entered-in-error"
    assert sheet.desk.events[-1].reason == "the wrong person"
    before = sheet.desk.state
    for refusal in (sheet.patch(a="y"), sheet.submit(), sheet.amend({"a": "y"}), sheet.refused_row("g"), sheet.void()):
        assert refusal is not None
        assert refusal.type == RESPONSE_VOIDED
    assert sheet.desk.state is before
