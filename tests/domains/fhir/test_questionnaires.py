"""Questionnaires over HTTP: stored, replaced, published and retired by updates, with the words and codes of the other door."""

from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.fhir import Fhir, Json, refusal
from tests.support.forms import REAL_FORMS, form, item, real_form

PATH = "/Questionnaire"


def draft(**elements: Any) -> Json:
    return form(item("a", text="?"), **{"status": "draft", "url": f"http://example.org/{new_id()}", **elements})


async def history(clinic: Clinic, id_: str) -> list[str]:
    """What happened, as the journal calls it."""
    owner = clinic.kernel.database
    async with owner.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(clinic.tenant))
        rows = await connection.fetch("SELECT event FROM journal_entry WHERE id = $1 ORDER BY version", id_)
    return [row["event"] for row in rows]


@pytest.mark.parametrize("name", REAL_FORMS)
async def test_a_real_form_comes_back_as_it_was_sent(clinic: Clinic, fhir: Fhir, name: str):
    sent: Json = {**real_form(name), "url": f"http://example.org/{new_id()}", "status": "active"}
    answer = await clinic.http.post(f"/fhir/R4{PATH}", json=sent)
    assert answer.status_code == 201, answer.text
    found: Json = (await clinic.http.get(f"/fhir/R4{PATH}/{answer.json()['id']}")).json()
    assert found.pop("meta") == {**sent.get("meta", {}), "versionId": "1", "lastUpdated": "2026-03-01T12:00:00Z"}
    assert {**found, "id": None} == {**{name: value for name, value in sent.items() if name != "meta"}, "id": None}


async def test_a_draft_is_replaced_published_and_retired_by_updates(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, draft())
    after = await fhir.put({**made, "title": "A title"}, 1)
    active = await fhir.put({**after, "status": "active"}, 2)
    retired = await fhir.put({**active, "status": "retired"}, 3)
    assert [one["meta"]["versionId"] for one in (made, after, active, retired)] == ["1", "2", "3", "4"]
    assert [one["status"] for one in (made, after, active, retired)] == ["draft", "draft", "active", "retired"]
    assert await history(clinic, made["id"]) == ["created", "replaced", "published", "retired"]
    assert [(await fhir.get(f"{PATH}/{made['id']}/_history/{version}"))["status"] for version in (1, 2, 3, 4)] == [
        "draft", "draft", "active", "retired",
    ]  # fmt: skip


async def test_a_draft_is_replaced_and_published_at_once(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, draft())
    active = await fhir.put({**made, "status": "active", "title": "Final"}, 1)
    assert (active["status"], active["title"]) == ("active", "Final")
    assert await history(clinic, made["id"]) == ["created", "replaced"]


async def test_a_published_one_is_changed_by_nobody(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, draft(status="active"))
    for change in ({"title": "Another"}, {}, {"status": "retired", "title": "Another"}, {"status": "draft"}):
        answer = await fhir.send("PUT", f"{PATH}/{made['id']}", {**made, **change}, if_match='W/"7"')
        refusal(answer, 409, "questionnaire-published")
    rest = await clinic.http.put(f"/v1/questionnaires/{made['id']}", json={**made, "title": "x"}, headers={"if-match": '"1"'})
    assert (rest.status_code, rest.json()["code"]) == (409, "questionnaire-published")
    retired = await fhir.put({**made, "status": "retired"}, 1)
    answer = await fhir.send("PUT", f"{PATH}/{made['id']}", {**retired, "title": "x"}, if_match='W/"2"')
    refusal(answer, 409, "questionnaire-retired")


async def test_every_update_needs_the_newest_version(clinic: Clinic, fhir: Fhir):
    made = await fhir.post(PATH, draft(status="active"))
    retired = {**made, "status": "retired"}
    refusal(await fhir.send("PUT", f"{PATH}/{made['id']}", retired), 428, "precondition-required")
    refusal(await fhir.send("PUT", f"{PATH}/{made['id']}", retired, if_match='W/"2"'), 412, "version-conflict")
    refusal(await fhir.send("PUT", f"{PATH}/{new_id()}", {**retired, "id": str(new_id())}, if_match='W/"1"'), 400, "resource-id")
    ghost = {**retired, "id": str(new_id())}
    refusal(await fhir.send("PUT", f"{PATH}/{ghost['id']}", ghost, if_match='W/"1"'), 404, "not-found")


async def test_faults_of_a_form_are_those_of_the_other_door_in_fhirpath(clinic: Clinic, fhir: Fhir):
    bad = {**draft(), "item": [item("a", initial=[{"valueCoding": {"code": 7}}]), item("a")]}
    expected = [
        ("Questionnaire.item[0].initial[0].value.ofType(Coding).code", "structure"),
        ("Questionnaire.item[1].linkId", "que-2"),
    ]
    answer = await fhir.send("POST", PATH, bad)
    assert refusal(answer, 422, "questionnaire-invalid") == expected
    rest = await clinic.http.post("/v1/questionnaires", json=bad)
    assert [one["code"] for one in rest.json()["errors"]] == [code for _, code in expected]


async def test_a_canonical_stands_for_one_form(fhir: Fhir):
    first = draft(version="1")
    await fhir.post(PATH, first)
    refusal(await fhir.send("POST", PATH, first), 409, "questionnaire-exists")


async def test_the_same_key_and_content_is_the_same_request_through_either_door(clinic: Clinic, fhir: Fhir):
    sent = draft()
    first = await clinic.http.post("/v1/questionnaires", json=sent, headers={"idempotency-key": "k"})
    again = await fhir.send("POST", PATH, sent, idempotency_key="k")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json()["id"] == first.json()["id"]
