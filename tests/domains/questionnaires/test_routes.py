"""Questionnaires over HTTP: what goes in comes out, what is published stays."""

import asyncio
from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import PATIENT, Clinic, match
from tests.support.forms import form, item, real_form
from tests.support.problems import assert_problem


async def test_a_draft_goes_through_its_life(clinic: Clinic):
    sent = form(item("a"), status="draft", url=f"http://example.org/{new_id()}", version="1", title="One", id="mine")
    created = await clinic.http.post("/v1/questionnaires", json=sent)
    assert (created.status_code, created.headers["etag"]) == (201, '"1"')
    body = created.json()
    path = created.headers["location"]
    assert path == f"/v1/questionnaires/{body['id']}"
    assert body["resource"] == {**sent, "id": body["id"]}
    assert {name: body[name] for name in ("url", "version", "status", "title")} == {
        "url": sent["url"], "version": "1", "status": "draft", "title": "One",
    }  # fmt: skip
    replaced = await clinic.http.put(path, json={**sent, "title": "Two"}, headers=match(1))
    assert (replaced.status_code, replaced.headers["etag"], replaced.json()["title"]) == (200, '"2"', "Two")
    published = await clinic.post(f"{path}/publish", 2)
    assert (published.status_code, published.json()["status"]) == (200, "active")
    assert_problem(await clinic.http.put(path, json=sent, headers=match(3)), 409, "questionnaire-published")
    retired = await clinic.post(f"{path}/retire")
    assert (retired.status_code, retired.json()["resource"]["status"], retired.headers["etag"]) == (200, "retired", '"4"')
    shown = await clinic.http.get(path)
    assert shown.json() == retired.json()
    assert (await clinic.http.get(path, headers={"if-none-match": '"4"'})).status_code == 304


async def test_replacing_needs_the_version_seen(clinic: Clinic):
    path = (await clinic.http.post("/v1/questionnaires", json=form(item("a"), status="draft"))).headers["location"]
    changed = form(item("b"), status="draft")
    assert_problem(await clinic.http.put(path, json=changed), 428, "precondition-required")
    stale = await clinic.http.put(path, json=changed, headers=match(7))
    assert_problem(stale, 412, "version-conflict")
    assert stale.json()["current_version"] == 1
    assert_problem(await clinic.post(f"{path}/publish", 7), 412, "version-conflict")


@pytest.mark.parametrize("name", ["phq9", "ussg-fhp", "enableWhen-test.R4"])
async def test_a_real_form_is_stored_and_given_back(clinic: Clinic, name: str):
    sent = real_form(name)
    created = await clinic.http.post("/v1/questionnaires", json=sent)
    assert created.status_code == 201, created.text
    shown = await clinic.http.get(created.headers["location"])
    assert shown.json()["resource"] == {**sent, "id": created.json()["id"]}


async def test_a_faulty_form_is_refused_with_its_faults_and_not_stored(clinic: Clinic):
    refused = await clinic.http.post("/v1/questionnaires", json=real_form("argonaut-phq9-ish"))
    assert_problem(refused, 422, "questionnaire-invalid")
    assert {(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]} == {
        ("/item/0/item/0/required", "que-6"),
        ("/item/0/item/10/repeats", "que-6"),
        ("/item/0/item/10/code", "que-3"),
    }
    assert (await clinic.http.get("/v1/questionnaires")).json() == {"items": [], "next": None}


async def test_judging_says_the_same_and_stores_nothing(clinic: Clinic):
    judged = await clinic.http.post("/v1/questionnaires/$validate", json=form(item("a"), item("a")))
    assert judged.status_code == 200, judged.text
    assert (judged.json()["valid"], [fault["code"] for fault in judged.json()["errors"]]) == (False, ["que-2"])
    judged = await clinic.http.post("/v1/questionnaires/$validate", json=real_form("phq9"))
    assert (judged.json()["valid"], judged.json()["errors"]) == (True, [])
    assert "que-0" in {warning["code"] for warning in judged.json()["warnings"]}
    assert (await clinic.http.get("/v1/questionnaires")).json()["items"] == []


