"""Participants over HTTP: found by external id, read, and with everything that was said of them."""

from typing import Any
from uuid import UUID

import pytest

from keepwell.domains.participants import ChangeParticipant, Details, ParticipantService, RegisterParticipant
from keepwell.kernel import Actor, Envelope, Origin
from keepwell.kit.ids import new_id
from tests.support.clinic import Clinic
from tests.support.problems import assert_problem

ORIGIN = Origin("test", "test-request")


def actor(clinic: Clinic) -> Actor:
    return clinic.actors["Bearer clinician"]


async def run(clinic: Clinic, command: Any, if_match: int | None = None, who: Actor | None = None) -> Any:
    [outcome] = await clinic.kernel.execute([Envelope(command, who or actor(clinic), ORIGIN, if_match)])
    return outcome


async def register(clinic: Clinic, external_id: str | None = None, program: Any = None, **details: Any) -> str:
    id_ = await ParticipantService(clinic.kernel).id_for(clinic.tenant, program, external_id)
    outcome = await run(clinic, RegisterParticipant(id_, external_id, program, Details(**details)))
    assert outcome.refusal is None, outcome.refusal
    return str(id_)


async def test_a_participant_is_found_by_the_external_id_in_whatever_program(clinic: Clinic):
    program = new_id()
    one = await register(clinic, "A-1", family_name="Doe")
    two = await register(clinic, "A-1", program)
    await register(clinic, "A-2")
    found = (await clinic.http.get("/v1/participants", params={"external_id": "A-1"})).json()
    assert sorted(person["id"] for person in found["items"]) == sorted([one, two])
    assert {person["program"] for person in found["items"]} == {None, str(program)}
    assert found["next"] is None
    assert (await clinic.http.get("/v1/participants", params={"external_id": "A-3"})).json()["items"] == []


async def test_the_same_person_is_not_registered_twice(clinic: Clinic):
    id_ = await register(clinic, "A-1")
    outcome = await run(
        clinic, RegisterParticipant(await ParticipantService(clinic.kernel).id_for(clinic.tenant, None, "A-1"), "A-1")
    )
    assert outcome.refusal.code == "conflict"
    assert str(outcome.id) == id_
    assert await register(clinic) != await register(clinic)


async def test_one_is_shown_with_its_version(clinic: Clinic):
    id_ = await register(
        clinic, "A-1", given_name="Ann", birth_date="1970", attributes={"ward": "7"}, elements={"gender": "female"}
    )
    answer = await clinic.http.get(f"/v1/participants/{id_}")
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == {
        "id": id_,
        "external_id": "A-1",
        "program": None,
        "given_name": "Ann",
        "family_name": None,
        "birth_date": "1970",
        "email": None,
        "phone": None,
        "time_zone": None,
        "attributes": {"ward": "7"},
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "responses": f"/v1/responses?subject=Patient/{id_}",
        "elements": {"gender": "female"},
    }
    assert (await clinic.http.get(f"/v1/participants/{id_}", headers={"if-none-match": '"1"'})).status_code == 304


async def test_one_links_to_the_responses_about_it(clinic: Clinic):
    people = [await register(clinic) for _ in range(2)]
    questionnaire = await clinic.publish({"linkId": "q", "text": "Q", "type": "string"})
    begun = [(await clinic.begin(questionnaire, subject=f"Patient/{id_}"))["id"] for id_ in people]
    for id_, response in zip(people, begun, strict=True):
        link = (await clinic.http.get(f"/v1/participants/{id_}")).json()["responses"]
        assert [one["id"] for one in (await clinic.http.get(link)).json()["items"]] == [response]


