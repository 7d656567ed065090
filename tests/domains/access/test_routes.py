"""Emergency access over HTTP: what it opens, what is marked, how it ends, who reviews it."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from keepwell.kit.ids import new_id
from tests.domains.access.conftest import ORIGIN, REASON, Clinic, bearer
from tests.support.problems import assert_problem, assert_refused

PATH = "/v1/break-glass"


async def test_a_clinician_sees_for_a_while_what_they_could_not_and_all_of_it_is_marked(clinic: Clinic):
    usual = await clinic.log_in("clinician")
    assert_refused(await clinic.http.get("/v1/audit", headers=usual), 403, "forbidden")
    with capture_logs() as lines:
        granted = await clinic.begin(usual)
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["access.emergency-started"]
    assert REASON not in str(lines)
    emergency = bearer(granted)
    answer = await clinic.elsewhere.get("/v1/audit", headers=emergency)
    assert answer.status_code == 200, answer.text
    me = (await clinic.http.get("/v1/auth/me", headers=emergency)).json()
    assert "user/AuditEvent.rs" in me["scopes"]
    assert_refused(await clinic.http.get("/v1/audit", headers=usual), 403, "forbidden")
    rows = await clinic.everything.fetch(
        "SELECT action, purpose FROM access_record WHERE tenant_id = $1 AND actor = $2", clinic.tenant, _user(granted)
    )
    purposes = {row["action"]: row["purpose"] for row in rows if row["purpose"] == "ETREAT"}
    assert {"search", "read"} <= purposes.keys()
    assert await _purposes(clinic, granted, "break-glass.start") == ["TREAT"]


async def test_changes_made_meanwhile_are_marked_in_the_journal(clinic: Clinic):
    granted = await clinic.begin(await clinic.log_in("clinician"))
    ended = await clinic.http.post(f"{PATH}/{granted['break_glass']['id']}/end", headers=bearer(granted))
    assert (ended.status_code, ended.json()["end_reason"]) == (200, "ended")
    assert await _purposes(clinic, granted, "break-glass.end") == ["ETREAT"]


async def test_it_is_over_at_once_everywhere_when_it_is_ended(clinic: Clinic):
    usual = await clinic.log_in("clinician")
    granted = await clinic.begin(usual)
    assert (await clinic.elsewhere.get("/v1/audit", headers=bearer(granted))).status_code == 200
    path = f"{PATH}/{granted['break_glass']['id']}/end"
    assert_refused(await clinic.http.post(path, headers=await clinic.log_in("clinician", "another")), 404, "not-found")
    assert (await clinic.http.post(path, headers=usual)).status_code == 200
    for http in (clinic.http, clinic.elsewhere):
        assert_refused(await http.get("/v1/audit", headers=bearer(granted)), 401, "unauthenticated")
    answer = await clinic.http.post("/v1/auth/refresh", json={"refresh_token": granted["refresh_token"]})
    assert_refused(answer, 401, "unauthenticated")


async def test_who_may_end_none_is_not_told_which_there_are(clinic: Clinic):
    there = (await clinic.begin(await clinic.log_in("clinician")))["break_glass"]["id"]
    patient = await clinic.log_in("patient")
    told = [await clinic.http.post(f"{PATH}/{id_}/end", headers=patient) for id_ in (there, new_id())]
    for answer in told:
        assert_refused(answer, 403, "forbidden")
    assert len({answer.json()["detail"] for answer in told}) == 1


async def test_it_ends_by_itself_and_the_end_is_written_down(clinic: Clinic):
    granted = await clinic.begin(await clinic.log_in("clinician"), minutes=5)
    clinic.clock.advance(minutes=4, seconds=59)
    assert (await clinic.http.get("/v1/audit", headers=await refreshed(clinic, granted))).status_code == 200
    await clinic.node.access.close_lapsed(ORIGIN)
    emergency = bearer(granted)
    clinic.clock.advance(seconds=1)
    assert_refused(await clinic.http.get("/v1/audit", headers=emergency), 401, "unauthenticated")
    await asyncio.gather(*(clinic.node.access.close_lapsed(ORIGIN) for _ in range(3)))
    admin = await clinic.log_in("admin")
    shown = (await clinic.http.get(f"{PATH}/{granted['break_glass']['id']}", headers=admin)).json()
    assert (shown["end_reason"], shown["ended_at"], shown["version"]) == ("expired", shown["expires_at"], 2)


async def test_it_cannot_be_prolonged_by_refreshing(clinic: Clinic):
    granted = await clinic.begin(await clinic.log_in("clinician"), minutes=20)
    for _ in range(3):
        clinic.clock.advance(minutes=6)
        answer = await clinic.http.post("/v1/auth/refresh", json={"refresh_token": granted["refresh_token"]})
        granted |= answer.raise_for_status().json()
    clinic.clock.advance(minutes=2)
    assert_refused(await clinic.http.get("/v1/audit", headers=bearer(granted)), 401, "unauthenticated")


async def test_it_ends_with_the_account(clinic: Clinic):
    granted = await clinic.begin(await clinic.log_in("clinician"))
    admin = {**await clinic.log_in("admin"), "if-match": '"1"'}
    answer = await clinic.http.patch(f"/v1/users/{_user(granted)}", json={"active": False}, headers=admin)
    assert answer.status_code == 200, answer.text
    assert_refused(await clinic.elsewhere.get("/v1/audit", headers=bearer(granted)), 401, "unauthenticated")


async def test_it_adds_looking_and_no_changing(clinic: Clinic):
    emergency = bearer(await clinic.begin(await clinic.log_in("clinician")))
    assert (await clinic.http.get("/v1/users", headers=emergency)).status_code == 200
    person = {"email": "x@y.test", "name": "X", "role": "admin"}
    assert_refused(await clinic.http.post("/v1/users", json=person, headers=emergency), 403, "forbidden")


async def test_who_has_it_cannot_have_it_again_from_within_and_others_cannot_have_it(clinic: Clinic):
    emergency = bearer(await clinic.begin(await clinic.log_in("clinician")))
    body = {"reason": REASON}
    assert_refused(await clinic.http.post(PATH, json=body, headers=emergency), 409, "no-more-access")
    assert_refused(await clinic.http.post(PATH, json=body, headers=await clinic.log_in("admin")), 409, "no-more-access")
    assert_refused(await clinic.http.post(PATH, json=body, headers=await clinic.log_in("patient")), 403, "forbidden")


@pytest.mark.parametrize(
    ("wrong", "pointer"), [({"reason": "why not"}, "/reason"), ({"minutes": 61}, "/minutes"), ({"minutes": 0}, "/minutes")]
)
async def test_it_needs_a_reason_and_is_short(clinic: Clinic, wrong: dict[str, Any], pointer: str):
    headers = await clinic.log_in("clinician")
    refused = assert_problem(
        await clinic.http.post(PATH, json={"reason": REASON, **wrong}, headers=headers), 422, "invalid-emergency"
    )
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
    assert await clinic.everything.fetchval("SELECT count(*) FROM emergency_access WHERE tenant_id = $1", clinic.tenant) == 0


async def test_a_retry_begins_no_second_one(clinic: Clinic):
    headers = {**await clinic.log_in("clinician"), "idempotency-key": str(new_id())}
    first, again = [await clinic.begin(headers) for _ in range(2)]
    assert (first["break_glass"], first["session_id"]) == (again["break_glass"], again["session_id"])
    assert (await clinic.http.get("/v1/audit", headers=bearer(again))).status_code == 200


# -- review -----------------------------------------------------------------------------------------------------------


async def test_what_is_not_reviewed_is_listed_until_somebody_else_has(clinic: Clinic):
    usual = await clinic.log_in("clinician")
    granted = await clinic.begin(usual)
    id_ = granted["break_glass"]["id"]
    admin = await clinic.log_in("admin")
    path, body = f"{PATH}/{id_}/review", {"finding": "It was needed.", "justified": True}
    assert_refused(await clinic.http.post(path, json=body, headers=usual), 403, "forbidden")
    assert_refused(await clinic.http.post(path, json=body, headers=admin), 409, "emergency-under-way")
    await clinic.http.post(f"{PATH}/{id_}/end", headers=usual)
    assert [item["id"] for item in await listed(clinic, admin, reviewed="false")] == [id_]
    assert_refused(await clinic.http.post(path, json={"finding": " "}, headers=admin), 422, "invalid-emergency")
    reviewed = (await clinic.http.post(path, json=body, headers=admin)).json()
    assert (reviewed["reviewed"], reviewed["review"]["finding"], reviewed["review"]["justified"]) == (
        True,
        "It was needed.",
        True,
    )
    assert_refused(await clinic.http.post(path, json=body, headers=admin), 409, "already-reviewed")
    assert await listed(clinic, admin, reviewed="false") == []
    assert [item["id"] for item in await listed(clinic, admin, reviewed="true")] == [id_]


async def listed(clinic: Clinic, headers: dict[str, str], **query: str) -> list[dict[str, Any]]:
    return (await clinic.http.get(PATH, params=query, headers=headers)).json()["items"]


async def refreshed(clinic: Clinic, granted: dict[str, Any]) -> dict[str, str]:
    answer = await clinic.http.post("/v1/auth/refresh", json={"refresh_token": granted["refresh_token"]})
    return bearer(answer.raise_for_status().json())


def _user(granted: dict[str, Any]) -> str:
    return granted["break_glass"]["user"]


async def _purposes(clinic: Clinic, granted: dict[str, Any], command: str) -> list[str]:
    rows = await clinic.everything.fetch(
        "SELECT purpose FROM journal_entry WHERE tenant_id = $1 AND id = $2 AND command = $3",
        clinic.tenant,
        granted["break_glass"]["id"],
        command,
    )
    return [row["purpose"] for row in rows]
