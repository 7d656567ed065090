"""The interface as a whole: a true CapabilityStatement, an OperationOutcome for every refusal, what all routes have in common."""

from typing import Any

import httpx
import pytest

from keepwell.domains.fhir.rules.capabilities import interactions
from keepwell.domains.fhir.rules.types import TYPES
from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.fhir import Fhir, Json, patient, refusal
from tests.support.forms import form, item

ROUTES = {
    "read": ("GET", "/{id}"),
    "vread": ("GET", "/{id}/_history/1"),
    "history-instance": ("GET", "/{id}/_history"),
    "search-type": ("GET", ""),
    "create": ("POST", ""),
    "update": ("PUT", "/{id}"),
}


async def test_anybody_is_told_what_the_server_can_do(clinic: Clinic, fhir: Fhir):
    del clinic.http.headers["authorization"]
    statement = await fhir.get("/metadata")
    assert (statement["resourceType"], statement["fhirVersion"], statement["kind"]) == (
        "CapabilityStatement",
        "4.0.1",
        "instance",
    )
    assert [one["type"] for one in statement["rest"][0]["resource"]] == [type_.name for type_ in TYPES]


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.name)
async def test_what_is_stated_is_done_and_nothing_else(clinic: Clinic, fhir: Fhir, type_: Any):
    clinic.http.headers.update(clinic.acting("admin", ("user/*.cruds",)))
    statement = await fhir.get("/metadata")
    stated = next(one for one in statement["rest"][0]["resource"] if one["type"] == type_.name)
    codes = {one["code"] for one in stated["interaction"]}
    assert codes == set(interactions(type_))
    for code, (method, tail) in ROUTES.items():
        path = f"/fhir/R4/{type_.name}{tail.replace('{id}', str(new_id()))}"
        answer = await clinic.http.request(method, path, json=None if method == "GET" else {})
        unknown = answer.status_code == 405 or (
            answer.status_code == 404 and (await clinic.http.options(path)).status_code == 404
        )
        assert (code in codes) is not unknown, (code, answer.text)
    for one in stated["searchParam"]:
        value = {"date": "2026", "token": "x", "reference": str(new_id())}.get(one["type"], "x")
        await fhir.get(f"/{type_.name}?{one['name']}={value}")
    judged = await clinic.http.post(f"/fhir/R4/{type_.name}/$validate", json={})
    assert ("operation" in stated) is (judged.status_code != 405)
    gone = await clinic.http.delete(f"/fhir/R4/{type_.name}/{new_id()}")
    refusal(gone, 405, "method-not-allowed")
    assert "DELETE" not in gone.headers["allow"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/fhir/R4", 405, "method-not-allowed"),
        ("GET", "/fhir/R4/Observation", 404, "not-found"),
        ("GET", "/fhir/R4/Patient/x/y/z/a", 404, "not-found"),
        ("PATCH", "/fhir/R4/Patient/01890a5d-ac96-774b-bcce-b302099a8057", 405, "method-not-allowed"),
        ("DELETE", "/fhir/R4/Patient", 405, "method-not-allowed"),
    ],
)
async def test_what_is_not_there_is_told_as_an_outcome(clinic: Clinic, method: str, path: str, status: int, code: str):
    assert refusal(await clinic.http.request(method, path), status, code) == [("", "")]


async def test_what_every_door_refuses_is_refused_in_fhirs_envelope(clinic: Clinic):
    async def post(path: str = "/fhir/R4/Patient", **options: Any) -> httpx.Response:
        return await clinic.http.post(path, **options)

    json = {"content-type": "application/fhir+json"}
    refusal(await post(content=b"{", headers=json), 400, "malformed-json")
    refusal(await post(content=b"[]", headers=json), 422, "invalid-body")
    refusal(await post(content=b"{}", headers={"content-type": "application/fhir+xml"}), 415, "unsupported-media-type")
    refusal(await post(content=b'{"a": "' + b"x" * 1_100_000 + b'"}', headers=json), 413, "body-too-large")
    refusal(await post(json=patient(), headers={"idempotency-key": "with space"}), 400, "invalid-header")
    nobody = {"authorization": "Bearer nobody"}
    unknown = await post(json=patient(), headers=nobody)
    refusal(unknown, 401, "unauthenticated")
    assert unknown.headers["www-authenticate"] == "Bearer"
    taken = await post("/fhir/R4", content=b" " * 2_000_000 + b'{"resourceType": "Bundle", "type": "batch"}', headers=json)
    assert taken.status_code == 200


async def test_each_fault_is_an_issue_with_both_codes(fhir: Fhir):
    answer = await fhir.send("POST", "/Questionnaire", form(item("a", "colour"), item("a")))
    codes = [[coding["code"] for coding in issue["details"]["coding"]] for issue in answer.json()["issue"]]
    assert codes == [["questionnaire-invalid", "structure"], ["questionnaire-invalid", "que-2"]]
    assert all(issue["diagnostics"] and issue["expression"] for issue in answer.json()["issue"])


async def test_reads_take_a_format_and_nothing_else(fhir: Fhir):
    made = await fhir.post("/Patient?_format=json", patient())
    for path in (f"/Patient/{made['id']}", f"/Patient/{made['id']}/_history/1", "/metadata"):
        assert (await fhir.get(f"{path}?_format=json"))["resourceType"]
        refusal(await fhir.send("GET", f"{path}?_format=xml"), 400, "invalid-parameter")
        refusal(await fhir.send("GET", f"{path}?_elements=name"), 400, "invalid-parameter")
    refusal(await fhir.send("POST", "/Patient?x=y", patient()), 400, "invalid-parameter")


async def test_links_lead_where_the_caller_came_from(clinic: Clinic):
    answer = await clinic.http.post("/fhir/R4/Patient", json=patient(), headers={"host": "fhir.clinic.example"})
    assert answer.headers["location"].startswith("http://fhir.clinic.example/fhir/R4/Patient/")
    odd = await clinic.http.post("/fhir/R4/Patient", json=patient(), headers={"host": 'x"y'})
    assert odd.headers["location"].startswith("/fhir/R4/Patient/")


async def test_what_is_done_here_is_recorded_as_done_through_this_door(clinic: Clinic, fhir: Fhir):
    made: Json = await fhir.post("/Patient", patient())
    items = (await clinic.http.get(f"/v1/participants/{made['id']}/history")).json()["items"]
    assert [one["door"] for one in items] == ["fhir"]
