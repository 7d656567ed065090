"""Keys over HTTP: made at one process, used at another, replaced, revoked, counted."""

from datetime import timedelta
from typing import Any

import pytest

from keepwell.kit.ids import new_id
from tests.domains.keys.conftest import PASSWORD, Clinic
from tests.support.problems import assert_problem, assert_refused

FORM = {"resourceType": "Questionnaire", "status": "draft", "title": "A form"}


async def test_a_key_made_at_one_process_is_good_at_another_and_is_shown_once(clinic: Clinic):
    issued = await clinic.make()
    assert (await clinic.use(issued)).status_code == 200
    shown = await clinic.show(issued)
    assert shown == issued["key"]
    assert issued["token"] not in str(shown)
    assert (await clinic.http.get("/v1/keys")).json()["items"] == [shown]


async def test_a_key_may_do_what_its_scopes_say_and_nothing_else(clinic: Clinic):
    issued = await clinic.make("system/Questionnaire.rs")
    assert (await clinic.use(issued)).status_code == 200
    headers = {"authorization": f"Bearer {issued['token']}"}
    assert_refused(await clinic.elsewhere.post("/v1/questionnaires", json=FORM, headers=headers), 403, "forbidden")
    assert_refused(await clinic.use(issued, "/v1/users"), 403, "forbidden")
    assert_refused(await clinic.use(issued, "/v1/keys"), 403, "forbidden")


async def test_a_key_does_nothing_that_somebody_has_to_prove_who_they_are_for(clinic: Clinic):
    headers = {"authorization": f"Bearer {(await clinic.make('system/User.c', 'system/Organization.r'))['token']}"}
    person = {"email": f"new@{clinic.slug}.test", "name": "New", "role": "admin", "password": PASSWORD}
    assert_refused(await clinic.elsewhere.post("/v1/users", json=person, headers=headers), 403, "step-up-required")
    made = await clinic.elsewhere.post("/v1/users", json={**person, "role": "patient"}, headers=headers)
    assert made.status_code == 201, made.text


async def test_what_a_key_does_is_recorded_as_its_service_accounts(clinic: Clinic):
    issued = await clinic.make()
    headers = {"authorization": f"Bearer {issued['token']}"}
    made = await clinic.elsewhere.post("/v1/questionnaires", json=FORM, headers=headers)
    assert made.status_code == 201, made.text
    items = (await clinic.http.get("/v1/audit", params={"actor": issued["key"]["account"]})).json()["items"]
    assert [(item["action"], item["role"]) for item in items] == [("questionnaires.create", "service")]


async def test_a_revoked_key_is_refused_by_its_next_request_at_every_process(clinic: Clinic):
    issued = await clinic.make()
    for http in (clinic.http, clinic.elsewhere):
        assert (await clinic.use(issued, http=http)).status_code == 200
    answer = await clinic.http.post(f"/v1/keys/{issued['key']['id']}/revoke")
    assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    for http in (clinic.http, clinic.elsewhere):
        assert_refused(await clinic.use(issued, http=http), 401, "unauthenticated")
        headers = {"authorization": f"Bearer {issued['token']}"}
        assert_refused(await http.post("/v1/questionnaires", json=FORM, headers=headers), 401, "unauthenticated")


async def test_a_key_ends_by_itself_and_can_be_given_another_end(clinic: Clinic):
    now = clinic.clock.now()
    issued = await clinic.make(expires_at=(now + timedelta(hours=1)).isoformat())
    assert (await clinic.use(issued)).status_code == 200
    path, change = f"/v1/keys/{issued['key']['id']}", {"expires_at": (now + timedelta(minutes=5)).isoformat(), "name": "Other"}
    assert_refused(await clinic.http.patch(path, json=change), 428, "precondition-required")
    changed = await clinic.http.patch(path, json=change, headers={"if-match": '"1"'})
    assert (changed.json()["name"], changed.headers["etag"]) == ("Other", '"3"')
    clinic.clock.advance(minutes=5)
    assert_refused(await clinic.use(issued), 401, "unauthenticated")


async def test_a_replaced_key_works_until_its_overlap_ends(clinic: Clinic):
    issued = await clinic.make()
    path = f"/v1/keys/{issued['key']['id']}/rotate"
    answer = await clinic.http.post(path, json={"overlap_s": 3600})
    assert answer.status_code == 201, answer.text
    successor = answer.json()
    assert successor["key"]["account"] == issued["key"]["account"]
    assert successor["key"]["scopes"] == issued["key"]["scopes"]
    for key in (issued, successor):
        assert (await clinic.use(key)).status_code == 200
    old = await clinic.show(issued)
    assert (old["state"], old["rotated_to"], successor["key"]["rotated_from"]) == ("retiring", successor["key"]["id"], old["id"])
    assert_refused(await clinic.http.post(path, json={}), 409, "key-replaced")
    clinic.clock.advance(hours=1)
    clinic.http.headers.update(await clinic.log_in("admin"))
    assert_refused(await clinic.use(issued), 401, "unauthenticated")
    assert (await clinic.use(successor)).status_code == 200


