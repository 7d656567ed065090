"""Logging in and out, refreshing, and who may see what: over HTTP on a running server with two API processes."""

from uuid import uuid4

import httpx
import pytest

from tests.support.journey import begun, patch, published
from tests.support.load import CLINICIAN, PASSWORD
from tests.support.problems import assert_problem

ME = "/v1/auth/me"
_ASKED_OFTEN = 8  # often enough to meet both processes


def log_in(nobody: httpx.Client, email: str = CLINICIAN, **more: str) -> httpx.Response:
    return nobody.post("/v1/auth/login", json={"email": email, "password": PASSWORD, **more})


def bearer(token: str) -> dict[str, str]:
    # Each request on a connection of its own: any process may get it.
    return {"Authorization": f"Bearer {token}", "Connection": "close"}


def test_login_answers_what_the_contract_says(nobody: httpx.Client):
    answer = log_in(nobody, clinic="demo")
    body = answer.json()
    assert answer.status_code == 200
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] > 0
    assert body["clinic"]["slug"] == "demo"
    assert body["user"]["email"] == CLINICIAN
    assert {"access_token", "refresh_token", "session_id"} <= body.keys()
    assert answer.headers["Cache-Control"] == "no-store"
    me = nobody.get(ME, headers=bearer(body["access_token"])).json()
    assert me["user"]["id"] == body["user"]["id"]
    assert me["session_id"] == body["session_id"]


@pytest.mark.parametrize(
    ("email", "password"), [(CLINICIAN, "wrong-password-1"), ("nobody@demo.test", PASSWORD), (CLINICIAN, ""), ("", "")]
)
def test_a_login_that_fails_says_no_more_than_that(nobody: httpx.Client, email: str, password: str):
    answer = nobody.post("/v1/auth/login", json={"email": email, "password": password})
    problem = assert_problem(answer, 401, "invalid-credentials")
    other = assert_problem(log_in(nobody, "stranger@nowhere.test"), 401, "invalid-credentials")
    assert {**problem, "request_id": ""} == {**other, "request_id": ""}


def test_logout_takes_effect_on_the_next_request_whoever_answers_it(nobody: httpx.Client):
    tokens = log_in(nobody).json()
    headers = bearer(tokens["access_token"])
    assert nobody.get(ME, headers=headers).status_code == 200
    assert nobody.post("/v1/auth/logout", headers=headers).status_code == 204
    for _ in range(_ASKED_OFTEN):
        assert_problem(nobody.get(ME, headers=headers), 401, "unauthenticated")
        assert_problem(nobody.get("/v1/questionnaires", headers=headers), 401, "unauthenticated")
        written = nobody.post("/v1/responses", json={"questionnaire": str(uuid4())}, headers=headers)
        assert_problem(written, 401, "unauthenticated")
    refreshed = nobody.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert_problem(refreshed, 401, "unauthenticated")


def test_a_session_can_be_ended_from_another_one(nobody: httpx.Client):
    lost, found = log_in(nobody).json(), log_in(nobody).json()
    listed = nobody.get("/v1/auth/sessions", params={"limit": 100}, headers=bearer(found["access_token"])).json()["items"]
    assert [one["id"] for one in listed if one["current"]] == [found["session_id"]]
    assert lost["session_id"] in [one["id"] for one in listed]
    gone = nobody.delete(f"/v1/auth/sessions/{lost['session_id']}", headers=bearer(found["access_token"]))
    assert gone.status_code == 204
    assert_problem(nobody.get(ME, headers=bearer(lost["access_token"])), 401, "unauthenticated")
    assert nobody.get(ME, headers=bearer(found["access_token"])).status_code == 200


