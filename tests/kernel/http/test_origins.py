"""Web pages of other origins: as a browser asks on their behalf, and what it would let them see."""

from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

from keepwell.kernel.http import Door, Endpoint, Limits, RequestHeader
from tests.kernel.http.conftest import BEARER, ENDPOINTS, Held, authenticate, close, outages
from tests.support.http_server import serving

APP = "https://app.example.org"
LOCAL = "http://localhost:3000"
STRANGERS = (
    "https://evil.example",
    "null",
    "http://app.example.org",
    "https://app.example.org.evil.example",
    "https://evil-app.example.org",
    "https://evil.example/https://app.example.org",
    "https://app.example.org:8443",
    "https://app.example.or",
    "https://APP.example.org",
    "https://app.example.org/",
    "https://app.example.org, https://evil.example",
    "",
)
THING = "/v1/things/01890a5d-ac96-774b-bcce-b302099a8057"
TAGGED = Endpoint(
    "POST", "/v1/tagged", close, "Tag", "Things", answers={204: None}, headers=(RequestHeader("If-None-Exist", "One"),)
)


@pytest.fixture
async def http(held: Held) -> AsyncIterator[httpx.AsyncClient]:
    door = Door(cast("Any", held), authenticate, (*ENDPOINTS, TAGGED), outages=outages, limits=Limits(origins=(APP, LOCAL)))
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=10, headers=BEARER) as client:
        yield client


async def preflight(http: httpx.AsyncClient, path: str, method: str, *asked: str, origin: str = APP) -> httpx.Response:
    """What a browser sends before a request that a form could not have sent: without credentials."""
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    if asked:
        headers["Access-Control-Request-Headers"] = ", ".join(sorted(name.lower() for name in asked))
    request = http.build_request("OPTIONS", path, headers={**headers, "Authorization": ""})
    del request.headers["Authorization"]
    return await http.send(request)


def would_go_on(answer: httpx.Response, origin: str, method: str, *asked: str) -> bool:
    """Whether a browser would send the request now (Fetch, 4.8)."""
    listed = {name: {part.strip() for part in answer.headers.get(name, "").split(",")} for name in answer.headers}
    headers = {name.lower() for name in listed.get("access-control-allow-headers", ())}
    return (
        200 <= answer.status_code < 300
        and answer.headers.get_list("access-control-allow-origin") == [origin]
        and (method in ("GET", "HEAD", "POST") or method in listed.get("access-control-allow-methods", ()))
        and {name.lower() for name in asked} <= headers
    )


def may_see(answer: httpx.Response, origin: str) -> bool:
    """Whether a browser would show the answer to the page (Fetch, 4.10)."""
    return answer.headers.get_list("access-control-allow-origin") == [origin]


@pytest.mark.parametrize("origin", [APP, LOCAL])
async def test_a_page_of_an_origin_that_is_named_may_call(http: httpx.AsyncClient, origin: str):
    asked = ("Authorization", "Content-Type", "If-Match", "Idempotency-Key", "X-Request-ID", "traceparent")
    told = await preflight(http, THING, "PUT", *asked, origin=origin)
    assert would_go_on(told, origin, "PUT", *asked)
    assert (told.status_code, told.content) == (204, b"")
    assert told.headers["allow"] == told.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS, PUT"
    assert told.headers["access-control-max-age"] == "600"
    assert len(told.headers["x-request-id"]) == 36
    sent = await http.put(THING, json={"name": "n"}, headers={"Origin": origin, "If-Match": '"3"'})
    assert sent.status_code == 201
    assert may_see(sent, origin)
    assert "Origin" in sent.headers["vary"]


async def test_a_page_sees_what_clients_need_and_no_cookie_travels(http: httpx.AsyncClient):
    answer = await http.get(THING, headers={"Origin": APP})
    shown = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    needed = "etag location retry-after x-request-id idempotency-replayed ratelimit ratelimit-policy deprecation sunset link"
    assert shown == {*needed.split(), "x-keepwell-position"}
    assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-credentials" not in (await preflight(http, THING, "GET")).headers


async def test_headers_that_only_one_operation_reads_may_be_sent_to_it(http: httpx.AsyncClient):
    assert would_go_on(await preflight(http, "/v1/tagged", "POST", "If-None-Exist"), APP, "POST", "If-None-Exist")
    assert not would_go_on(await preflight(http, THING, "PUT", "If-None-Exist"), APP, "PUT", "If-None-Exist")


async def test_what_a_path_does_not_do_no_page_may_ask_of_it(http: httpx.AsyncClient):
    assert not would_go_on(await preflight(http, THING, "DELETE"), APP, "DELETE")
    assert not would_go_on(await preflight(http, THING, "PUT", "X-Custom"), APP, "PUT", "X-Custom")
    nowhere = await preflight(http, "/nowhere", "PUT")
    assert nowhere.status_code == 404
    assert not would_go_on(nowhere, APP, "PUT")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/fail/refused", 409),
        ("/v1/fail/outage", 503),
        ("/v1/fail/bug", 500),
        ("/v1/things/zebra", 404),
        ("/nowhere", 404),
        (f"{THING}?limit=x", 400),
    ],
)
async def test_a_page_sees_why_it_was_refused(http: httpx.AsyncClient, path: str, status: int):
    answer = await http.get(path, headers={"Origin": APP})
    assert (answer.status_code, may_see(answer, APP)) == (status, True)
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    unknown = await http.get(path, headers={"Origin": APP, "Authorization": "Bearer bad"})
    assert may_see(unknown, APP)
    assert may_see(await http.delete(THING, headers={"Origin": APP}), APP)


@pytest.mark.parametrize("origin", STRANGERS)
async def test_no_other_page_may_call_or_see_anything(http: httpx.AsyncClient, origin: str):
    told = await preflight(http, THING, "PUT", "authorization", origin=origin)
    assert not any(name.startswith("access-control-") for name in told.headers)
    assert told.headers["vary"] == "Origin"
    for path in (THING, "/nowhere", "/v1/fail/bug"):
        answer = await http.get(path, headers={"Origin": origin})
        assert not any(name.startswith("access-control-") for name in answer.headers)
        assert answer.headers["vary"] == "Origin"


async def test_two_origins_in_one_request_are_nobody(http: httpx.AsyncClient):
    answer = await http.get(THING, headers=[("Origin", APP), ("Origin", LOCAL), *BEARER.items()])
    assert not any(name.startswith("access-control-") for name in answer.headers)


async def test_an_answer_to_nobody_in_particular_says_that_it_depends_on_the_origin(http: httpx.AsyncClient):
    """Else a cache would show a page the answer that another caller got, without leave to see it."""
    answer = await http.get("/alive")
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in answer.headers


async def test_without_a_setting_the_door_knows_of_no_other_origin(user: httpx.AsyncClient):
    for answer in (
        await user.get(THING, headers={"Origin": APP}),
        await user.options(THING, headers={"Origin": APP, "Access-Control-Request-Method": "PUT"}),
        await user.get("/nowhere", headers={"Origin": APP}),
    ):
        assert not any(name.startswith("access-control-") for name in answer.headers)
        assert "vary" not in answer.headers
