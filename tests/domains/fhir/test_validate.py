"""$validate: the faults of a resource as issues of an OperationOutcome, nothing stored, the verdicts of the published cases."""

from copy import deepcopy
from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.fhir import Fhir, Json, answered, faults, given, patient, refusal, text
from tests.support.forms import form, item
from tests.support.verdicts import cases, required_case

ALL = {case.name: case for case in cases()}


async def judged(fhir: Fhir, resource: Json, **parameters: Any) -> Json:
    path = f"/{parameters.pop('type_', resource['resourceType'])}/$validate"
    outcome = await fhir.post(path, resource, 200)
    assert outcome["resourceType"] == "OperationOutcome"
    return outcome


async def test_every_fault_of_a_response_is_an_error(clinic: Clinic, fhir: Fhir):
    url = f"http://example.org/{new_id()}"
    await clinic.publish(item("name", required=True, maxLength=5), item("n", "integer"), url=url)
    bad = answered(url, text("name", "Annabel"), given("n", {"valueString": "x"}), {"linkId": "nobody"}, status="completed")
    outcome = await judged(fhir, bad)
    assert faults(outcome) == [
        ("QuestionnaireResponse.item[2]", "unknown-item"),
        ("QuestionnaireResponse.item[0].answer[0].value.ofType(string)", "too-long"),
        ("QuestionnaireResponse.item[1].answer[0].value.ofType(string)", "type"),
    ]
    assert {issue["code"] for issue in outcome["issue"]} == {"not-found", "invariant"}
    assert await fhir.found(f"/QuestionnaireResponse?questionnaire={url}") == []


async def test_what_is_missing_while_answers_are_given_is_a_warning(clinic: Clinic, fhir: Fhir):
    url = f"http://example.org/{new_id()}"
    await clinic.publish(item("name", required=True), url=url)
    outcome = await judged(fhir, answered(url))
    assert [(issue["severity"], issue["code"]) for issue in outcome["issue"]] == [("warning", "required")]
    assert faults(outcome) == []


async def test_that_all_is_well_is_said(clinic: Clinic, fhir: Fhir):
    for resource in (patient(), form(item("a"))):
        outcome = await judged(fhir, resource)
        assert [(issue["severity"], issue["code"]) for issue in outcome["issue"]] == [("information", "informational")]
    assert await fhir.found("/Patient") == []
    assert await fhir.found("/Questionnaire") == []


async def test_a_questionnaire_is_judged_with_warnings(fhir: Fhir):
    slip = {**form(item("a", repeats="true")), "title": 7}
    outcome = await judged(fhir, slip)
    assert faults(outcome) == [("Questionnaire.title", "structure")]
    assert [issue["expression"] for issue in outcome["issue"] if issue["severity"] == "warning"] == [
        ["Questionnaire.item[0].repeats"]
    ]


async def test_a_patient_is_judged_by_structure_and_by_the_rules_of_participants(fhir: Fhir):
    assert faults(await judged(fhir, patient(gender="f"))) == [("Patient.gender", "structure")]
    known = patient(identifier=[{"system": "urn:keepwell:external-id", "value": "A-1"}])
    await fhir.post("/Patient", known)
    assert faults(await judged(fhir, known)) == []
    assert faults(await judged(fhir, patient("x" * 501))) == [("Patient.name[0].family", "invalid-value")]


async def test_the_resource_may_come_as_a_parameter(fhir: Fhir):
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient(gender="f")}]}
    assert faults(await judged(fhir, parameters, type_="Patient")) == [("Patient.gender", "structure")]
    for body in (
        {"resourceType": "Parameters"},
        {"resourceType": "Parameters", "parameter": [{"name": "resource"}]},
        {"resourceType": "Parameters", "parameter": 7},
        {"resourceType": "Questionnaire"},
        {},
    ):
        refusal(await fhir.send("POST", "/Patient/$validate", body), 422, "invalid-body")
    more = {**parameters, "parameter": [*parameters["parameter"], {"name": "profile", "valueUri": "urn:x"}]}
    places = refusal(await fhir.send("POST", "/Patient/$validate", more), 422, "invalid-body")
    assert places == [("Patient.parameter[1].name", "not-kept")]


async def test_judging_needs_what_storing_would(clinic: Clinic, fhir: Fhir):
    clinic.http.headers.update(clinic.acting("reader", ("user/Patient.rs", "user/Questionnaire.rs")))
    refusal(await fhir.send("POST", "/Patient/$validate", patient()), 403, "forbidden")
    refusal(await fhir.send("POST", "/Questionnaire/$validate", form(item("a"))), 403, "forbidden")


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if case.supporting])
async def test_the_published_cases_get_the_verdict_they_have(clinic: Clinic, fhir: Fhir, name: str):
    case = required_case(name)
    source, resource = {**case.form(), "id": "f"}, deepcopy(case.answered())
    resource |= {"questionnaire": "#f", "contained": [*resource.get("contained", []), source]}
    found = faults(await judged(fhir, resource))
    if case.agreed is not None:
        assert (found == []) is case.agreed, found
    url = f"http://example.org/{new_id()}"
    stored = await clinic.http.post("/fhir/R4/Questionnaire", json={**case.form(), "url": url, "status": "active"})
    assert stored.status_code == 201, stored.text
    again = faults(await judged(fhir, {**case.answered(), "questionnaire": url}))
    assert [code for _, code in again] == [code for _, code in found]