async def test_changes_need_the_newest_version_and_are_remembered(clinic: Clinic):
    ghost = ChangeParticipant(new_id(), Details(family_name="Roe"))
    assert (await run(clinic, ghost)).refusal.code == "precondition-required"
    assert (await run(clinic, ghost, 1)).refusal.code == "not-found"
    change = ChangeParticipant(UUID(await register(clinic)), Details(family_name="Roe"))
    assert (await run(clinic, change, 2)).refusal.code == "version-conflict"
    assert (await run(clinic, change, 1)).version == 2
    items = (await clinic.http.get(f"/v1/participants/{change.id}/history")).json()["items"]
    assert [(one["version"], one["type"], one["changes"].get("family_name")) for one in items] == [
        (1, "registered", None),
        (2, "changed", "Roe"),
    ]
    assert items[0]["actor"] == str(actor(clinic).id)
    first = (await clinic.http.get(f"/v1/participants/{change.id}/history?limit=1")).json()
    assert (len(first["items"]), first["next"]) == (1, "1")
    rest = (await clinic.http.get(f"/v1/participants/{change.id}/history?cursor=1")).json()
    assert ([one["version"] for one in rest["items"]], rest["next"]) == ([2], None)


async def test_a_list_shows_each_once_in_pages(clinic: Clinic):
    ids = sorted([await register(clinic, f"A-{number}") for number in range(5)])
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await clinic.http.get("/v1/participants", params=query)).json()
        seen += [person["id"] for person in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == ids


async def test_nobody_else_sees_them(clinic: Clinic):
    id_ = await register(clinic, "A-1")
    stranger = clinic.acting("stranger", tenant=new_id())
    for path in (f"/v1/participants/{id_}", f"/v1/participants/{id_}/history"):
        assert_problem(await clinic.http.get(path, headers=stranger), 404, "not-found")
    assert (await clinic.http.get("/v1/participants?external_id=A-1", headers=stranger)).json()["items"] == []
    nobody = clinic.acting("nobody", ("user/Questionnaire.r",))
    assert_problem(await clinic.http.get(f"/v1/participants/{id_}", headers=nobody), 403, "forbidden")
    own = clinic.acting("own", ("patient/Patient.rs",), subject=f"Patient/{id_}")
    other = clinic.acting("other", ("patient/Patient.rs",), subject="Patient/2")
    assert (await clinic.http.get(f"/v1/participants/{id_}", headers=own)).status_code == 200
    assert [one["id"] for one in (await clinic.http.get("/v1/participants", headers=own)).json()["items"]] == [id_]
    assert_problem(await clinic.http.get(f"/v1/participants/{id_}", headers=other), 403, "forbidden")
    assert (await clinic.http.get("/v1/participants", headers=other)).json()["items"] == []


@pytest.mark.parametrize("query", ["external_id=", "limit=0", "cursor=x", "nonsense=1"])
async def test_wrong_parameters_are_refused(clinic: Clinic, query: str):
    assert_problem(await clinic.http.get(f"/v1/participants?{query}"), 400, "invalid-parameter")


async def test_its_tokens_follow_a_participant(clinic: Clinic):
    """What the table of tokens holds is what the record says now, by whoever and however it was written."""
    id_ = await register(clinic, "A-1", family_name="Doe", given_name="Ann")
    assert await tokens(clinic, id_) == (2 + 2 + 2, 0)
    assert (await run(clinic, ChangeParticipant(UUID(id_), Details(given_name=None)), 1)).refusal is None
    assert await tokens(clinic, id_) == (2 + 2, 0)
    assert (await run(clinic, ChangeParticipant(UUID(id_), Details(phone="1")), 2)).refusal is None
    assert await tokens(clinic, id_) == (2 + 2, 0)


async def tokens(clinic: Clinic, id_: str) -> tuple[int, int]:
    """How many tokens there are, and how many of them the participant's row does not name."""
    async with clinic.kernel.database.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(clinic.tenant))
        rows = await connection.fetch("SELECT token FROM participant_token WHERE id = $1", id_)
        whole = await connection.fetchval("SELECT tokens FROM participant WHERE id = $1", id_)
    named = {whole[start : start + 16] for start in range(0, len(whole), 16)}
    return len(rows), len({row["token"] for row in rows} ^ named)
