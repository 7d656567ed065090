"""A compiled form says of every item where it stands, what may answer it and what it waits for."""

from typing import Any

import pytest

from keepwell.domains.questionnaires import Condition, Option, compile_form
from tests.support.forms import REAL_FORMS, form, item, real_form


def test_items_keep_the_order_of_the_document_and_know_their_place():
    definition = compile_form(form(item("a"), item("g", "group", item("b", "string", item("c")), repeats=True), item("d")))
    assert list(definition.items) == ["a", "g", "b", "c", "d"]
    assert [(one.parent, one.groups) for one in definition.items.values()] == [
        (None, ()), (None, ()), ("g", ("g",)), ("b", ("g",)), (None, ()),
    ]  # fmt: skip
    assert definition.items["g"].children == ("b",)


def test_options_and_conditions_carry_their_types():
    asked = item(
        "a",
        "choice",
        answerOption=[{"valueCoding": {"code": "x"}}, {"valueString": "y"}, {"valueReference": {"reference": "Patient/1"}}],
        enableWhen=[{"question": "b", "operator": ">", "answerDateTime": "2026"}],
        enableBehavior="any",
    )
    found = compile_form(form(asked, item("b", "dateTime"))).items["a"]
    assert found.options == (
        Option("Coding", {"code": "x"}),
        Option("string", "y"),
        Option("Reference", {"reference": "Patient/1"}),
    )
    assert (found.conditions, found.any_condition) == ((Condition("b", ">", "dateTime", "2026"),), True)


def test_what_was_written_as_a_text_is_compiled_as_meant():
    asked: dict[str, Any] = item("a", repeats="true", required="false", maxLength="12", enableWhen=[
        {"question": "b", "operator": "=", "answerInteger": "2026-02"},
        {"question": "b", "operator": "exists", "answerBoolean": "true"},
    ], enableBehavior="all")  # fmt: skip
    found = compile_form(form(asked, item("b", "date"))).items["a"]
    assert (found.repeats, found.required, found.max_length) == (True, False, 12)
    assert found.conditions == (Condition("b", "=", "date", "2026-02"), Condition("b", "exists", "boolean", value=True))


@pytest.mark.parametrize("name", REAL_FORMS)
def test_every_item_comes_after_all_it_depends_on(name: str):
    definition = compile_form(real_form(name))
    assert set(definition.order) == set(definition.items)
    place = {link_id: index for index, link_id in enumerate(definition.order)}
    for link_id, one in definition.items.items():
        needed = [condition.question for condition in one.conditions] + ([one.parent] if one.parent else [])
        assert all(place[other] < place[link_id] for other in needed)
