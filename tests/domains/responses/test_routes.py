"""Responses over HTTP: what is written is read back, at every version and instant, and by nobody else."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.support.clinic import PATIENT, Clinic, match
from tests.support.forms import REAL_FORMS, form, item, real_form
from tests.support.problems import assert_problem

CODED = [{"valueCoding": {"system": "s", "code": code}} for code in "ab"]
ITEMS = (
    item("name", required=True),
    item("dose", "decimal"),
    item("kind", "choice", answerOption=CODED),
    item("drugs", "group", item("drug"), item("times", "time", repeats=True), repeats=True),
)


async def begun(clinic: Clinic, **body: Any) -> tuple[str, str]:
    """Id and path of a response just begun."""
    id_ = (await clinic.begin(await clinic.publish(*ITEMS), **body))["id"]
    return id_, f"/v1/responses/{id_}"


async def test_the_way_of_a_response(clinic: Clinic):
    id_, path = await begun(clinic, subject="Patient/1", answers={"name": "Ann"})
    changed = await clinic.patch(id_, 1, {"dose": 0.1, "kind": "a"})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json()["answers"] == {"name": "Ann", "dose": 0.1, "kind": {"system": "s", "code": "a"}}
    assert (await clinic.patch(id_, 2, {"kind": None})).json()["answers"] == {"name": "Ann", "dose": 0.1}
    submitted = await clinic.post(f"{path}/submit", 3)
    assert (submitted.status_code, submitted.json()["status"], submitted.json()["version"]) == (200, "completed", 4)
    for refused in (
        await clinic.patch(id_, 1, {"name": "Bob"}),
        await clinic.post(f"{path}/submit", 4),
        await clinic.post(f"{path}/rows", 4, {"group": "drugs"}),
        await clinic.http.delete(f"{path}/rows/{new_id()}", headers=match(4)),
    ):
        assert_problem(refused, 409, "response-submitted")
    amended = await clinic.post(f"{path}/amend", 4, {"reason": "misheard", "answers": {"name": "Anna"}})
    assert (amended.status_code, amended.json()["status"], amended.json()["version"]) == (200, "amended", 5)
    assert (await clinic.http.get(path)).json() == amended.json()
    assert (await clinic.http.get(path, params={"version": 4})).json() == submitted.json()


async def test_a_real_form_is_filled_row_by_row_over_http(clinic: Clinic):
    sent: dict[str, Any] = {**real_form("ussg-fhp"), "status": "active"}
    id_ = (await clinic.begin((await clinic.http.post("/v1/questionnaires", json=sent)).json()["id"]))["id"]
    group = next(one["linkId"] for one in sent["item"] if one["type"] == "group" and one.get("repeats"))
    added = await clinic.post(f"/v1/responses/{id_}/rows", None, {"group": group})
    assert added.status_code == 201, added.text
    assert added.json()["response"]["rows"] == {group: [added.json()["id"]]}


async def test_rows_are_added_found_and_removed(clinic: Clinic):
    id_, path = await begun(clinic)
    added = await clinic.post(f"{path}/rows", None, {"group": "drugs", "answers": {"drug": "aspirin"}})
    row = added.json()["id"]
    assert (added.status_code, added.headers["etag"], added.headers["location"]) == (201, '"2"', f"{path}/rows/{row}")
    assert added.json()["row"] == row
    times = f"drugs[{row}].times"
    changed = await clinic.patch(id_, 2, {times: ["08:00:00", "20:00:00"]})
    assert changed.json()["answers"] == {f"drugs[{row}].drug": "aspirin", times: ["08:00:00", "20:00:00"]}
    assert changed.json()["rows"] == {"drugs": [row]}
    assert_problem(await clinic.post(f"{path}/rows", 1, {"group": "drugs"}), 412, "version-conflict")
    assert_problem(await clinic.http.delete(f"{path}/rows/{row}"), 428, "precondition-required")
    assert_problem(await clinic.http.delete(f"{path}/rows/{new_id()}", headers=match(3)), 404, "not-found")
    assert_problem(await clinic.http.delete(f"{path}/rows/no-id", headers=match(3)), 404, "not-found")
    removed = await clinic.http.delete(f"{path}/rows/{row}", headers=match(3))
    assert (removed.status_code, removed.json()["answers"], removed.json()["rows"]) == (200, {}, {})


async def test_a_row_repeated_under_one_key_is_added_once_and_told_alike(clinic: Clinic):
    _, path = await begun(clinic)
    key = {"idempotency-key": str(new_id())}
    first = await clinic.http.post(f"{path}/rows", json={"group": "drugs"}, headers=key)
    await clinic.post(f"{path}/rows", None, {"group": "drugs"})
    again = await clinic.http.post(f"{path}/rows", json={"group": "drugs"}, headers=key)
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (201, "true", first.json())
    assert len((await clinic.http.get(path)).json()["rows"]["drugs"]) == 2


async def test_faulty_answers_are_named_and_nothing_is_stored(clinic: Clinic):
    id_, path = await begun(clinic)
    refused = await clinic.patch(id_, 1, {"name": "x", "dose": "much", "kind": "z", "a/b": 1})
    problem = assert_problem(refused, 422, "invalid-answers")
    assert [(fault["pointer"], fault["code"], fault.get("linkId")) for fault in problem["errors"]] == [
        ("/answers/dose", "wrong-type", "dose"),
        ("/answers/kind", "not-an-option", "kind"),
        ("/answers/a~1b", "unknown-item", None),
    ]
    assert (await clinic.http.get(path)).json()["answers"] == {}
    assert_problem(await clinic.http.patch(path, json={"answers": {}}), 428, "precondition-required")
    assert_problem(await clinic.http.patch(path, json={"answer": {}}, headers=match(1)), 422, "invalid-body")


async def test_an_incomplete_response_is_not_submitted(clinic: Clinic):
    _, path = await begun(clinic)
    problem = assert_problem(await clinic.post(f"{path}/submit", 1), 422, "response-invalid")
    assert [(fault["pointer"], fault["linkId"]) for fault in problem["errors"]] == [("/answers/name", "name")]
    assert_problem(await clinic.post(f"{path}/submit"), 428, "precondition-required")
    assert_problem(await clinic.post(f"{path}/amend", 1, {"reason": "x", "answers": {}}), 409, "response-not-submitted")
    assert_problem(await clinic.post(f"{path}/amend", 1, {"answers": {}}), 422, "invalid-body")


async def test_a_questionnaire_is_named_by_id_or_canonical(clinic: Clinic):
    url = f"http://example.org/{new_id()}"
    first = await clinic.publish(item("a"), url=url, version="1")
    second = await clinic.publish(item("a"), url=url, version="2")
    plain = await clinic.publish(item("a"), url=f"{url}/plain")
    for reference, expected in (
        (first, first),
        (f"{url}|1", first),
        (f"{url}|2", second),
        (url, second),
        (f"{url}/plain", plain),
    ):
        found = await clinic.begin(reference)
        assert found["questionnaire"] == expected, reference
    assert found["canonical"] == f"{url}/plain"
    for unknown in (str(new_id()), f"{url}|3", "http://nowhere.example", "nonsense"):
        refused = await clinic.http.post("/v1/responses", json={"questionnaire": unknown})
        problem = assert_problem(refused, 404, "not-found")
        assert [fault["pointer"] for fault in problem["errors"]] == ["/questionnaire"]


async def test_only_published_questionnaires_take_new_responses(clinic: Clinic):
    id_ = (await clinic.http.post("/v1/questionnaires", json=form(item("a"), status="draft"))).json()["id"]
    body = {"questionnaire": id_}
    assert_problem(await clinic.http.post("/v1/responses", json=body), 409, "questionnaire-not-published")
    await clinic.post(f"/v1/questionnaires/{id_}/publish")
    open_ = await clinic.begin(id_)
    await clinic.post(f"/v1/questionnaires/{id_}/retire")
    assert_problem(await clinic.http.post("/v1/responses", json=body), 409, "questionnaire-not-published")
    assert (await clinic.patch(open_["id"], 1, {"a": "still open"})).status_code == 200


async def test_any_past_can_be_read_and_no_other(clinic: Clinic):
    id_, path = await begun(clinic)
    seen = [(await clinic.http.get(path)).json()]
    for number in (1, 2, 3):
        clinic.clock.advance(seconds=10)
        seen.append((await clinic.patch(id_, number, {"name": str(number)})).json())
    for body in seen:
        then = await clinic.http.get(path, params={"version": body["version"]})
        assert (then.json(), then.headers["etag"]) == (body, f'"{body["version"]}"')
        instant = datetime.fromisoformat(body["updated_at"])
        assert (await clinic.http.get(path, params={"at": instant.isoformat()})).json() == body
        later = (instant + timedelta(seconds=9.999999)).isoformat()
        assert (await clinic.http.get(path, params={"at": later})).json() == body
    before = (datetime.fromisoformat(seen[0]["created_at"]) - timedelta(microseconds=1)).isoformat()
    assert_problem(await clinic.http.get(path, params={"at": before}), 404, "not-found")
    assert_problem(await clinic.http.get(path, params={"version": 5}), 404, "not-found")
    both = await clinic.http.get(path, params={"version": 1, "at": before})
    assert_problem(both, 400, "invalid-parameter")
    for query in (
        {"version": 0},
        {"version": "x"},
        {"version": 2**40},
        {"at": "yesterday"},
        {"at": "2026-01-01T00:00:00"},
        {"as": 1},
    ):
        assert_problem(await clinic.http.get(path, params=query), 400, "invalid-parameter")
    assert_problem(await clinic.http.get(f"/v1/responses/{new_id()}", params={"version": 1}), 404, "not-found")


async def test_the_history_tells_who_did_what(clinic: Clinic):
    id_, path = await begun(clinic, answers={"name": "Ann"})
    await clinic.patch(id_, 1, {"name": "Bob", "dose": None}, **{"x-request-id": "second"})
    row = (await clinic.post(f"{path}/rows", None, {"group": "drugs", "answers": {"drug": "x"}})).json()["id"]
    await clinic.http.delete(f"{path}/rows/{row}", headers=match(3))
    await clinic.post(f"{path}/submit", 4)
    await clinic.post(f"{path}/amend", 5, {"reason": "misheard", "answers": {"name": None, "dose": 1}})
    refused = await clinic.post(f"{path}/amend", 5, {"reason": "misheard", "answers": {"name": "Cid"}})
    assert refused.status_code == 200
    items = (await clinic.http.get(f"{path}/history")).json()["items"]
    assert [(one["version"], one["type"], one["changes"]) for one in items] == [
        (1, "created", {"name": "Ann"}),
        (2, "changed", {"name": "Bob", "dose": None}),
        (3, "row-added", {f"drugs[{row}].drug": "x"}),
        (4, "row-removed", {f"drugs[{row}].drug": None}),
        (5, "submitted", {}),
        (6, "amended", {"name": "Cid"}),
    ]
    assert [one.get("row") for one in items][2:4] == [row, row]
    assert items[5]["reason"] == "misheard"
    assert {one["actor"] for one in items} == {str(clinic.actors["Bearer clinician"].id)}
    assert (items[1]["request_id"], items[1]["door"]) == ("second", "http")
    page = (await clinic.http.get(f"{path}/history", params={"limit": 4})).json()
    rest = (await clinic.http.get(f"{path}/history", params={"limit": 4, "cursor": page["next"]})).json()
    assert page["items"] + rest["items"] == items
    assert rest["next"] is None


async def test_two_versions_are_compared_in_either_direction(clinic: Clinic):
    id_, path = await begun(clinic, answers={"name": "Ann", "dose": 1})
    await clinic.patch(id_, 1, {"name": "Bob"})
    await clinic.patch(id_, 2, {"dose": None, "kind": "b"})
    await clinic.post(f"{path}/submit", 3)
    found = (await clinic.http.get(f"{path}/diff", params={"from": 1, "to": 4})).json()
    assert found == {
        "from": 1,
        "to": 4,
        "status": {"before": "in-progress", "after": "completed"},
        "items": [
            {"linkId": "name", "before": "Ann", "after": "Bob"},
            {"linkId": "dose", "before": 1, "after": None},
            {"linkId": "kind", "before": None, "after": {"system": "s", "code": "b"}},
        ],
    }
    assert (await clinic.http.get(f"{path}/diff", params={"from": 1})).json() == found
    backwards = (await clinic.http.get(f"{path}/diff", params={"from": 2, "to": 1})).json()
    assert backwards["items"] == [{"linkId": "name", "before": "Bob", "after": "Ann"}]
    assert (await clinic.http.get(f"{path}/diff", params={"from": 2, "to": 2})).json()["items"] == []
    assert_problem(await clinic.http.get(f"{path}/diff", params={"from": 1, "to": 9}), 404, "not-found")
    assert_problem(await clinic.http.get(f"{path}/diff"), 400, "invalid-parameter")


async def test_the_list_finds_by_questionnaire_subject_and_status(clinic: Clinic):
    questionnaire, other = await clinic.publish(item("a")), await clinic.publish(item("a"))
    ids = [(await clinic.begin(questionnaire, subject=f"Patient/{number % 2}"))["id"] for number in range(4)]
    await clinic.begin(other)
    await clinic.post(f"/v1/responses/{ids[0]}/submit", 1)

    async def found(**query: Any) -> list[str]:
        page = await clinic.http.get("/v1/responses", params=query)
        assert page.status_code == 200, page.text
        return [one["id"] for one in page.json()["items"]]

    assert len(await found()) == 5
    assert await found(questionnaire=questionnaire) == ids[::-1]
    assert await found(questionnaire=questionnaire, subject="Patient/1") == [ids[3], ids[1]]
    assert await found(subject="Patient/0", status="completed") == [ids[0]]
    assert await found(subject="Patient/nobody") == []
    page = (await clinic.http.get("/v1/responses", params={"limit": 3})).json()
    rest = (await clinic.http.get("/v1/responses", params={"limit": 3, "cursor": page["next"]})).json()
    assert [one["id"] for one in rest["items"]] == ids[1::-1]
    assert rest["items"][0]["subject"] == "Patient/1"
    assert "answers" not in rest["items"][0]


async def test_a_patient_keeps_to_what_is_their_own(clinic: Clinic):
    questionnaire = await clinic.publish(*ITEMS)
    theirs = clinic.acting("patient", PATIENT, "Patient/me")
    own = await clinic.http.post("/v1/responses", json={"questionnaire": questionnaire}, headers=theirs)
    assert (own.status_code, own.json()["subject"]) == (201, "Patient/me")
    foreign = (await clinic.begin(questionnaire, subject="Patient/other"))["id"]
    path = f"/v1/responses/{foreign}"
    assert_problem(await clinic.http.get(path, headers=theirs), 403, "forbidden")
    assert_problem(await clinic.http.get(f"{path}/history", headers=theirs), 403, "forbidden")
    assert_problem(await clinic.http.get(f"{path}/diff?from=1", headers=theirs), 403, "forbidden")
    assert_problem(await clinic.http.get(path, params={"version": 1}, headers=theirs), 403, "forbidden")
    assert_problem(await clinic.patch(foreign, 1, {"name": "x"}, **theirs), 403, "forbidden")
    listed = (await clinic.http.get("/v1/responses", headers=theirs)).json()["items"]
    assert [one["id"] for one in listed] == [own.json()["id"]]
    assert (await clinic.http.get("/v1/responses", params={"subject": "Patient/other"}, headers=theirs)).json()["items"] == []
    body = {"questionnaire": questionnaire, "subject": "Patient/other"}
    assert_problem(await clinic.http.post("/v1/responses", json=body, headers=theirs), 403, "forbidden")


async def test_another_clinics_response_is_not_there(clinic: Clinic):
    id_, path = await begun(clinic)
    stranger = clinic.acting("stranger", tenant=new_id())
    for answer in (
        await clinic.http.get(path, headers=stranger),
        await clinic.http.get(f"{path}/history", headers=stranger),
        await clinic.patch(id_, 1, {"name": "x"}, **stranger),
    ):
        assert_problem(answer, 404, "not-found")
    assert (await clinic.http.get("/v1/responses", headers=stranger)).json()["items"] == []


async def test_judging_answers_asks_what_submitting_would(clinic: Clinic):
    questionnaire, row = await clinic.publish(*ITEMS), new_id()

    async def judged(**answers: Any) -> dict[str, Any]:
        body = {"questionnaire": questionnaire, "answers": answers}
        answer = await clinic.http.post("/v1/responses/$validate", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert await judged(name="x", **{f"drugs[{row}].drug": "y"}) == {
        "valid": True, "errors": [], "warnings": [], "information": [],
    }  # fmt: skip
    assert [fault["pointer"] for fault in (await judged(dose=1))["errors"]] == ["/answers/name"]
    assert [fault["code"] for fault in (await judged(name=1))["errors"]] == ["wrong-type"]
    assert (await clinic.http.get("/v1/responses")).json()["items"] == []
    unknown = await clinic.http.post("/v1/responses/$validate", json={"questionnaire": str(new_id()), "answers": {}})
    assert_problem(unknown, 404, "not-found")


async def test_a_repeated_creation_is_applied_once(clinic: Clinic):
    body, key = {"questionnaire": await clinic.publish(*ITEMS)}, {"idempotency-key": str(new_id())}
    answers = await asyncio.gather(*(clinic.http.post("/v1/responses", json=body, headers=key) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len((await clinic.http.get("/v1/responses")).json()["items"]) == 1


async def test_64_writers_of_one_response_lose_nothing(clinic: Clinic):
    id_, path = await begun(clinic)
    told: dict[int, str] = {}

    async def write(name: str) -> None:
        version = 1
        while True:
            answer = await clinic.patch(id_, version, {"name": name})
            if answer.status_code == 200:
                assert answer.json()["version"] not in told
                told[answer.json()["version"]] = name
                return
            version = assert_problem(answer, 412, "version-conflict")["current_version"]

    await asyncio.gather(*(write(f"writer {number}") for number in range(64)))
    assert sorted(told) == list(range(2, 66))
    items = (await clinic.http.get(f"{path}/history", params={"limit": 100})).json()["items"]
    assert [one["changes"].get("name") for one in items] == [None, *(told[version] for version in range(2, 66))]


@pytest.mark.parametrize("value", [0.1, 1.5e-7, 12345678901234567, 3, -0.5])
async def test_a_number_comes_back_as_it_was_sent(clinic: Clinic, value: float):
    id_, path = await begun(clinic)
    assert (await clinic.patch(id_, 1, {"dose": value})).status_code == 200
    back = (await clinic.http.get(path)).json()["answers"]["dose"]
    assert (back, type(back)) == (value, type(value))


async def test_a_form_without_its_own_address_is_answered_by_id(clinic: Clinic):
    for name in REAL_FORMS:
        sent = {**real_form(name), "status": "active", "url": f"urn:uuid:{new_id()}"}
        created = await clinic.http.post("/v1/questionnaires", json=sent)
        found = await clinic.begin(created.json()["id"])
        assert found["questionnaire_version"] == sent.get("version")


async def test_a_response_entered_in_error_stays_readable_and_nothing_else(clinic: Clinic):
    id_, path = await begun(clinic, answers={"name": "Ann"})
    await clinic.post(f"{path}/submit", 1)
    assert_problem(await clinic.post(f"{path}/void", None, {"reason": "x"}), 428, "precondition-required")
    assert_problem(await clinic.post(f"{path}/void", 1, {"reason": "x"}), 412, "version-conflict")
    assert_problem(await clinic.post(f"{path}/void", 2, {"reason": ""}), 422, "invalid-body")
    voided = await clinic.post(f"{path}/void", 2, {"reason": "the wrong person"})
    assert (voided.status_code, voided.json()["status"], voided.json()["version"]) == (200, "entered-in-error", 3)
    for refused in (
        await clinic.patch(id_, 3, {"name": "Bob"}),
        await clinic.post(f"{path}/submit", 3),
        await clinic.post(f"{path}/amend", 3, {"reason": "x", "answers": {"name": "Bob"}}),
        await clinic.post(f"{path}/void", 3, {"reason": "x"}),
    ):
        assert_problem(refused, 409, "response-voided")
    assert (await clinic.http.get(path)).json() == voided.json()
    assert (await clinic.http.get(path, params={"version": 2})).json()["status"] == "completed"
    last = (await clinic.http.get(f"{path}/history")).json()["items"][-1]
    assert (last["type"], last["reason"], last["changes"]) == ("voided", "the wrong person", {})
    listed = (await clinic.http.get("/v1/responses", params={"status": "entered-in-error"})).json()["items"]
    assert [one["id"] for one in listed] == [id_]
