"""Batches and transactions: all or nothing, references between entries, every answer in its place as its single call's."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.fhir import Fhir, Json, answered, issues, patient, refusal, text
from tests.support.forms import form, item

ONE, TWO, THREE = (f"urn:uuid:{UUID(int=number)}" for number in (1, 2, 3))


def bundle(*entries: Json, type_: str = "transaction") -> Json:
    return {"resourceType": "Bundle", "type": type_, **({"entry": list(entries)} if entries else {})}


def post(resource: Json, full_url: str | None = None, **request: Any) -> Json:
    named = {} if full_url is None else {"fullUrl": full_url}
    return {**named, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}


def put(resource: Json, version: int | None = None, **request: Any) -> Json:
    match = {} if version is None else {"ifMatch": f'W/"{version}"'}
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url, **match, **request}}


def get(url: str, **request: Any) -> Json:
    return {"request": {"method": "GET", "url": url, **request}}


def statuses(answer: Json) -> list[str]:
    return [entry["response"]["status"][:3] for entry in answer["entry"]]


async def published(clinic: Clinic, *items: Json) -> str:
    url = f"http://example.org/{new_id()}"
    await clinic.publish(*(items or (item("a", required=True),)), url=url)
    return url


async def run(fhir: Fhir, *entries: Json, status: int = 200, type_: str = "transaction", **headers: str) -> Json:
    return await fhir.post("", bundle(*entries, type_=type_), status, **headers)


async def test_references_between_entries_become_addresses(clinic: Clinic, fhir: Fhir):
    url = await published(clinic, item("a", "reference"))
    response = answered(
        url,
        {"linkId": "a", "answer": [{"valueReference": {"reference": TWO}}]},
        subject={"reference": ONE},
        source={"reference": TWO},
    )
    answer = await run(fhir, post(response), post(patient("Doe"), ONE), post(patient("Roe"), TWO))
    assert answer["type"] == "transaction-response"
    assert statuses(answer) == ["201", "201", "201"]
    stored, doe, roe = (entry["resource"] for entry in answer["entry"])
    assert (doe["name"], roe["name"]) == ([{"family": "Doe"}], [{"family": "Roe"}])
    assert stored["subject"] == {"reference": f"Patient/{doe['id']}"}
    assert stored["source"] == {"reference": f"Patient/{roe['id']}"}
    assert stored["item"][0]["answer"] == [{"valueReference": {"reference": f"Patient/{roe['id']}"}}]
    assert await fhir.found(f"/QuestionnaireResponse?patient={doe['id']}") == [stored["id"]]
    response_entry = answer["entry"][0]["response"]
    assert response_entry["location"].endswith(f"/fhir/R4/QuestionnaireResponse/{stored['id']}/_history/1")
    assert (response_entry["etag"], response_entry["lastModified"]) == ('W/"1"', "2026-03-01T12:00:00Z")


async def test_relative_references_start_from_the_address_an_entry_had_elsewhere(clinic: Clinic, fhir: Fhir):
    there, elsewhere = "http://there.example/fhir", "http://elsewhere.example/fhir"
    link = [{"other": {"reference": "Patient/23"}, "type": "seealso"}]
    person = post(patient("Doe"), f"{there}/Patient/23")
    same, other = (post(patient(link=link), f"{root}/Patient/7") for root in (there, elsewhere))
    first, again = [await run(fhir, same, person, other, idempotency_key="k") for _ in range(2)]
    linked, doe, apart = (entry["resource"] for entry in first["entry"])
    assert linked["link"][0]["other"] == {"reference": f"Patient/{doe['id']}"}
    assert apart["link"] == link
    assert again == first


async def test_a_form_and_the_answers_to_it_can_come_together(fhir: Fhir):
    questionnaire = form(item("a", required=True), url=f"http://example.org/{new_id()}")
    answer = await run(fhir, post(answered(ONE, text("a", "x"), status="completed")), post(questionnaire, ONE))
    assert statuses(answer) == ["201", "201"]
    assert answer["entry"][0]["resource"]["questionnaire"] == questionnaire["url"]
    assert answer["entry"][0]["resource"]["status"] == "completed"


async def test_one_refusal_takes_all_back_and_says_whose_it_is(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    kept = await fhir.post("/Patient", patient("Before"))
    good = (post(patient("Doe"), ONE), put({**kept, "gender": "other"}, 1))
    for bad, status, code, place in (
        (post(answered(url, status="completed")), 422, "response-invalid", "Bundle.entry[2].resource"),
        (post(answered(url, {"linkId": "nobody"})), 422, "invalid-answers", "Bundle.entry[2].resource.item[0]"),
        (post(patient(gender="f")), 422, "invalid-body", "Bundle.entry[2].resource.gender"),
        (post(answered("http://example.org/nobody")), 404, "not-found", "Bundle.entry[2].resource.questionnaire"),
        (post(patient(managingOrganization={"reference": THREE})), 422, "invalid-body",
         "Bundle.entry[2].resource.managingOrganization.reference"),
        (post(patient(managingOrganization={"reference": "Organization?name=x"})), 422, "invalid-body",
         "Bundle.entry[2].resource.managingOrganization.reference"),
        (put({**kept, "id": str(new_id())}, 1), 404, "not-found", "Bundle.entry[2]"),
        (put({**kept, "gender": "male"}, 1), 422, "invalid-body", "Bundle.entry[2].request.url"),
        ({"request": {"method": "DELETE", "url": f"Patient/{kept['id']}"}}, 405, "method-not-allowed", "Bundle.entry[2]"),
        (post({"resourceType": "Observation"}), 404, "not-found", "Bundle.entry[2]"),
        (post({"resourceType": "AuditEvent"}), 405, "method-not-allowed", "Bundle.entry[2]"),
    ):  # fmt: skip
        answer = await fhir.send("POST", "", bundle(*good, bad))
        assert refusal(answer, status, code)[0][0] == place, code
    assert await fhir.found("/Patient") == [kept["id"]]
    assert await fhir.found("/QuestionnaireResponse") == []
    assert (await fhir.get(f"/Patient/{kept['id']}"))["meta"]["versionId"] == "1"


async def test_updates_need_the_newest_version_there_too(fhir: Fhir):
    kept = await fhir.post("/Patient", patient("Doe"))
    for entry, status, code in (
        (put(kept), 428, "precondition-required"),
        (put({**kept, "gender": "male"}, 7), 412, "version-conflict"),
    ):
        refusal(await fhir.send("POST", "", bundle(post(patient("New")), entry)), status, code)
    answer = await run(fhir, put({**kept, "gender": "male"}, 1))
    assert (statuses(answer), answer["entry"][0]["response"]["etag"]) == (["200"], 'W/"2"')


async def test_a_response_can_be_changed_and_completed_in_a_transaction(clinic: Clinic, fhir: Fhir):
    made = await fhir.post("/QuestionnaireResponse", answered(await published(clinic)))
    done = {**made, "status": "completed", "item": [text("a", "x")]}
    answer = await run(fhir, put(done, 1), post(patient("Doe")))
    assert [entry["response"]["etag"] for entry in answer["entry"]] == ['W/"3"', 'W/"1"']
    other = await fhir.post("/QuestionnaireResponse", answered(made["questionnaire"]))
    refused = await fhir.send("POST", "", bundle(post(patient("Roe")), put({**other, "status": "completed"}, 1)))
    assert refusal(refused, 422, "response-invalid") == [("Bundle.entry[1].resource", "required")]
    assert await fhir.found("/Patient?family=roe") == []


async def test_reads_come_last_and_see_what_was_written(clinic: Clinic, fhir: Fhir):
    kept = await fhir.post("/Patient", patient("Doe"))
    answer = await run(
        fhir,
        get("Patient?family=roe"),
        get(f"Patient/{kept['id']}"),
        get(f"Patient/{kept['id']}/_history/1"),
        get(f"/Patient/{kept['id']}/_history"),
        get(f"Patient/{new_id()}"),
        get(f"Patient/{kept['id']}", ifNoneMatch='W/"2"'),
        get("Patient?nonsense=1"),
        post(patient("Roe")),
        put({**kept, "gender": "male"}, 1),
    )
    assert statuses(answer) == ["200", "200", "200", "200", "404", "304", "400", "201", "200"]
    entries = answer["entry"]
    assert entries[0]["resource"]["total"] == 1
    assert entries[1]["resource"]["gender"] == "male"
    assert "gender" not in entries[2]["resource"]
    assert entries[3]["resource"]["total"] == 2
    assert issues(entries[4]["response"]["outcome"], "not-found") == [("", "")]
    assert "resource" not in entries[5]
    assert issues(entries[6]["response"]["outcome"], "invalid-parameter") == [("http.nonsense", "unknown-parameter")]


async def test_entries_of_a_batch_stand_for_themselves(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    kept = await fhir.post("/Patient", patient("Doe"))
    made = await fhir.post("/QuestionnaireResponse", answered(url))
    answer = await run(
        fhir,
        post(patient("Roe")),
        post(patient(gender="f")),
        put({**kept, "gender": "male"}, 7),
        put({**made, "status": "completed"}, 1),
        get(f"Patient/{kept['id']}"),
        {"request": {"method": "DELETE", "url": f"Patient/{kept['id']}"}},
        {"resource": {}},
        post(answered(url), ifNoneExist=f"questionnaire={url}"),
        7,  # type: ignore[arg-type]
        type_="batch",
    )
    assert answer["type"] == "batch-response"
    assert statuses(answer) == ["201", "422", "412", "422", "200", "405", "422", "200", "422"]
    outcomes = [entry["response"].get("outcome") for entry in answer["entry"]]
    assert issues(outcomes[1], "invalid-body") == [("Patient.gender", "structure")]
    assert issues(outcomes[2], "version-conflict") == [("", "")]
    assert issues(outcomes[6], "invalid-body") == [("Bundle.entry[6].request", "structure")]
    assert issues(outcomes[8], "invalid-body") == [("Bundle.entry[8]", "structure")]
    assert issues(outcomes[3], "response-invalid") == [("QuestionnaireResponse", "required")]
    assert (await fhir.get(f"/QuestionnaireResponse/{made['id']}"))["meta"]["versionId"] == "1"
    assert len(await fhir.found("/Patient")) == 2


async def test_a_retried_transaction_gets_the_first_ids_and_stores_nothing_twice(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    entries = (
        post(answered(url, text("a", "x"), subject={"reference": ONE}, source={"reference": TWO})),
        post(patient("Doe", link=[{"other": {"reference": TWO}, "type": "seealso"}]), ONE),
        post(patient("Roe"), TWO),
    )
    first = await fhir.send("POST", "", bundle(*entries), idempotency_key="k")
    again = await fhir.send("POST", "", bundle(*entries), idempotency_key="k")
    assert (first.status_code, again.status_code, again.headers["idempotency-replayed"]) == (200, 200, "true")
    assert again.json() == first.json()
    assert len(await fhir.found("/Patient")) == 2
    other = await fhir.send("POST", "", bundle(entries[0], entries[1], post(patient("Poe"), TWO)), idempotency_key="k")
    refusal(other, 422, "idempotency-key-reused")


async def test_a_retried_batch_stores_nothing_twice(fhir: Fhir):
    entries = (post(patient("Doe")), post(patient("Roe")))
    first, again = [await run(fhir, *entries, type_="batch", idempotency_key="k") for _ in range(2)]
    assert [entry["resource"]["id"] for entry in again["entry"]] == [entry["resource"]["id"] for entry in first["entry"]]


async def test_a_condition_in_a_transaction_is_safe_however_many_run_it(clinic: Clinic, fhir: Fhir):
    url = await published(clinic)
    person = post(patient("Doe", identifier=[{"system": "urn:mrn", "value": "1"}]), ONE, ifNoneExist="identifier=urn:mrn|1")
    visit = post(answered(url, subject={"reference": ONE}))
    answers = await asyncio.gather(*(run(fhir, visit, person) for _ in range(8)))
    assert sorted(statuses(answer)[1] for answer in answers) == ["200"] * 7 + ["201"]
    [id_] = await fhir.found("/Patient?identifier=urn:mrn|1")
    assert {answer["entry"][0]["resource"]["subject"]["reference"] for answer in answers} == {f"Patient/{id_}"}
    assert len(await fhir.found(f"/QuestionnaireResponse?questionnaire={url}")) == 8
    await fhir.post("/Patient", patient("Roe", identifier=[{"system": "urn:mrn", "value": "1"}]))
    refused = await fhir.send("POST", "", bundle(visit, person))
    assert refusal(refused, 412, "multiple-matches") == [("Bundle.entry[1]", "multiple-matches")]


async def test_answers_are_as_long_as_preferred(fhir: Fhir):
    answer = await run(fhir, post(patient("Doe")), prefer="return=minimal")
    assert (statuses(answer), "resource" in answer["entry"][0]) == (["201"], False)
    told = await run(fhir, post(patient("Doe")), prefer="return=OperationOutcome", type_="batch")
    assert told["entry"][0]["response"]["outcome"]["issue"][0]["severity"] == "information"


async def test_nothing_to_do_is_done(fhir: Fhir):
    assert await run(fhir) == {"resourceType": "Bundle", "type": "transaction-response"}
    assert await run(fhir, type_="batch") == {"resourceType": "Bundle", "type": "batch-response"}
    assert (await fhir.post("/", bundle(type_="batch"), 200))["type"] == "batch-response"


WRONG: list[tuple[Json, str]] = [
    ({"resourceType": "Patient"}, "Bundle.resourceType"),
    ({"resourceType": "Bundle", "type": "searchset"}, "Bundle.type"),
    ({"resourceType": "Bundle", "type": "batch", "entry": 7}, "Bundle.entry"),
    ({"resourceType": "Bundle", "type": "batch", "entry": [{}] * 1001}, "Bundle.entry"),
    (bundle({"resource": {}}), "Bundle.entry[0].request"),
    (bundle(get("")), "Bundle.entry[0].request.url"),
    (bundle({"request": {"method": "OPTIONS", "url": "Patient"}}), "Bundle.entry[0].request.method"),
    (bundle({"request": {"method": {}, "url": "Patient"}}), "Bundle.entry[0].request.method"),
    (bundle({"request": {"method": "POST", "url": "Patient"}}), "Bundle.entry[0].resource"),
    (bundle(post(patient(), ifModifiedSince="2026-01-01T00:00:00Z")), "Bundle.entry[0].request.ifModifiedSince"),
    (bundle(post(patient(), "Doe")), "Bundle.entry[0].fullUrl"),
    (bundle(post(patient(), ONE), post(patient(), ONE)), "Bundle.entry[1].fullUrl"),
    (bundle(post(patient(), ifNoneExist=7)), "Bundle.entry[0].request.ifNoneExist"),
    (bundle({**post(patient()), "search": {"mode": "match"}}), "Bundle.entry[0].search"),
    (bundle(put({**patient(), "id": str(new_id())}, ifMatch="x")), "Bundle.entry[0].request.ifMatch"),
    (bundle(put({**patient(), "id": str(new_id())}, ifNoneExist="family=x")), "Bundle.entry[0].request.ifNoneExist"),
]


@pytest.mark.parametrize(("body", "place"), WRONG)
async def test_what_is_no_bundle_to_run_is_refused_at_its_place(fhir: Fhir, body: Json, place: str):
    assert place in [where for where, _ in refusal(await fhir.send("POST", "", body), 422, "invalid-body")]
