"""Each invariant of R4 names exactly the place that breaks it; what obeys them passes."""

from typing import Any

import pytest

from keepwell.domains.questionnaires import verdict
from tests.support.forms import REAL_FORMS, form, item, real_form

CODING = {"system": "http://example.org", "code": "a"}
WHEN = {"question": "other", "operator": "=", "answerString": "x"}


def found(resource: dict[str, Any]) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in verdict(resource).faults}


@pytest.mark.parametrize("name", REAL_FORMS)
def test_real_forms_that_obey_r4_are_accepted(name: str):
    assert found(real_form(name)) == set()


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("quantity-units", {("/status", "structure")}),
        ("argonaut-phq9-ish", {
            ("/item/0/item/0/required", "que-6"),
            ("/item/0/item/10/repeats", "que-6"),
            ("/item/0/item/10/code", "que-3"),
        }),
        ("questionnaire-initialx", {(f"/item/{index}/initial", "que-11") for index in (7, 8, 9, 10)}),
        (
            "Argonaut-questionnaire-questionnaire-example-asq3",
            {(f"/item/{group}/item/{index}/option", "structure") for group in (1, 2) for index in (0, 1, 2)},
        ),
    ],
)  # fmt: skip
def test_real_forms_that_break_r4_are_refused_with_exactly_their_faults(name: str, faults: set[tuple[str, str]]):
    assert found(real_form(name)) == faults


BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("que-1", "", {"type": "group", "linkId": "i"}),
    ("que-1", "/item", item("i", "display", item("below"))),
    ("que-2", "/linkId", item("other")),
    ("que-3", "/code", item("i", "display", code=[CODING])),
    ("que-4", "", item("i", "choice", answerOption=[{"valueCoding": CODING}], answerValueSet="http://example.org/vs")),
    ("que-5", "/answerOption", item("i", "boolean", answerOption=[{"valueCoding": CODING}])),
    ("que-5", "/answerValueSet", item("i", "text", answerValueSet="http://example.org/vs")),
    ("que-6", "/required", item("i", "display", required=False)),
    ("que-6", "/repeats", item("i", "display", repeats=True)),
    ("que-7", "/enableWhen/0", item("i", enableWhen=[{"question": "other", "operator": "exists", "answerString": "x"}])),
    ("que-8", "/initial", item("i", "display", initial=[{"valueString": "x"}])),
    ("que-8", "/initial", item("i", "group", item("below"), initial=[{"valueString": "x"}])),
    ("que-9", "/readOnly", item("i", "display", readOnly=True)),
    ("que-10", "/maxLength", item("i", "date", maxLength=10)),
    ("que-11", "/initial", item("i", "choice", answerOption=[{"valueCoding": CODING}], initial=[{"valueCoding": CODING}])),
    ("que-12", "/enableWhen", item("i", enableWhen=[WHEN, WHEN])),
    ("que-12", "/enableWhen", item("i", enableWhen=[WHEN, WHEN, WHEN])),
    ("que-13", "/initial", item("i", initial=[{"valueString": "x"}, {"valueString": "y"}])),
    ("enable-when-unknown", "/enableWhen/0/question", item("i", enableWhen=[{**WHEN, "question": "nobody"}])),
    ("enable-when-circle", "/enableWhen/0/question", item("i", enableWhen=[{**WHEN, "question": "i"}])),
]


@pytest.mark.parametrize(("code", "steps", "broken"), BROKEN)
def test_an_invariant_names_the_place_that_breaks_it_and_no_other(code: str, steps: str, broken: dict[str, Any]):
    assert found(form(item("other"), broken)) == {("/item/1" + steps, code)}


@pytest.mark.parametrize(
    "obeying",
    [
        item("i", "group", item("below")),
        item("i", "string", answerOption=[{"valueString": "x"}]),
        item("i", "open-choice", answerValueSet="#contained", maxLength=3),
        item("i", enableWhen=[{"question": "other", "operator": "exists", "answerBoolean": False}]),
        item("i", enableWhen=[WHEN, WHEN], enableBehavior="any"),
        item("i", initial=[{"valueString": "x"}, {"valueString": "y"}], repeats=True),
        item("i", "string", item("help", "display")),
    ],
)
def test_the_repaired_twin_of_a_broken_item_is_accepted(obeying: dict[str, Any]):
    assert found(form(item("other"), obeying)) == set()


def test_a_fault_names_the_item_it_is_in():
    (fault,) = verdict(form(item("the one", "date", maxLength=1))).faults
    assert fault.linkId == "the one"


def test_items_that_wait_for_each_other_are_refused():
    circle = form(
        item("a", enableWhen=[{**WHEN, "question": "b"}]),
        item("b", enableWhen=[{**WHEN, "question": "c"}]),
        item("c", enableWhen=[{**WHEN, "question": "a"}]),
        item("bystander", enableWhen=[{**WHEN, "question": "a"}]),
    )
    assert found(circle) == {(f"/item/{index}/enableWhen", "enable-when-circle") for index in (0, 1, 2)}


def test_a_group_that_only_its_own_item_could_enable_is_refused():
    dead = form(item("g", "group", item("inside"), enableWhen=[{**WHEN, "question": "inside"}]))
    assert found(dead) == {("/item/0/enableWhen", "enable-when-circle")}


def test_an_unusable_name_is_only_a_warning():
    judged = verdict(form(item("a"), name="not an identifier"))
    assert judged.faults == ()
    assert [(warning.pointer, warning.code) for warning in judged.warnings] == [("/name", "que-0")]


def test_a_form_with_too_many_items_gets_one_clear_fault():
    many = form(*(item(str(index)) for index in range(10_001)))
    assert found(many) == {("/item", "limit")}


def test_a_form_nested_too_deep_gets_one_clear_fault():
    inner = item("x")
    for level in range(5_000):
        inner = item(str(level), "group", inner)
    (fault,) = verdict(form(inner)).faults
    assert fault.code == "limit"


def test_faults_are_no_more_than_anyone_could_read():
    assert len(verdict(form(*(item("same", "nonsense") for _ in range(5_000)))).faults) == 100


def test_a_long_chain_of_conditions_is_no_circle():
    chain = form(item("0"), *(item(str(i), enableWhen=[{**WHEN, "question": str(i - 1)}]) for i in range(1, 5_000)))
    assert found(chain) == set()
