"""Doors in the one door: error shapes and parameters of other standards, and operations that will go."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import msgspec
import pytest

from keepwell.kernel.http import Answer, Call, Deprecation, Door, Endpoint, Pages, RequestHeader
from keepwell.kernel.problems import Refusal, Refused
from tests.kernel.http.conftest import BEARER, TEAPOT, Filter, Held, authenticate, outages
from tests.support.declared import Declared
from tests.support.http_server import serving
from tests.support.problems import assert_problem

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
GOING = Deprecation(
    since=datetime(2026, 9, 1, tzinfo=UTC),
    sunset=datetime(2027, 4, 1, 12, 30, tzinfo=UTC),
    guide="/docs/migration",
    successor="/v1/things",
)
TOLD = {
    "deprecation": "@1788220800",
    "sunset": "Thu, 01 Apr 2027 12:30:00 GMT",
    "link": '</docs/migration>; rel="deprecation"; type="text/html", </v1/things>; rel="successor-version"',
}


async def pairs(call: Call) -> Answer:
    return Answer(body=msgspec.json.encode([list(call.pairs), repr(call.query), call.origin.door]))


async def refuse(call: Call) -> Answer:
    match call.path["how"]:
        case "teapot":
            raise Refused(Refusal(TEAPOT))
        case "bug":
            raise KeyError("secret-canary-value")
        case _:
            return Answer(204)


def outcome(refusal: Refusal, path: str, request_id: str) -> Answer:
    """An error in the words of another standard."""
    told = {"resourceType": "OperationOutcome", "id": request_id, "code": refusal.code, "path": path}
    return Answer(refusal.type.status, msgspec.json.encode(told), {"x-shape": "outcome"}, "application/fhir+json")


ENDPOINTS = (
    Endpoint("GET", "/fhir/pairs", pairs, "Search", "FHIR", query=Filter, public=True, pairs=True, door="fhir"),
    Endpoint("GET", "/fhir/fail/{how}", refuse, "Fail", "FHIR", public=True, problems=(TEAPOT,), answers={204: None}),
    Endpoint("GET", "/fhir/things/{id}", refuse, "Show", "FHIR", problems=(TEAPOT,), answers={204: None}),
    Endpoint("GET", "/fhirish/fail/{how}", refuse, "Fail", "Other", public=True, problems=(TEAPOT,), answers={204: None}),
    Endpoint(
        "POST",
        "/old/{how}",
        refuse,
        "Go",
        "Old",
        public=True,
        problems=(TEAPOT,),
        answers={204: None},
        deprecated=GOING,
        headers=(
            RequestHeader("If-None-Exist", "Only when no such thing is there.", "^[a-z]+$"),
            RequestHeader("Prefer", "How."),
        ),
    ),
)


@pytest.fixture
async def http(held: Held) -> AsyncIterator[httpx.AsyncClient]:
    pages = Pages(ENDPOINTS, (TEAPOT,), "1")
    door = Door(cast("Any", held), authenticate, pages.endpoints, outages=outages, shapes={"/fhir": outcome})
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=10) as client:
        yield client


# -- parameters that a handler reads itself ---------------------------------------------------------------------------


async def test_parameters_come_as_they_were_sent_repeated_and_with_modifiers(http: httpx.AsyncClient):
    query = "name:exact=a%20b&date=ge2024-01-01&date=lt2025-01-01&name=&_count=10&x=%C3%BC"
    [given, query_seen, door] = (await http.get(f"/fhir/pairs?{query}")).json()
    assert given == [
        ["name:exact", "a b"],
        ["date", "ge2024-01-01"],
        ["date", "lt2025-01-01"],
        ["name", ""],
        ["_count", "10"],
        ["x", "\u00fc"],
    ]
    assert (query_seen, door) == ("None", "fhir")
    assert (await http.get("/fhir/pairs")).json()[0] == []


@pytest.mark.parametrize("query", ["a=%ff", "a=%00", "%00=a", "a=1&" * 101])
async def test_parameters_that_cannot_be_read_are_refused_there_too(http: httpx.AsyncClient, query: str):
    answer = await http.get(f"/fhir/pairs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")


async def test_the_document_describes_them_all_the_same(http: httpx.AsyncClient):
    operation = (await http.get("/openapi.json")).json()["paths"]["/fhir/pairs"]["get"]
    assert {"limit", "cursor", "at", "deep"} <= {one["name"] for one in operation["parameters"]}


# -- error shapes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fhir/fail/teapot", 409, "teapot"),
        ("/fhir/fail/bug", 500, "internal-error"),
        ("/fhir/things/zebra", 404, "not-found"),
        ("/fhir/nowhere", 404, "not-found"),
        ("/fhir", 404, "not-found"),
        ("/%66hir/fail/teapot", 409, "teapot"),
    ],
)
async def test_below_a_path_every_refusal_has_its_shape_and_the_usual_headers(
    http: httpx.AsyncClient, path: str, status: int, code: str
):
    answer = await http.get(path, headers={**BEARER, "X-Request-ID": "shape-1"})
    told = answer.json()
    assert (answer.status_code, told["code"], told["id"], told["path"]) == (status, code, "shape-1", path)
    assert told["resourceType"] == "OperationOutcome"
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["x-shape"] == "outcome"
    assert answer.headers["x-request-id"] == "shape-1"
    assert answer.headers["cache-control"] == "no-store"


async def test_what_the_door_itself_says_there_has_that_shape_too(http: httpx.AsyncClient):
    unknown = await http.get(f"/fhir/things/{ID}")
    assert (unknown.status_code, unknown.json()["code"]) == (401, "unauthenticated")
    wrong = await http.delete("/fhir/pairs")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS"
    assert wrong.json()["path"] == "/fhir/pairs"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/fhirish/fail/teapot", 409, "teapot"), ("/FHIR/fail/teapot", 404, "not-found"), ("/nowhere", 404, "not-found")],
)
async def test_elsewhere_refusals_are_problem_documents(http: httpx.AsyncClient, path: str, status: int, code: str):
    assert_problem(await http.get(path), status, code)


# -- what will go -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "sent", "status"),
    [
        ("well", {}, 204),
        ("teapot", {}, 409),
        ("bug", {}, 500),
        ("well", {"params": {"x": "1"}}, 400),
        ("well", {"json": {"x": 1}}, 422),
        ("well", {"headers": {"Idempotency-Key": "a b"}}, 400),
    ],
)
async def test_every_answer_of_an_operation_that_will_go_says_when_and_what_then(
    http: httpx.AsyncClient, how: str, sent: dict[str, Any], status: int
):
    answer = await http.post(f"/old/{how}", **sent)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in TOLD} == TOLD


async def test_other_operations_say_nothing_of_the_kind(http: httpx.AsyncClient):
    for answer in (await http.get("/fhir/pairs"), await http.get("/old/well"), await http.get("/nowhere")):
        assert answer.headers.keys().isdisjoint(TOLD)


async def test_the_document_says_that_it_will_go_and_what_it_reads(http: httpx.AsyncClient):
    operation = (await http.get("/openapi.json")).json()["paths"]["/old/{how}"]["post"]
    assert operation["deprecated"] is True
    assert {"Deprecation", "Sunset", "Link"} <= operation["responses"]["204"]["headers"].keys()
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert parameters["If-None-Exist"] == {
        "name": "If-None-Exist",
        "in": "header",
        "required": False,
        "description": "Only when no such thing is there.",
        "schema": {"type": "string", "pattern": "^[a-z]+$"},
    }
    assert parameters["Prefer"]["schema"] == {"type": "string"}


def test_a_deprecation_with_too_little_notice_cannot_be_written():
    with pytest.raises(ValueError, match="six months"):
        Deprecation(GOING.since, datetime(2027, 2, 1, tzinfo=UTC), GOING.guide, GOING.successor)


# -- the tests' own watch ---------------------------------------------------------------------------------------------


async def test_a_problem_that_its_endpoint_does_not_declare_is_noticed(held: Held):
    silent = msgspec.structs.replace(ENDPOINTS[1], problems=())
    for endpoint, surprises in ((silent, ["teapot of GET /fhir/fail/{how}"]), (ENDPOINTS[1], [])):
        watched = Declared(Door(cast("Any", held), authenticate, [endpoint]))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", watched)), base_url="http://door") as client:
            assert_problem(await client.get("/fhir/fail/teapot"), 409, "teapot")
        assert watched.surprises == surprises
