"""Writing: retries, races, and what a write must not do."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.journey import begun, patch, published
from tests.support.load import ITEMS, client_of, history_of, simple_questionnaire
from tests.support.problems import assert_problem
from tests.support.server import Server

WRITERS = 64


def test_a_retry_gets_the_first_answer_again(clinician: httpx.Client):
    questionnaire, key = published(clinician), {"Idempotency-Key": str(uuid4())}
    body = {"questionnaire": questionnaire, "answers": {"/44261-6": 3.5}}
    first = clinician.post("/v1/responses", json=body, headers=key)
    again = clinician.post("/v1/responses", json=body, headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Location"] == first.headers["Location"]


def test_a_retry_of_a_change_is_answered_as_it_was_then(clinician: httpx.Client):
    response, key = begun(clinician, published(clinician)), str(uuid4())
    first = patch(clinician, response["id"], 1, {"/44261-6": 1.5}, Idempotency_Key=key)
    assert first.json()["version"] == 2
    assert patch(clinician, response["id"], 2, {"/44261-6": 2.5}).json()["version"] == 3
    again = patch(clinician, response["id"], 1, {"/44261-6": 1.5}, Idempotency_Key=key)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert clinician.get(f"/v1/responses/{response['id']}").json()["answers"] == {"/44261-6": 2.5}


def test_a_refusal_by_the_state_is_answered_as_it_was_then(clinician: httpx.Client):
    response, key = begun(clinician, published(clinician)), str(uuid4())
    first, again = (patch(clinician, response["id"], 7, {"/44261-6": 1.5}, Idempotency_Key=key) for _ in range(2))
    for refused in (first, again):
        assert_problem(refused, 412, "version-conflict")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_key_may_be_used_again_for_the_corrected_request(clinician: httpx.Client):
    response, key = begun(clinician, published(clinician)), str(uuid4())
    assert_problem(patch(clinician, response["id"], 1, {"/44261-6": "much"}, Idempotency_Key=key), 422, "invalid-answers")
    assert patch(clinician, response["id"], 1, {"/44261-6": 1.5}, Idempotency_Key=key).status_code == 200


def test_a_key_belongs_to_one_request(clinician: httpx.Client):
    response, key = begun(clinician, published(clinician)), str(uuid4())
    assert patch(clinician, response["id"], 1, {"/44261-6": 1.5}, Idempotency_Key=key).status_code == 200
    other = patch(clinician, response["id"], 2, {"/44261-6": 9.5}, Idempotency_Key=key)
    assert_problem(other, 422, "idempotency-key-reused")


def test_a_key_belongs_to_one_person(clinician: httpx.Client, admin: httpx.Client):
    questionnaire, key = published(clinician), {"Idempotency-Key": str(uuid4())}
    body = {"questionnaire": questionnaire}
    mine = clinician.post("/v1/responses", json=body, headers=key)
    theirs = admin.post("/v1/responses", json=body, headers=key)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine.json()["id"]


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "ü"])
def test_keys_that_are_none_are_refused(clinician: httpx.Client, key: str):
    headers = {b"Idempotency-Key": key.encode()}
    answer = clinician.post("/v1/responses", json={"questionnaire": str(uuid4())}, headers=headers)
    assert_problem(answer, 400, "invalid-header")


async def test_twins_in_flight_apply_once(server: Server):
    async with client_of(server.base) as http:
        questionnaire, key = await simple_questionnaire(http), {"Idempotency-Key": str(uuid4())}
        body = {"questionnaire": questionnaire, "answers": {ITEMS[0]: "once"}}
        answers = await asyncio.gather(*(http.post("/v1/responses", json=body, headers=key) for _ in range(16)))
        settled = [answer for answer in answers if answer.status_code == 201]
        for answer in answers:
            if answer.status_code != 201:
                assert_problem(answer, 409, "idempotency-key-in-use")
        assert len({answer.json()["id"] for answer in settled}) == 1
        assert sum("Idempotency-Replayed" not in answer.headers for answer in settled) == 1


async def test_writers_of_one_response_get_each_version_once(server: Server):
    """Each of them tries, with whatever version it knows, until it has written."""
    async with client_of(server.base) as http:
        response = await begin(http)
        told: dict[int, dict[str, Any]] = {}

        async def write(writer: int) -> None:
            version, answers = 1, {ITEMS[writer % len(ITEMS)]: f"{writer}"}
            while (answer := await send(http, response, version, answers)).status_code == 412:
                version = assert_problem(answer, 412, "version-conflict")["current_version"]
            assert answer.status_code == 200, answer.text
            assert answer.json()["version"] not in told, "a version was given out twice"
            told[answer.json()["version"]] = answers

        async with asyncio.timeout(60):
            await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
        assert sorted(told) == list(range(2, 2 + WRITERS))
        await holds(http, response, told)


async def test_a_race_has_one_winner(server: Server):
    async with client_of(server.base) as http:
        response = await begin(http)
        race = [send(http, response, 1, {ITEMS[0]: f"{writer}"}) for writer in range(WRITERS)]
        answers = await asyncio.gather(*race)
        winners = [answer for answer in answers if answer.status_code == 200]
        assert len(winners) == 1
        for answer in answers:
            if answer.status_code != 200:
                assert assert_problem(answer, 412, "version-conflict")["current_version"] == 2
        now = (await http.get(f"/v1/responses/{response}")).json()
        assert now == winners[0].json()


async def test_writers_of_many_responses_do_not_disturb_each_other(server: Server):
    async with client_of(server.base) as http:
        questionnaire = await simple_questionnaire(http)
        responses = await asyncio.gather(*(begin(http, questionnaire) for _ in range(WRITERS)))
        told: dict[str, dict[int, dict[str, Any]]] = {response: {} for response in responses}

        async def write(response: str) -> None:
            for version in range(1, 6):
                answers = {ITEMS[version]: f"{response}-{version}"}
                answer = await send(http, response, version, answers)
                assert answer.status_code == 200, answer.text
                assert answer.json()["version"] == version + 1
                told[response][version + 1] = answers

        await asyncio.gather(*map(write, responses))
        await asyncio.gather(*(holds(http, response, told[response]) for response in responses))


async def begin(http: httpx.AsyncClient, questionnaire: str | None = None) -> str:
    body = {"questionnaire": questionnaire or await simple_questionnaire(http)}
    answer = await http.post("/v1/responses", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def send(http: httpx.AsyncClient, response: str, version: int, answers: dict[str, Any]) -> httpx.Response:
    return await http.patch(f"/v1/responses/{response}", json={"answers": answers}, headers={"If-Match": f'"{version}"'})


async def holds(http: httpx.AsyncClient, response: str, told: dict[int, dict[str, Any]]) -> None:
    """Every version that was acknowledged is in the history as it was told, in order, and there is no other."""
    history = await history_of(http, response)
    assert [each["version"] for each in history] == list(range(1, max(told) + 1))
    assert {each["version"]: each["changes"] for each in history[1:]} == told
    expected = {name: value for version in sorted(told) for name, value in told[version].items()}
    assert (await http.get(f"/v1/responses/{response}")).json()["answers"] == expected
