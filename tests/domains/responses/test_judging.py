"""Verdicts over HTTP: on answers, on stored responses and on FHIR resources, with every issue listed and nothing stored."""

from copy import deepcopy
from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import PATIENT, Clinic
from tests.support.forms import form, item
from tests.support.problems import assert_problem
from tests.support.verdicts import cases, required_case

ALL = {case.name: case for case in cases()}
ITEMS = (
    item("name", required=True, maxLength=5),
    item("n", "integer"),
    item("rows", "group", item("in", required=True), item("more", "integer"), repeats=True),
    item("pick", "choice", answerOption=[{"valueCoding": {"system": "s", "code": "a"}}], repeats=True),
)
ROW = "01902a5c-7b2e-7c3d-8e4f-000000000001"
_NOBODY = "01902a5c-7b2e-7c3d-8e4f-0000000000ff"


async def judged(clinic: Clinic, body: Any, path: str = "/v1/responses/$validate", **headers: str) -> dict[str, Any]:
    answer = await clinic.http.post(path, headers=headers, **({} if body is None else {"json": body}))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found.keys() == {"valid", "errors", "warnings", "information"}
    assert found["valid"] == (found["errors"] == [])
    return found


def places(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["pointer"], one["code"]) for one in found]


def answered(questionnaire: str | None, *items: dict[str, Any], status: str = "completed", **elements: Any) -> dict[str, Any]:
    resource = {"resourceType": "QuestionnaireResponse", "status": status, **elements}
    if questionnaire is not None:
        resource["questionnaire"] = questionnaire
    return {**resource, "item": list(items)} if items else resource


def text(link_id: str, value: str) -> dict[str, Any]:
    return {"linkId": link_id, "answer": [{"valueString": value}]}


async def test_every_issue_of_answers_is_listed_once_at_its_place(clinic: Clinic):
    questionnaire = await clinic.publish(*ITEMS)
    answers = {"n": "seven", "nobody": 1, f"rows[{ROW}].more": 1, "pick": [{"system": "s", "code": "a"}, {"code": "z"}]}
    found = await judged(clinic, {"questionnaire": questionnaire, "answers": answers})
    assert places(found["errors"]) == [
        ("/answers/n", "wrong-type"),
        ("/answers/nobody", "unknown-item"),
        ("/answers/pick/1", "not-an-option"),
        ("/answers/name", "required"),
        (f"/answers/rows[{ROW}].in", "required"),
    ]
    assert [one.get("linkId") for one in found["errors"]] == ["n", None, "pick", "name", "in"]
    assert [one["kind"] for one in found["errors"]][-1] == "required"


async def test_while_answers_are_being_given_what_is_missing_is_a_warning(clinic: Clinic):
    questionnaire = await clinic.publish(*ITEMS)
    body = {"questionnaire": questionnaire, "answers": {"n": 1}, "status": "in-progress"}
    found = await judged(clinic, body)
    assert (found["valid"], places(found["warnings"])) == (True, [("/answers/name", "required")])


async def test_a_stored_response_is_judged_as_it_stands(clinic: Clinic):
    id_ = (await clinic.begin(await clinic.publish(*ITEMS)))["id"]
    path = f"/v1/responses/{id_}/$validate"
    assert places((await judged(clinic, None, path))["warnings"]) == [("/answers/name", "required")]
    assert (await clinic.patch(id_, 1, {"name": "Ann"})).status_code == 200
    assert (await clinic.post(f"/v1/responses/{id_}/submit", 2)).status_code == 200
    assert await judged(clinic, None, path) == {"valid": True, "errors": [], "warnings": [], "information": []}
    assert_problem(await clinic.http.post(f"/v1/responses/{new_id()}/$validate"), 404, "not-found")
    stranger = clinic.acting("stranger", PATIENT, subject="Patient/other")
    assert_problem(await clinic.http.post(path, headers=stranger), 403, "forbidden")


async def test_a_resource_is_judged_against_the_clinics_form(clinic: Clinic):
    url = f"http://example.org/{new_id()}"
    id_ = await clinic.publish(*ITEMS, url=url, version="1")
    for reference in (url, f"{url}|1", id_, f"Questionnaire/{id_}"):
        good = await judged(clinic, answered(reference, text("name", "Ann")))
        assert good["valid"], good
        bad = await judged(clinic, answered(reference, text("name", "Annabel"), text("nobody", "x")))
        assert places(bad["errors"]) == [("/item/1", "unknown-item"), ("/item/0/answer/0/valueString", "too-long")]
        assert bad["errors"][1]["expression"] == "QuestionnaireResponse.item[0].answer[0].value.ofType(string)"
        draft = await judged(clinic, answered(reference, status="in-progress"))
        assert (draft["valid"], places(draft["warnings"])) == (True, [("", "required")])


async def test_a_resource_is_judged_against_the_form_it_contains(clinic: Clinic):
    contained = {**form(*ITEMS), "id": "f"}
    resource = answered("#f", text("name", "Annabel"), contained=[{"resourceType": "Patient", "id": "p"}, contained])
    assert places((await judged(clinic, resource))["errors"]) == [("/item/0/answer/0/valueString", "too-long")]
    broken = {**contained, "item": [item("a"), item("a")]}
    found = await judged(clinic, answered("#f", contained=[broken]))
    assert [one["pointer"].startswith("/contained/0/item/1") for one in found["errors"]] == [True]
    assert [one["code"] for one in found["errors"]] == ["que-2"]


@pytest.mark.parametrize("reference", [None, "", 7, "#nobody", "http://example.org/nobody", _NOBODY, "Questionnaire/x"])
async def test_without_its_form_a_resource_is_refused(clinic: Clinic, reference: Any):
    found = await judged(clinic, answered(reference, text("a", "x")))
    [error] = found["errors"]
    assert error["pointer"] == "/questionnaire"
    assert error["code"] in ("questionnaire-missing", "questionnaire-unresolved")
    assert error["kind"] in ("required", "not-found")


async def test_another_clinics_form_is_as_good_as_none(clinic: Clinic):
    id_ = await clinic.publish(*ITEMS)
    stranger = clinic.acting("stranger", tenant=new_id())
    found = await judged(clinic, answered(id_), **stranger)
    assert [one["code"] for one in found["errors"]] == ["questionnaire-unresolved"]


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient"},
        {"resourceType": 7},
        {"answers": {}},
        {"questionnaire": "x", "answers": {}, "more": 1},
        {"questionnaire": "x", "answers": {}, "status": "amended"},
        [],
        7,
    ],
)
async def test_what_is_neither_answers_nor_a_resource_is_refused(clinic: Clinic, body: Any):
    assert_problem(await clinic.http.post("/v1/responses/$validate", json=body), 422, "invalid-body")


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if case.supporting])
async def test_the_published_cases_get_the_same_verdict_over_http(clinic: Clinic, name: str):
    case = required_case(name)
    source, resource = {**case.form(), "id": "f"}, deepcopy(case.answered())
    resource |= {"questionnaire": "#f", "contained": [*resource.get("contained", []), source]}
    found = await judged(clinic, resource)
    if case.agreed is not None:
        assert found["valid"] is case.agreed, found
    # And against the same form when the clinic has it, under its own address.
    url = f"http://example.org/{new_id()}"
    stored = await clinic.http.post("/v1/questionnaires", json={**case.form(), "url": url, "status": "active"})
    assert stored.status_code == 201, stored.text
    again = await judged(clinic, {**case.answered(), "questionnaire": url})
    assert places(again["errors"]) == places(found["errors"])
