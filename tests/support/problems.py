"""What every error of every door looks like."""

from typing import Any
from urllib.parse import unquote

import httpx

_MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}


def code_of(document: dict[str, Any]) -> str:
    """The code of an error, in a problem document, an OperationOutcome or the errors of GraphQL."""
    if "code" in document:
        return document["code"]
    if "errors" in document:
        [error] = document["errors"]
        return error["extensions"]["code"]
    return document["issue"][0]["details"]["coding"][0]["code"]


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    """Holds a refusal of any door to its status and code, in whatever shape it comes."""
    if answer.headers["Content-Type"] == "application/problem+json":
        assert_problem(answer, status, code)
    else:
        assert (answer.status_code, code_of(answer.json())) == (status, code), answer.text


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Holds an answer to the shape of RFC 9457 with our members, and returns the document."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document.keys() >= _MEMBERS
    assert document["code"] == code, answer.text
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == status
    assert unquote(document["instance"]) == unquote(answer.request.url.raw_path.decode().partition("?")[0])
    assert document["request_id"] == answer.headers["X-Request-ID"]
    for fault in document.get("errors", []):
        assert fault.keys() >= {"pointer", "code", "message"}
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
    return document