def test_refreshing_gives_a_pair_that_works_and_the_old_token_once_more_the_same(nobody: httpx.Client):
    tokens = log_in(nobody).json()
    refresh = {"refresh_token": tokens["refresh_token"]}
    pair = nobody.post("/v1/auth/refresh", json=refresh).json()
    assert pair["refresh_token"] != tokens["refresh_token"]
    assert nobody.get(ME, headers=bearer(pair["access_token"])).status_code == 200
    lost_reply = nobody.post("/v1/auth/refresh", json=refresh)
    assert lost_reply.json()["refresh_token"] == pair["refresh_token"]
    further = nobody.post("/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}).json()
    stolen = nobody.post("/v1/auth/refresh", json=refresh)
    assert_problem(stolen, 401, "unauthenticated")
    assert_problem(nobody.get(ME, headers=bearer(further["access_token"])), 401, "unauthenticated")


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30."])
def test_credentials_that_are_none_are_refused(nobody: httpx.Client, token: str):
    answer = nobody.get(ME, headers={"Authorization": token})
    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_another_clinics_response_is_not_there(clinician: httpx.Client, stranger: httpx.Client):
    """Word for word as one that never was, at every route that names it."""
    questionnaire = published(clinician)
    real, absent = begun(clinician, questionnaire)["id"], str(uuid4())

    def asked(id_: str) -> list[tuple[int, dict[str, object]]]:
        match = {"If-Match": '"1"'}
        path = f"/v1/responses/{id_}"
        answers = [
            *(stranger.get(f"{path}{end}") for end in ("", "/history", "?version=1", "?at=2100-01-01T00:00:00Z", "/diff?from=1")),
            patch(stranger, id_, 1, {"/44261-6": 1.5}),
            patch(stranger, id_, 9, {"/44261-6": 1.5}),
            stranger.post(f"{path}/submit", headers=match),
        ]
        return [(each.status_code, {**each.json(), "request_id": "", "instance": ""}) for each in answers]

    told = asked(real)
    assert told == asked(absent)
    assert {status for status, _ in told} == {404}
    assert_problem(stranger.get(f"/v1/questionnaires/{questionnaire}"), 404, "not-found")
    theirs = stranger.post("/v1/responses", json={"questionnaire": questionnaire})
    ghost = stranger.post("/v1/responses", json={"questionnaire": absent})
    assert_problem(theirs, 404, "not-found")
    assert {**theirs.json(), "request_id": ""} == {**ghost.json(), "request_id": ""}
    assert real not in [one["id"] for one in stranger.get("/v1/responses").json()["items"]]
    assert clinician.get(f"/v1/responses/{real}").json()["version"] == 1


def test_a_patient_sees_what_is_theirs_and_nothing_else(clinician: httpx.Client, patient: httpx.Client):
    questionnaire = published(clinician)
    other = begun(clinician, questionnaire, subject="Patient/somebody-else")
    own = begun(patient, questionnaire)
    assert patient.get(f"/v1/responses/{own['id']}").status_code == 200
    assert_problem(patient.get(f"/v1/responses/{other['id']}"), 403, "forbidden")
    assert_problem(patch(patient, other["id"], 1, {"/44261-6": 1.5}), 403, "forbidden")
    assert_problem(patient.post("/v1/questionnaires", json={}), 403, "forbidden")
    assert other["id"] not in [one["id"] for one in patient.get("/v1/responses").json()["items"]]


def test_the_audit_shows_every_step(clinician: httpx.Client, admin: httpx.Client):
    """Changes, reads and refusals, each under the request id its caller gave."""
    response, run = begun(clinician, published(clinician)), uuid4().hex
    id_, path = response["id"], f"/v1/responses/{response['id']}"

    def named(step: str) -> dict[str, str]:
        return {"X-Request-ID": f"{run}-{step}"}

    patch(clinician, id_, 1, {"/44261-6": 1.5}, **named("patch")).raise_for_status()
    assert patch(clinician, id_, 1, {"/44261-6": 2.5}, **named("stale")).status_code == 412
    for step, query in (("read", ""), ("version", "?version=1"), ("history", "/history"), ("diff", "/diff?from=1&to=2")):
        clinician.get(path + query, headers=named(step)).raise_for_status()
    not_modified = clinician.get(path, headers={**named("not-modified"), "If-None-Match": '"2"'})
    assert (not_modified.status_code, not_modified.content) == (304, b"")
    shown = admin.get("/v1/audit", params={"entity": id_, "limit": 200}).json()["items"]
    by_step = {one["request_id"].removeprefix(f"{run}-"): one for one in shown}
    steps = {"patch": "stored", "stale": "version-conflict", "read": "ok", "version": "ok", "history": "ok"}
    steps |= {"diff": "ok", "not-modified": "ok"}
    assert {step: by_step[step]["outcome"] for step in steps} == steps
    me = clinician.get(ME).json()["user"]["id"]
    assert {by_step[step]["actor"] for step in steps} == {me}
    assert "answers" not in str(shown)
    assert_problem(clinician.get("/v1/audit"), 403, "forbidden")
