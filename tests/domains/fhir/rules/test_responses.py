"""Whatever a valid response to a real form says comes back through FHIR with nothing lost, and what is the same is no change."""

from copy import deepcopy
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from keepwell.domains import responses as room
from keepwell.domains.fhir.rules.responses import create, response_of, update, update_faults
from keepwell.domains.questionnaires import Definition, Questionnaire, compile_form
from keepwell.domains.responses import PatchResponse, Response, read_items
from keepwell.kernel import Snapshot
from keepwell.kit.ids import new_id
from tests.support.answers import Form, filled
from tests.support.desk import Desk
from tests.support.fhir import Json, parsed
from tests.support.forms import REAL_FORMS, real_form

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FORM = new_id()
SLOW = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
ELEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(["de", "en"]),
        "identifier": st.fixed_dictionaries({"system": st.just("urn:x"), "value": st.sampled_from("12")}),
        "author": st.sampled_from([{"reference": "Practitioner/1"}, {"display": "Somebody"}]),
        "authored": st.sampled_from(["2025", "2026-02-03T04:05:06Z"]),
        "subject": st.sampled_from([{"reference": "Patient/1"}, {"reference": "Patient/1", "display": "Ann"}]),
        "meta": st.just({"tag": [{"code": "t"}]}),
        "extension": st.just([{"url": "urn:x", "valueString": "y"}]),
    },
)


@lru_cache
def form_of(name: str) -> tuple[Json, Definition]:
    source = Form({**real_form(name), "status": "active", "url": f"urn:{name}", "version": "1"})
    return source, compile_form(source)


def ids(ordinal: int) -> str:
    return str(UUID(int=ordinal + 1))


def stored(name: str, resource: Json) -> Desk:
    """A response begun as the door would begin it."""
    source, definition = form_of(name)
    reading = read_items(definition, resource.get("item"), ids)
    assert reading.faults == ()
    desk = Desk(room.AGGREGATES[0], {FORM: Questionnaire("active", source)})
    refusal = desk.do(replace(create(FORM, resource, reading), id=new_id()))
    assert refusal is None, refusal
    return desk


def shown(desk: Desk, definition: Definition) -> Json:
    state: Response = desk.state
    return response_of(Snapshot("response", FORM, len(desk.events), state, NOW, NOW, b""), definition)


def without(tree: Any, *names: str) -> Any:
    if isinstance(tree, list):
        return [without(one, *names) for one in tree]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(tree, dict):
        return {name: without(value, *names) for name, value in tree.items() if name not in names}  # pyright: ignore[reportUnknownVariableType]
    return tree


def saying(items: list[Json]) -> list[Json]:
    """Items without those that say nothing."""
    found: list[Json] = []
    for one in items:
        kept = {name: value for name, value in one.items() if name not in ("item", "answer")}
        if below := saying(one.get("item", [])):
            kept["item"] = below
        answers = [
            {**{name: value for name, value in answer.items() if name != "item"},
             **({"item": below} if (below := saying(answer.get("item", []))) else {})}
            for answer in one.get("answer", [])
        ]  # fmt: skip
        if answers:
            kept["answer"] = answers
        if "item" in kept or answers:
            found.append(kept)
    return found


@pytest.mark.parametrize("name", REAL_FORMS)
@SLOW
@given(data=st.data())
def test_a_response_comes_back_with_nothing_lost(name: str, data: st.DataObject):
    source, definition = form_of(name)
    sent: Json = data.draw(filled(source)).response() | data.draw(ELEMENTS)
    sent |= {"status": "in-progress", "questionnaire": f"urn:{name}|1"}
    found = shown(stored(name, sent), definition)
    parsed(deepcopy(found))
    expected = {**sent, "item": without(saying(sent.get("item", [])), "id", "text")}
    told = {**found, "item": without(found.get("item", []), "id", "text")}
    meta = {key: value for key, value in told.pop("meta").items() if key not in ("versionId", "lastUpdated")}
    assert {**told, **({"meta": meta} if meta else {}), "id": None, "authored": None} == {
        **expected,
        "id": None,
        "authored": None,
    }
    assert found["authored"] == sent.get("authored", "2026-03-01T12:00:00Z")
    texts = {item.link_id: item.text for item in definition.items.values()}
    assert all(one.get("text") == texts[one["linkId"]] for one in found.get("item", []))


@pytest.mark.parametrize("name", REAL_FORMS)
@SLOW
@given(data=st.data())
def test_what_is_sent_back_as_it_was_shown_is_no_change(name: str, data: st.DataObject):
    source, definition = form_of(name)
    sent = data.draw(filled(source)).response() | data.draw(ELEMENTS)
    desk = stored(name, sent | {"status": "in-progress", "questionnaire": f"urn:{name}|1"})
    base = Snapshot("response", FORM, 1, desk.state, NOW, NOW, b"")
    again: Json = shown(desk, definition)
    for resource in (again, without(again, "id") | {"id": again["id"]}):
        known = room.items_of(definition, desk.state.answers, desk.state.rows)
        reading = read_items(definition, resource.get("item"), ids, known)
        assert update_faults(base, resource) == []
        assert update(base, resource, reading, "") == (PatchResponse(FORM, {}),)
