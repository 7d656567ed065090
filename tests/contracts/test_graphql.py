"""The GraphQL door of a running server: the same records as REST, whichever process answers."""

from typing import Any

import httpx
from graphql import build_client_schema, get_introspection_query

from tests.support.journey import begun, published
from tests.support.waiting import eventually

_ASKED_OFTEN = 8  # often enough to meet both processes


def ask(client: httpx.Client, query: str, **variables: Any) -> httpx.Response:
    # Each request on a connection of its own: any process may get it.
    headers = {"Connection": "close"}
    return client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


def test_what_one_door_writes_the_other_shows(clinician: httpx.Client):
    response = begun(clinician, published(clinician))
    patch = 'mutation($id: ID!, $a: JSON!) { patchResponse(id: $id, answers: $a, if_match: "1") { version etag answers } }'
    patched = ask(clinician, patch, id=response["id"], a={"/44261-6": 1.5})
    assert patched.json()["data"]["patchResponse"] == {"version": 2, "etag": '"2"', "answers": {"/44261-6": 1.5}}
    shown = clinician.get(f"/v1/responses/{response['id']}")
    assert (shown.headers["ETag"], shown.json()["answers"]) == ('"2"', {"/44261-6": 1.5})
    for name in ("Deprecation", "Sunset", "Link"):
        assert name in patched.headers
        assert name not in shown.headers


def test_a_session_that_ended_is_refused_from_the_next_request_on(nobody: httpx.Client, clinician: httpx.Client):
    assert ask(clinician, "{ responses { next } }").status_code == 200
    clinician.post("/v1/auth/logout").raise_for_status()
    for query in ("{ responses { next } }", "{ __typename }", "{ __schema { queryType { name } } }"):
        for _ in range(_ASKED_OFTEN):
            answer = ask(clinician, query)
            assert answer.status_code == 401, answer.text
            assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["unauthenticated"]
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_demo_shows_its_schema_on_every_process(clinician: httpx.Client):
    for _ in range(_ASKED_OFTEN):
        shown = ask(clinician, get_introspection_query())
        assert shown.status_code == 200, shown.text
        assert "patchResponse" in build_client_schema(shown.json()["data"]).mutation_type.fields  # pyright: ignore[reportOptionalMemberAccess]


def test_administrators_see_who_uses_it(clinician: httpx.Client, admin: httpx.Client):
    ask(clinician, "{ questionnaires { next } }")
    me = clinician.get("/v1/auth/me").json()["user"]["id"]

    def used() -> bool:
        items = admin.get("/v1/legacy/usage").raise_for_status().json()["items"]
        return ("questionnaires", me, "GET /v1/questionnaires") in [
            (use["operation"], use["client"], use["replaced_by"]) for use in items
        ]

    eventually(used, 30)