@pytest.mark.parametrize("rotating", ["", "rotating"])
async def test_a_retry_under_the_same_idempotency_key_is_given_the_same_key_again(clinic: Clinic, rotating: str):
    path, body = "/v1/keys", {"name": "Import", "scopes": ["system/Questionnaire.rs"]}
    if rotating:
        path, body = f"/v1/keys/{(await clinic.make())['key']['id']}/rotate", {}
    headers = {"idempotency-key": str(new_id())}
    first, again = [await clinic.http.post(path, json=body, headers=headers) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (await clinic.use(again.json())).status_code == 200
    fresh = [await clinic.http.post("/v1/keys", json={"name": "x", "scopes": ["system/Questionnaire.rs"]}) for _ in range(2)]
    assert fresh[0].json()["token"] != fresh[1].json()["token"]


async def test_nobody_gives_a_key_what_they_may_not_do_themselves(clinic: Clinic):
    admin = await clinic.make("system/ApiKey.crus", "system/Questionnaire.rs")
    headers = {"authorization": f"Bearer {admin['token']}"}
    for scope in ("system/Questionnaire.cr", "user/*.r", "system/User.r"):
        body = {"name": "More", "scopes": ["system/Questionnaire.rs", scope]}
        refused = assert_problem(await clinic.elsewhere.post("/v1/keys", json=body, headers=headers), 403, "scope-not-held")
        assert [error["pointer"] for error in refused["errors"]] == ["/scopes/1"]
    body = {"name": "As much", "scopes": ["user/Questionnaire.s"]}
    assert (await clinic.elsewhere.post("/v1/keys", json=body, headers=headers)).status_code == 201
    strong = await clinic.make("system/*.cruds")
    path = f"/v1/keys/{strong['key']['id']}"
    assert_refused(await clinic.elsewhere.post(f"{path}/rotate", json={}, headers=headers), 403, "scope-not-held")
    assert (await clinic.show(strong))["state"] == "active"
    later = {"expires_at": (clinic.clock.now() + timedelta(days=700)).isoformat()}
    refused = await clinic.elsewhere.patch(path, json=later, headers={**headers, "if-match": '"1"'})
    assert_refused(refused, 403, "scope-not-held")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"scopes": ["patient/QuestionnaireResponse.r"]}, "/scopes/0"),
        ({"allowed_addresses": ["127.0.0.1/33"]}, "/allowed_addresses/0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2190-01-01T00:00:00Z"}, "/expires_at"),
    ],
)
async def test_what_cannot_be_a_key_is_refused_with_the_field_named(clinic: Clinic, wrong: dict[str, Any], pointer: str):
    body = {"name": "Import", "scopes": ["system/Questionnaire.rs"], **wrong}
    refused = assert_problem(await clinic.http.post("/v1/keys", json=body), 422, "invalid-api-key")
    assert [error["pointer"] for error in refused["errors"]] == [pointer]


async def test_a_key_for_some_addresses_is_of_no_use_from_others_whatever_is_asked(clinic: Clinic):
    here, stranger = [await clinic.make(allowed_addresses=[network]) for network in ("127.0.0.0/8", "192.0.2.0/24")]
    assert (await clinic.use(here)).status_code == 200
    headers = {"authorization": f"Bearer {stranger['token']}"}
    for answer in (
        await clinic.use(stranger),
        await clinic.use(stranger, f"/v1/questionnaires/{new_id()}"),
        await clinic.elsewhere.post("/v1/questionnaires", json=FORM, headers=headers),
    ):
        assert_refused(answer, 403, "forbidden")
    items = (await clinic.http.get("/v1/audit", params={"actor": stranger["key"]["account"]})).json()["items"]
    assert {item["outcome"] for item in items} == {"forbidden"}
    assert len(items) == 3


async def test_a_text_that_is_no_key_of_ours_costs_no_look_up(clinic: Clinic):
    issued = await clinic.make()
    before = await clinic.everything.fetchval("SELECT count(*) FROM access_record")
    place = issued["token"].index("_", 9) - 1
    changed = "a" if issued["token"][place] != "a" else "b"
    for text in ("kw_live_", issued["token"] + "x", issued["token"][:place] + changed + issued["token"][place + 1 :]):
        assert_refused(await clinic.use({"token": text}), 401, "unauthenticated")
    assert await clinic.everything.fetchval("SELECT count(*) FROM access_record") == before


