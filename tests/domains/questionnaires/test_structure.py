"""R4 is closed: what it does not know is refused at its place, what it knows is taken in all its forms."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains.questionnaires import element_faults, verdict
from tests.support.forms import form, item

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
NAMES = st.sampled_from(
    ["item", "linkId", "type", "enableWhen", "extension", "_text", "contained", "initial", "url", "valueString"]
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=15)
FORMS = st.dictionaries(NAMES, JSON, max_size=5)


def pointers(resource: dict[str, Any]) -> list[str]:
    return [fault.pointer for fault in verdict(resource).faults]


DEPARTURES: list[tuple[dict[str, Any], str]] = [
    ({"resourceType": "Patient"}, "/resourceType"),
    ({"status": "finished"}, "/status"),
    ({"status": None}, "/status"),
    ({"unheard-of": 1}, "/unheard-of"),
    ({"with/slash~tilde": 1}, "/with~1slash~0tilde"),
    ({"title": ""}, "/title"),
    ({"title": 5}, "/title"),
    ({"title": "bell \x07"}, "/title"),
    ({"url": "has space"}, "/url"),
    ({"url": "http://example.org/" + "x" * 1_000}, "/url"),
    ({"date": "2026-02-30"}, "/date"),
    ({"date": "2026-01-01T10:00:00"}, "/date"),
    ({"experimental": "yes"}, "/experimental"),
    ({"subjectType": []}, "/subjectType"),
    ({"subjectType": "Patient"}, "/subjectType"),
    ({"code": {"code": "x"}}, "/code"),
    ({"code": [{}]}, "/code/0"),
    ({"code": [{"cod": "x"}]}, "/code/0/cod"),
    ({"contact": [{"telecom": [{"system": "pigeon"}]}]}, "/contact/0/telecom/0/system"),
    ({"effectivePeriod": {"start": "soon"}}, "/effectivePeriod/start"),
    ({"contained": [{"id": "x"}]}, "/contained/0/resourceType"),
    ({"contained": [{"resourceType": "ValueSet", "contained": []}]}, "/contained/0/contained"),
    ({"contained": [{"resourceType": "ValueSet", "version": 2**70}]}, "/contained/0/version"),
    ({"extension": [{"url": "http://example.org", "valueDecimal": 2**70}]}, "/extension/0/valueDecimal"),
]


@pytest.mark.parametrize(("broken", "pointer"), DEPARTURES)
def test_a_departure_from_r4_is_named_at_its_place(broken: dict[str, Any], pointer: str):
    assert pointers(form(item("a"), **broken)) == [pointer]


FAULTY_ITEMS: list[tuple[dict[str, Any], str]] = [
    ({"type": "string"}, "/item/0/linkId"),
    ({"linkId": "a"}, "/item/0/type"),
    ({"linkId": 1, "type": "string"}, "/item/0/linkId"),
    ({"linkId": "a", "type": "essay"}, "/item/0/type"),
    ({"linkId": "a", "type": "string", "option": []}, "/item/0/option"),
    ({"linkId": "a", "type": "string", "maxLength": 1.5}, "/item/0/maxLength"),
    ({"linkId": "a", "type": "string", "initial": [{}]}, "/item/0/initial/0"),
    ({"linkId": "a", "type": "string", "initial": [{"valueString": "x", "valueInteger": 1}]}, "/item/0/initial/0"),
    ({"linkId": "a", "type": "choice", "answerOption": [{"valueBoolean": True}]}, "/item/0/answerOption/0/valueBoolean"),
]


@pytest.mark.parametrize(("element", "pointer"), FAULTY_ITEMS)
def test_a_faulty_item_is_named_at_its_place(element: dict[str, Any], pointer: str):
    assert pointer in pointers(form(element))


@pytest.mark.parametrize(
    "element",
    [
        {"date": "2026"},
        {"date": "2026-01"},
        {"date": "2024-02-29"},
        {"date": "2026-01-01T10:00:00.123+05:30"},
        {"_title": {"extension": [{"url": "http://example.org", "valueString": "x"}]}},
        {"subjectType": [None, "Patient"], "_subjectType": [{"id": "x"}, None]},
        {"text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}},
        {"contained": [{"resourceType": "ValueSet", "id": "vs", "compose": {"include": [{"system": "http://example.org"}]}}]},
        {"extension": [{"url": "http://example.org", "extension": [{"url": "a", "valueQuantity": {"value": 1.10}}]}]},
        {"useContext": [{"code": CODE, "valueCodeableConcept": {"text": "x"}} for CODE in [{"code": "focus"}]]},
        {"meta": {"profile": ["http://example.org"], "lastUpdated": "2026-01-01T00:00:00Z"}},
    ],
)
def test_what_r4_allows_is_accepted(element: dict[str, Any]):
    assert pointers(form(item("a"), **element)) == []


@pytest.mark.parametrize(
    ("element", "pointer"),
    [
        ({"experimental": "true"}, "/experimental"),
        ({"extension": [{"url": "http://example.org"}]}, "/extension/0"),
        ({"extension": [{"url": "http://example.org", "valueDuration": {"value": "1"}}]}, "/extension/0/valueDuration/value"),
        ({"text": {"status": "generated"}}, "/text/div"),
    ],
)
def test_slips_that_leave_no_doubt_about_the_form_are_warnings(element: dict[str, Any], pointer: str):
    judged = verdict(form(item("a"), **element))
    assert judged.faults == ()
    assert [warning.pointer for warning in judged.warnings] == [pointer]


@pytest.mark.parametrize(
    ("type_name", "value", "pointer"),
    [
        ("Coding", {"code": "two  spaces"}, "/code"),
        ("Quantity", {"value": "5"}, "/value"),
        ("Quantity", {"value": True}, "/value"),
        ("Attachment", {"data": "not base64!"}, "/data"),
        ("Reference", {"reference": "Patient/1", "extension": [{"url": "x"}]}, "/extension/0"),
        ("Coding", [], ""),
    ],
)
def test_elements_inside_answers_are_held_to_the_letter(type_name: str, value: Any, pointer: str):
    assert [fault.pointer for fault in element_faults(type_name, value)] == [pointer]


@given(FORMS)
def test_whatever_is_sent_gets_a_verdict(resource: dict[str, Any]):
    judged = verdict(resource)
    assert judged.faults
    assert all(fault.message and fault.code for fault in judged.faults)
