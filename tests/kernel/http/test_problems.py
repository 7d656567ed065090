"""The one error format."""

import httpx
import pytest
import structlog

from keepwell.kernel.http import Pages
from keepwell.kernel.problems import SHARED


async def test_a_refusal_becomes_the_whole_problem_document(http: httpx.AsyncClient):
    answer = await http.get("/v1/fail/refused", headers={"X-Request-ID": "r1"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/teapot",
        "title": "It is a teapot",
        "status": 409,
        "detail": "Short and stout.",
        "instance": "/v1/fail/refused",
        "code": "teapot",
        "request_id": "r1",
        "current_version": 4,
        "errors": [{"pointer": "/spout", "code": "hot", "message": "Mind it"}],
    }


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
@pytest.mark.parametrize(
    "tail", ["secret-canary-value", "%73ecret-canary-value", "secret-canary-value/", "secret-canary-value/x?y=z"]
)
async def test_a_secret_in_a_path_is_never_told_not_even_where_nothing_is_at_it(http: httpx.AsyncClient, method: str, tail: str):
    with structlog.testing.capture_logs() as lines:
        answer = await http.request(method, f"/v1/of/demo/told/{tail}")
    assert "ecret-canary-value" not in answer.text + str(answer.headers) + str(lines)
    if answer.is_error:
        assert answer.json()["instance"] == "/v1/of/{clinic}/told/{secret}"


async def test_an_outage_says_when_to_come_back(http: httpx.AsyncClient):
    answer = await http.get("/v1/fail/outage")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


async def test_a_bug_is_a_500_that_tells_nothing_but_the_log_where(http: httpx.AsyncClient):
    with structlog.testing.capture_logs() as lines:
        answer = await http.get("/v1/fail/bug", headers={"X-Request-ID": "r2"})
    assert (answer.status_code, answer.json()["code"], answer.json()["request_id"]) == (500, "internal-error", "r2")
    bug = next(line for line in lines if line["event"] == "http.bug")
    assert (bug["error"], bug["request_id"]) == ("KeyError", "r2")
    assert any(frame.startswith("kernel/http/endpoint.py:") for frame in bug["frames"])
    assert "secret-canary-value" not in answer.text + str(lines)


async def test_every_answer_carries_the_safety_headers(http: httpx.AsyncClient):
    for path in ("/alive", "/nowhere", "/v1/fail/bug", "/v1/things/x", "/v1/fail/nothing"):
        answer = await http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


async def test_an_answer_without_content_has_none(http: httpx.AsyncClient):
    answer = await http.get("/v1/fail/nothing")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers


@pytest.mark.parametrize("code", [kind.code for kind in SHARED] + ["teapot", "request-timeout"])
async def test_every_problem_explains_itself(http: httpx.AsyncClient, code: str):
    page = (await http.get(f"/problems/{code}")).json()
    assert page["code"] == code
    assert page["title"]
    assert page["advice"]


async def test_unknown_problems_are_not_found_and_known_ones_listed(http: httpx.AsyncClient, pages: Pages):
    assert (await http.get("/problems/nope")).status_code == 404
    listed = {item["code"] for item in (await http.get("/problems")).json()["items"]}
    assert {"teapot", "not-found", "body-too-large"} <= listed


async def test_one_log_line_a_request_with_template_and_ids_but_no_values(http: httpx.AsyncClient):
    with structlog.testing.capture_logs() as lines:
        await http.get("/v1/things/zebra?cursor=zebra", headers={"X-Request-ID": "r3"})
    [line] = lines
    assert (line["event"], line["method"], line["route"], line["status"]) == ("http.request", "GET", "/v1/things/{id}", 401)
    assert (line["request_id"], len(line["trace_id"])) == ("r3", 32)
    assert line["duration_ms"] >= 0
    assert "zebra" not in str(line)
