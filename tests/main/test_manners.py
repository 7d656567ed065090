"""How the program answers, whoever asks for whatever: over all its routes, on a real socket."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.parts import Parts
from keepwell.main.server import server
from keepwell.platform.settings import ProcessKind, Settings
from tests.main.conftest import log_in
from tests.support.http_server import listening, raw_exchange, serving
from tests.support.manners import assert_mannered
from tests.support.problems import assert_problem

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def concrete(template: str) -> str:
    return template.replace("{id}", ID).replace("{row}", ID).replace("{code}", "not-found")


async def test_every_answer_carries_what_every_answer_carries(parts: Parts, http: httpx.AsyncClient):
    for endpoint in application(parts).endpoints:
        path = concrete(endpoint.path)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            assert_mannered(await http.request(method, path))
        assert_mannered(await http.request(endpoint.method, f"{path}/nowhere"))
        assert_mannered(await http.request(endpoint.method, path, headers={"If-None-Match": "*"}))


async def test_answers_to_who_is_let_in_carry_it_too(demo: None, http: httpx.AsyncClient):
    headers = await log_in(http, "clinician")
    listed = await http.get("/v1/questionnaires", headers=headers)
    one = await http.get(f"/v1/questionnaires/{listed.json()['items'][0]['id']}", headers=headers)
    known = await http.get(str(one.url), headers={**headers, "If-None-Match": one.headers["etag"]})
    made = await http.post("/v1/responses", headers=headers, json={"questionnaire": one.json()["id"]})
    for answer, status in ((listed, 200), (one, 200), (known, 304), (made, 201)):
        assert answer.status_code == status
        assert_mannered(answer)


@pytest.mark.parametrize("accept", ["application/xml", "text/html;q=0.9", "image/png, */*;q=0", "", "nonsense//", "*/*"])
async def test_what_a_caller_would_rather_have_changes_nothing(demo: None, http: httpx.AsyncClient, accept: str):
    """There is one form of everything: who cannot read it learns that from its type, and who only thinks so goes on."""
    headers = {**await log_in(http, "clinician"), "Accept": accept, "Accept-Charset": "latin-1", "Accept-Language": "tlh"}
    answer = await http.get("/v1/questionnaires", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert_problem(await http.get("/v1/nowhere", headers=headers), 404, "not-found")
    page = await http.get("/docs", headers=headers)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/problems", "/problems/not-found"])
async def test_what_is_the_same_for_all_is_named_by_its_content(http: httpx.AsyncClient, path: str):
    plain = await http.get(path, headers={"Accept-Encoding": "identity"})
    smaller = await http.get(path, headers={"Accept-Encoding": "br"})
    tag = plain.headers["etag"]
    assert len(tag) > 30
    assert not tag.startswith("W/")
    assert smaller.text == plain.text
    for accept in ("identity", "br"):
        known = await http.get(path, headers={"If-None-Match": f'"x", {tag}', "Accept-Encoding": accept})
        assert (known.status_code, known.content) == (304, b"")
        assert known.headers["cache-control"] == "public, max-age=300"
    assert (await http.get(path, headers={"If-None-Match": '"x"'})).status_code == 200
    other = await http.get("/problems/forbidden")
    assert other.headers["etag"].removeprefix("W/") != tag


async def test_a_connection_that_never_made_a_request_is_answered_with_the_same(http: httpx.AsyncClient):
    received = await raw_exchange(str(http.base_url), b"nonsense\r\n\r\n")
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    answer = httpx.Response(int(status.split()[1]), headers=headers, content=body, request=httpx.Request("GET", http.base_url))
    assert_mannered(answer)
    assert answer.headers["connection"] == "close"


def behind(proxies: str) -> Settings:
    given: dict[str, Any] = {"_env_file": None, "master_key": base64.b64encode(b"k" * 32).decode(), "trusted_proxies": proxies}
    return Settings(**given)


@pytest.fixture
async def proxied(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """The program as it is served to a proxy at 127.0.0.1, that is trusted or not."""
    settings = behind(request.param)
    nowhere = Addresses("postgresql://nowhere", "", "", "valkey://nowhere")
    door = application(Parts(settings, nowhere, ProcessKind.API))
    http = server(door, settings, lambda: None)
    http.config.lifespan = "off"  # nothing here reaches a database
    async with listening(http) as base, httpx.AsyncClient(base_url=base) as client:
        yield client


@pytest.mark.parametrize("proxied", ["127.0.0.1"], indirect=True)
async def test_browsers_are_told_to_stay_on_tls_where_a_trusted_proxy_says_they_came_by_it(proxied: httpx.AsyncClient):
    for path in ("/health/live", "/v1/nowhere", "/docs", "/v1/responses"):
        answer = await proxied.get(path, headers={"X-Forwarded-Proto": "https"})
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in (await proxied.get(path)).headers
        assert "strict-transport-security" not in (await proxied.get(path, headers={"X-Forwarded-Proto": "http"})).headers


@pytest.mark.parametrize("proxied", ["", "10.1.2.3"], indirect=True)
async def test_nobody_else_can_make_them(proxied: httpx.AsyncClient):
    answer = await proxied.get("/health/live", headers={"X-Forwarded-Proto": "https"})
    assert "strict-transport-security" not in answer.headers


async def test_pages_of_origins_that_the_operator_names_may_call(addresses: Addresses, chosen: Settings):
    settings = chosen.model_copy(update={"cors_origins": ("https://app.example.org",)})
    async with (
        serving(application(Parts(settings, addresses, ProcessKind.API))) as base,
        httpx.AsyncClient(base_url=base) as http,
    ):
        asked = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "PATCH"}
        told = await http.options(f"/v1/responses/{ID}", headers=asked)
        assert "PATCH" in told.headers["access-control-allow-methods"]
        assert told.headers["access-control-allow-origin"] == "https://app.example.org"
        refused = await http.get("/v1/responses", headers={"Origin": "https://app.example.org"})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.example.org")