async def test_a_key_of_another_clinic_is_not_there(clinic: Clinic, other_clinic: Clinic):
    issued = await other_clinic.make()
    path = f"/v1/keys/{issued['key']['id']}"
    for answer in (
        await clinic.http.get(path),
        await clinic.http.get(f"{path}/activity"),
        await clinic.http.post(f"{path}/revoke"),
        await clinic.http.post(f"{path}/rotate", json={}),
        await clinic.http.patch(path, json={"name": "Mine"}, headers={"if-match": '"1"'}),
    ):
        assert_refused(answer, 404, "not-found")
    assert (await other_clinic.use(issued)).status_code == 200


async def test_clinicians_and_patients_make_no_keys(clinic: Clinic):
    for role in ("clinician", "patient"):
        headers = await clinic.log_in(role)
        body = {"name": "Import", "scopes": ["system/Questionnaire.rs"]}
        assert_refused(await clinic.http.post("/v1/keys", json=body, headers=headers), 403, "forbidden")
        assert_refused(await clinic.http.get("/v1/keys", headers=headers), 403, "forbidden")


async def test_the_list_goes_on_behind_its_cursor(clinic: Clinic):
    made = [(await clinic.make())["key"]["id"] for _ in range(3)]
    first = (await clinic.http.get("/v1/keys", params={"limit": 2})).json()
    rest = (await clinic.http.get("/v1/keys", params={"limit": 2, "cursor": first["next"]})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None


# -- what they were used for ------------------------------------------------------------------------------------------


async def told(clinic: Clinic, other_node: Any) -> None:
    """What was counted so far is written."""
    assert await other_node.kernel.tally.flush()
    assert await clinic.node.kernel.tally.flush()


async def test_use_is_counted_by_door_operation_and_network_without_an_address(clinic: Clinic, other_node: Any):
    issued = await clinic.make()
    for _ in range(3):
        await clinic.use(issued)
    await told(clinic, other_node)
    activity = (await clinic.http.get(f"/v1/keys/{issued['key']['id']}/activity")).json()
    assert [(use["door"], use["operation"], use["count"]) for use in activity["uses"]] == [("http", "questionnaire.search", 3)]
    assert [network["count"] for network in activity["networks"]] == [3]
    assert activity["last_used_at"] == activity["uses"][0]["last_at"]
    assert [item["action"] for item in activity["audit"]] == ["search"] * 3
    assert activity["more"] is False
    labels = await clinic.everything.fetch("SELECT labels FROM tally WHERE tenant_id = $1", clinic.tenant)
    assert labels
    assert "127.0.0" not in str(labels)
    later = {"since": "2100-01-01T00:00:00Z"}
    assert (await clinic.http.get(f"/v1/keys/{issued['key']['id']}/activity", params=later)).json()["uses"] == []


async def test_keys_nobody_uses_are_reported_and_others_are_not(clinic: Clinic, other_node: Any):
    never, once, often = [await clinic.make() for _ in range(3)]
    gone = await clinic.make()
    await clinic.http.post(f"/v1/keys/{gone['key']['id']}/revoke")
    await clinic.use(once)
    await told(clinic, other_node)
    clinic.clock.advance(days=60)
    await clinic.use(often)
    await told(clinic, other_node)
    clinic.clock.advance(days=35)
    clinic.http.headers.update(await clinic.log_in("admin"))
    fresh = await clinic.make()
    items = (await clinic.http.get("/v1/keys/unused")).json()["items"]
    assert {item["key"]["id"] for item in items} == {never["key"]["id"], once["key"]["id"]}
    assert {item["last_used_at"] is None for item in items} == {True, False}
    all_ = (await clinic.http.get("/v1/keys/unused", params={"days": 30})).json()["items"]
    assert fresh["key"]["id"] not in {item["key"]["id"] for item in all_}
    assert len(all_) == 3


async def test_keys_that_end_soon_are_listed_the_first_to_end_leading(clinic: Clinic):
    now = clinic.clock.now()
    later, sooner = [await clinic.make(expires_at=(now + timedelta(days=days)).isoformat()) for days in (20, 10)]
    await clinic.make()
    items = (await clinic.http.get("/v1/keys/expiring")).json()["items"]
    assert [item["id"] for item in items] == [sooner["key"]["id"], later["key"]["id"]]
    assert len((await clinic.http.get("/v1/keys/expiring", params={"days": 10})).json()["items"]) == 1
    first = (await clinic.http.get("/v1/keys/expiring", params={"limit": 1})).json()
    rest = (await clinic.http.get("/v1/keys/expiring", params={"limit": 1, "cursor": first["next"]})).json()
    assert ([item["id"] for item in first["items"] + rest["items"]], rest["next"]) == (
        [sooner["key"]["id"], later["key"]["id"]],
        None,
    )
