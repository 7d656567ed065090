"""A compiled form says of every item where it stands, what may answer it and what it waits for."""

from typing import Any

import pytest

from keepwell.domains.questionnaires import Option, compile_form
from tests.support.forms import REAL_FORMS, form, item, real_form

EXPRESSION = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression"


def test_items_keep_the_order_of_the_document_and_know_their_place():
    definition = compile_form(form(item("a"), item("g", "group", item("b", "string", item("c")), repeats=True), item("d")))
    assert list(definition.items) == ["a", "g", "b", "c", "d"]
    assert [(one.parent, one.groups) for one in definition.items.values()] == [
        (None, ()), (None, ()), ("g", ("g",)), ("b", ("g",)), (None, ()),
    ]  # fmt: skip
    assert definition.items["g"].children == ("b",)


def test_options_carry_their_types():
    asked = item(
        "a",
        "choice",
        answerOption=[{"valueCoding": {"code": "x"}}, {"valueString": "y"}, {"valueReference": {"reference": "Patient/1"}}],
    )
    found = compile_form(form(asked)).items["a"]
    assert found.options == (
        Option("Coding", {"code": "x"}),
        Option("string", "y"),
        Option("Reference", {"reference": "Patient/1"}),
    )


def test_items_that_repeat_with_something_to_answer_inside_have_rows():
    definition = compile_form(
        form(
            item("group", "group", item("in"), repeats=True),
            item("empty", "group", repeats=True, item=[{"linkId": "text", "type": "display"}]),
            item("question", "string", item("help", "display"), item("g", "group", item("below")), repeats="true"),
            item("told", "string", item("note", "display"), repeats=True),
            item("once", "string", item("after")),
        )
    )
    assert [link_id for link_id, one in definition.items.items() if one.rows] == ["group", "empty", "question"]
    assert definition.items["below"].groups == ("question",)
    assert definition.top == ("group", "empty", "question", "told", "once")


def test_it_is_known_whose_answers_decide_what_applies():
    when = [{"question": "a", "operator": "exists", "answerBoolean": True}]
    assert compile_form(form(item("a"), item("b"), item("c", enableWhen=when))).deciders == {"a"}
    expression = {"url": EXPRESSION, "valueExpression": {"language": "text/fhirpath", "expression": "true"}}
    assert compile_form(form(item("a"), item("b", extension=[expression]))).deciders == {"a", "b"}


def test_what_was_written_as_a_text_is_compiled_as_meant():
    asked: dict[str, Any] = item("a", repeats="true", required="false", maxLength="12")
    found = compile_form(form(asked)).items["a"]
    assert (found.repeats, found.required, found.max_length) == (True, False, 12)


@pytest.mark.parametrize("name", REAL_FORMS)
def test_the_real_forms_compile_whole(name: str):
    definition = compile_form(real_form(name))
    assert set(definition.items) == definition.form.link_ids
