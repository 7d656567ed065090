"""A key on a running server with two API processes: good at every door, and at none from the request after it was revoked."""

from typing import Any

import httpx
import pytest

from tests.contracts.conftest import ADMIN, signed_in
from tests.support.journey import published
from tests.support.live import following, speaking
from tests.support.problems import assert_refused
from tests.support.server import Server

_ASKED_OFTEN = 8  # often enough to meet both processes
SCOPES = ["system/Questionnaire.rs", "system/QuestionnaireResponse.crus", "system/Session.r"]


def made(admin: httpx.Client, **more: Any) -> dict[str, Any]:
    answer = admin.post("/v1/keys", json={"name": "Import", "scopes": SCOPES, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def bearer(issued: dict[str, Any]) -> dict[str, str]:
    # Each request on a connection of its own: any process may get it.
    return {"Authorization": f"Bearer {issued['token']}", "Connection": "close"}


def every_door(nobody: httpx.Client, headers: dict[str, str], response: str) -> list[httpx.Response]:
    query = {"query": f'{{ response(id: "{response}") {{ id }} }}'}
    return [
        nobody.get(f"/v1/responses/{response}", headers=headers),
        nobody.get(f"/fhir/R4/QuestionnaireResponse/{response}", headers=headers),
        nobody.post("/graphql", json=query, headers=headers),
        nobody.post("/v1/responses/bulk", json={"operations": [{"op": "get", "id": response}]}, headers=headers),
    ]


@pytest.fixture
def response(clinician: httpx.Client) -> str:
    form = published(clinician)
    return clinician.post("/v1/responses", json={"questionnaire": form}).raise_for_status().json()["id"]


def test_a_key_is_good_at_every_door_until_the_request_after_it_was_revoked(
    admin: httpx.Client, nobody: httpx.Client, response: str
):
    issued = made(admin)
    headers = bearer(issued)
    for _ in range(_ASKED_OFTEN // 2):
        assert [answer.status_code for answer in every_door(nobody, headers, response)] == [200] * 4
    revoked = admin.post(f"/v1/keys/{issued['key']['id']}/revoke")
    assert revoked.status_code == 200
    for _ in range(_ASKED_OFTEN):
        rest, fhir, graphql, bulk = every_door(nobody, headers, response)
        assert_refused(rest, 401, "unauthenticated")
        assert_refused(fhir, 401, "unauthenticated")
        assert "unauthenticated" in graphql.text
        assert "unauthenticated" in bulk.text
        assert response not in (rest.text + bulk.text).replace(f"/v1/responses/{response}", "")


def test_a_leaked_key_of_the_command_line_is_refused_by_every_process(server: Server, admin: httpx.Client, nobody: httpx.Client):
    issued = made(admin)
    for _ in range(_ASKED_OFTEN):
        assert nobody.get("/v1/questionnaires", headers=bearer(issued)).status_code == 200
    told = server.cli("keys", "leaked", given=issued["token"])
    assert told.returncode == 0, told.stderr
    assert issued["token"] not in told.stdout + told.stderr
    for _ in range(_ASKED_OFTEN):
        assert_refused(nobody.get("/v1/questionnaires", headers=bearer(issued)), 401, "unauthenticated")


async def test_who_is_connected_with_a_key_is_sent_away_when_it_is_revoked(server: Server, admin: httpx.Client, response: str):
    issued = made(admin)
    headers = {"Authorization": f"Bearer {issued['token']}"}
    async with (
        speaking(server.base, response, headers) as speaker,
        following(server.base, response, headers) as follower,
    ):
        await speaker.first("snapshot")
        await follower.first("snapshot")
        with signed_in(server, ADMIN) as other:
            assert other.post(f"/v1/keys/{issued['key']['id']}/revoke").status_code == 200
        assert await speaker.closed() == 4401
        problem = await follower.first("problem")
        assert problem["data"]["code"] == "unauthenticated"
