"""A questionnaire is a draft, is published, is retired; and is the fold of its journal."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import questionnaires
from keepwell.domains.questionnaires import CreateQuestionnaire, PublishQuestionnaire, ReplaceQuestionnaire, RetireQuestionnaire
from keepwell.kernel.journal import fold
from keepwell.kernel.problems import Refusal
from keepwell.kit.ids import new_id
from tests.support.desk import Desk
from tests.support.forms import REAL_FORMS, form, item, real_form

AGGREGATE = questionnaires.AGGREGATES[0]
ID = new_id()


def drafted(**elements: Any) -> Desk:
    desk = Desk(AGGREGATE)
    assert desk.do(CreateQuestionnaire(ID, form(item("a"), **{"status": "draft", **elements}))) is None
    return desk


def code(refusal: Refusal | None) -> str | None:
    return None if refusal is None else refusal.code


def test_a_draft_can_be_replaced_published_and_retired():
    desk = drafted()
    assert desk.do(ReplaceQuestionnaire(ID, form(item("b"), status="draft", title="Better"))) is None
    assert desk.view(ID).title == "Better"
    assert desk.do(PublishQuestionnaire(ID)) is None
    assert desk.view(ID).resource["status"] == "active"
    assert desk.do(RetireQuestionnaire(ID)) is None
    assert (desk.view(ID).status, desk.view(ID).resource["status"]) == ("retired", "retired")


def test_what_is_posted_active_is_published_at_once():
    desk = Desk(AGGREGATE)
    assert desk.do(CreateQuestionnaire(ID, form(item("a")))) is None
    assert desk.view(ID).status == "active"


@pytest.mark.parametrize("status", ["retired", "unknown"])
def test_nothing_begins_retired(status: str):
    refusal = Desk(AGGREGATE).do(CreateQuestionnaire(ID, form(item("a"), status=status)))
    assert refusal is not None
    assert [(fault.pointer, fault.code) for fault in refusal.faults] == [("/status", "status")]


def test_published_and_retired_questionnaires_never_change():
    desk = drafted()
    assert desk.do(PublishQuestionnaire(ID)) is None
    assert code(desk.do(ReplaceQuestionnaire(ID, form(item("b"))))) == "questionnaire-published"
    assert desk.do(RetireQuestionnaire(ID)) is None
    assert code(desk.do(ReplaceQuestionnaire(ID, form(item("b"))))) == "questionnaire-retired"
    assert code(desk.do(PublishQuestionnaire(ID))) == "questionnaire-retired"
    assert [one["linkId"] for one in desk.state.resource["item"]] == ["a"]


def test_publishing_or_retiring_twice_is_no_event():
    desk = drafted()
    for command in (PublishQuestionnaire(ID), PublishQuestionnaire(ID), RetireQuestionnaire(ID), RetireQuestionnaire(ID)):
        assert desk.do(command) is None
    assert len(desk.events) == 3


def test_an_invalid_resource_is_refused_with_its_faults():
    refusal = Desk(AGGREGATE).do(CreateQuestionnaire(ID, form(item("a"), item("a"))))
    assert refusal is not None
    assert (refusal.code, refusal.faults[0].code) == ("questionnaire-invalid", "que-2")


@pytest.mark.parametrize("name", REAL_FORMS)
def test_a_real_form_comes_back_as_it_was_sent(name: str):
    sent, desk = real_form(name), Desk(AGGREGATE)
    assert desk.do(CreateQuestionnaire(ID, sent)) is None
    view = desk.view(ID)
    assert view.resource == {**sent, "id": str(ID)}
    assert list(view.resource)[0:2] == ["resourceType", "id"]
    assert (view.url, view.version, view.title) == (sent.get("url"), sent.get("version"), sent.get("title"))


def some_form(names: list[str], status: str) -> dict[str, Any]:
    return form(*(item(name) for name in names), status=status)


RESOURCES = st.builds(
    some_form, st.lists(st.sampled_from("abc"), min_size=1, max_size=3), st.sampled_from(["draft", "active", "retired"])
)
COMMANDS = st.lists(
    st.one_of(
        st.builds(ReplaceQuestionnaire, st.just(ID), RESOURCES),
        st.just(PublishQuestionnaire(ID)),
        st.just(RetireQuestionnaire(ID)),
    ),
    max_size=8,
)


@given(COMMANDS)
def test_the_fold_of_the_journal_is_the_stored_state(commands: list[Any]):
    desk = drafted()
    for command in commands:
        before = desk.state
        if desk.do(command) is not None:
            assert desk.state is before
    decoder = msgspec.msgpack.Decoder[Any](AGGREGATE.event)
    journal = [decoder.decode(msgspec.msgpack.encode(event)) for event in desk.events]
    assert fold(AGGREGATE, journal) == desk.state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(desk.state), type=AGGREGATE.state) == desk.state