async def test_one_canonical_names_one_questionnaire(clinic: Clinic):
    sent = form(item("a"), url=f"http://example.org/{new_id()}", version="1")
    assert (await clinic.http.post("/v1/questionnaires", json=sent)).status_code == 201
    assert_problem(await clinic.http.post("/v1/questionnaires", json=sent), 409, "questionnaire-exists")
    second = await clinic.http.post("/v1/questionnaires", json={**sent, "version": "2", "status": "draft"})
    assert second.status_code == 201
    taken = await clinic.http.put(second.headers["location"], json=sent, headers=match(1))
    assert_problem(taken, 409, "questionnaire-exists")
    elsewhere = clinic.acting("elsewhere", tenant=new_id())
    assert (await clinic.http.post("/v1/questionnaires", json=sent, headers=elsewhere)).status_code == 201


async def test_twenty_at_once_with_one_canonical_store_it_once(clinic: Clinic):
    sent = form(item("a"), url=f"http://example.org/{new_id()}", version="1")
    answers = await asyncio.gather(*(clinic.http.post("/v1/questionnaires", json=sent) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19


async def test_a_repeated_creation_is_applied_once(clinic: Clinic):
    sent, key = form(item("a")), {"idempotency-key": str(new_id())}
    first = await clinic.http.post("/v1/questionnaires", json=sent, headers=key)
    again = await clinic.http.post("/v1/questionnaires", json=sent, headers=key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json() == first.json()
    other = await clinic.http.post("/v1/questionnaires", json=form(item("b")), headers=key)
    assert_problem(other, 422, "idempotency-key-reused")


async def test_the_list_is_newest_first_filtered_and_paged(clinic: Clinic):
    url = f"http://example.org/{new_id()}"
    ids: list[str] = []
    for number in range(5):
        sent = form(
            item("a"), status="draft" if number == 4 else "active", title=str(number), **({"url": url} if number < 2 else {})
        )
        ids.insert(0, (await clinic.http.post("/v1/questionnaires", json=sent)).json()["id"])
    assert [one["id"] for one in (await clinic.http.get("/v1/questionnaires")).json()["items"]] == ids
    drafts = await clinic.http.get("/v1/questionnaires", params={"status": "draft"})
    assert [one["title"] for one in drafts.json()["items"]] == ["4"]
    named = await clinic.http.get("/v1/questionnaires", params={"url": url})
    assert [one["id"] for one in named.json()["items"]] == ids[3:]
    seen: list[str] = []
    cursor: dict[str, Any] | None = {}
    while cursor is not None:
        page = (await clinic.http.get("/v1/questionnaires", params={"limit": 2, **cursor})).json()
        seen += [one["id"] for one in page["items"]]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert seen == ids
    assert_problem(await clinic.http.get("/v1/questionnaires", params={"cursor": "x"}), 400, "invalid-parameter")
    assert_problem(await clinic.http.get("/v1/questionnaires", params={"status": "lost"}), 400, "invalid-parameter")


async def test_patients_read_and_do_not_write(clinic: Clinic):
    path = f"/v1/questionnaires/{await clinic.publish(item('a'))}"
    patient = clinic.acting("patient", PATIENT, "Patient/1")
    assert (await clinic.http.get(path, headers=patient)).status_code == 200
    assert_problem(await clinic.http.post("/v1/questionnaires", json=form(item("a")), headers=patient), 403, "forbidden")
    assert_problem(await clinic.http.post(f"{path}/retire", headers=patient), 403, "forbidden")


async def test_another_clinics_questionnaire_is_not_there(clinic: Clinic):
    path = f"/v1/questionnaires/{await clinic.publish(item('a'))}"
    stranger = clinic.acting("stranger", tenant=new_id())
    assert_problem(await clinic.http.get(path, headers=stranger), 404, "not-found")
    assert_problem(await clinic.http.post(f"{path}/retire", headers=stranger), 404, "not-found")


@pytest.mark.parametrize("body", ["[]", '"x"', "null", "7"])
async def test_what_is_no_object_is_refused(clinic: Clinic, body: str):
    sent = await clinic.http.post("/v1/questionnaires", content=body, headers={"content-type": "application/json"})
    assert_problem(sent, 422, "invalid-body")


async def test_a_form_of_a_megabyte_is_judged_in_bounded_time(clinic: Clinic):
    most = form(*(item(str(index), "display", text="x" * 30) for index in range(9_999)))
    assert (await clinic.http.post("/v1/questionnaires", json=most)).status_code == 201
    more = form(*(item(str(index), "display") for index in range(10_001)))
    refused = await clinic.http.post("/v1/questionnaires", json=more)
    assert_problem(refused, 422, "questionnaire-invalid")
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [("/item", "limit")]
