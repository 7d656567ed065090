"""Real forms through the room's own commands: valid answers are accepted at submit, one fault is refused and named, no other."""

from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepwell.domains.questionnaires import Definition, compile_form
from keepwell.domains.responses.rules.addresses import prefix
from keepwell.kernel.problems import Refusal
from keepwell.kit.ids import new_id
from tests.support.answers import Form as Named
from tests.support.answers import filled
from tests.support.faults import every_fault
from tests.support.forms import REAL_FORMS, real_form
from tests.support.sheet import Sheet

SLOW = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
Json = dict[str, Any]
IN_THE_ANSWERS = {
    "type": "wrong-type",
    "malformed": "wrong-type",
    "too-many-answers": "not-repeating",
    "not-an-option": "not-an-option",
}
"""What is refused as soon as it is sent, and the word for it; the rest waits for the whole to be submitted."""
AT_SUBMIT = {"required", "min-occurs", "max-occurs", "file-type", "unit-not-allowed", "disabled", "group-empty"}
ONLY_IN_A_TREE = {
    "repeated", "out-of-order", "text-differs", "nested-items", "group-answer", "display-answer", "unknown-item",
    "link-id-missing", "misplaced-item", "structure",
}  # fmt: skip
"""Faults that answers by address cannot have."""


@lru_cache
def resource_of(name: str) -> Json:
    return Named({**real_form(name), "status": "active"})


@lru_cache
def definition_of(name: str) -> Definition:
    return compile_form(resource_of(name))


def by_address(definition: Definition, tree: list[Json]) -> Json:
    """The answers in a tree, faulty or not, each row under an id of its own."""
    found: Json = {}

    def level(items: list[Json], path: tuple[str, ...]) -> None:
        for one in items:
            item = definition.items[one["linkId"]]
            address = prefix(item.groups, path) + item.link_id
            if item.type == "group":
                level(one.get("item", []), (*path, str(new_id())) if item.rows else path)
                continue
            answers = one.get("answer", [])
            values = [value for answer in answers for name, value in answer.items() if name.startswith("value")]
            if values:
                found[address] = values if item.repeats or len(values) > 1 else values[0]
            for place, answer in enumerate(answers):
                level(answer.get("item", []), (*path, str(place)) if item.rows else path)

    level(tree, ())
    return found


def sent(name: str, tree: list[Json]) -> tuple[Sheet, Refusal | None]:
    """A response begun with these answers, and what the room says of it, at the latest when it is submitted."""
    sheet = Sheet(resource_of(name))
    return sheet, sheet.create(by_address(definition_of(name), tree)) or sheet.submit()


@pytest.mark.parametrize("name", REAL_FORMS)
@SLOW
@given(data=st.data())
def test_valid_answers_to_a_real_form_are_accepted_at_submit(name: str, data: st.DataObject):
    sheet, refusal = sent(name, data.draw(filled(resource_of(name))).response().get("item", []))
    assert refusal is None, refusal.faults
    assert sheet.desk.state.status == "completed"


def leaves_nothing(response: Json, pointer: str) -> bool:
    """Whether the group around a place holds no answer at all: by address it is absent then, and asks nothing (SDC).

    What is missing is pointed to by the group it is missing from; what is there without an answer, by itself.
    """
    steps = pointer.split("/")[1:]
    path: list[Any] = [response]
    for step in steps:
        path.append(path[-1][int(step)] if step.isdigit() else path[-1][step])
    around = path[-1] if "item" in path[-1] or len(steps) < 2 else path[-3]
    return "'answer'" not in str(around)


@pytest.mark.parametrize("name", REAL_FORMS)
@SLOW
@given(data=st.data())
def test_one_fault_in_answers_to_a_real_form_is_named_and_no_other(name: str, data: st.DataObject):
    for wrong in data.draw(every_fault(resource_of(name))):
        if wrong.code in ONLY_IN_A_TREE or (wrong.code == "required" and leaves_nothing(wrong.response, wrong.pointer)):
            continue
        sheet, refusal = sent(name, wrong.response.get("item", []))
        assert refusal is not None, wrong
        [fault] = refusal.faults
        if refusal.code == "invalid-answers":
            assert fault.code == IN_THE_ANSWERS[wrong.code]
            assert sheet.desk.state is None
        else:
            assert (refusal.code, fault.code) == ("response-invalid", wrong.code)
            assert wrong.code in AT_SUBMIT
            assert sheet.desk.state.status == "in-progress"
        assert fault.linkId is not None
        assert fault.linkId in fault.pointer.replace("~1", "/").replace("~0", "~")
