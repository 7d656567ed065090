"""What every answer of every route has in common, whatever became of the request."""

from email.utils import parsedate_to_datetime

import httpx

PUBLIC = ("/", "/docs", "/docs/graphql-migration", "/openapi.json", "/problems")
"""Paths whose answers are the same for everybody."""

_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_PAGE = ("cross-origin-opener-policy", "permissions-policy")


def assert_mannered(answer: httpx.Response) -> None:
    """Holds an answer to the headers that any one carries: for browsers, for caches, for whoever looks for it in the log."""
    headers, status = answer.headers, answer.status_code
    assert all(len(headers.get_list(name)) == 1 for name in headers.keys() - {"vary", "set-cookie"}), headers
    assert {name: headers.get(name) for name in _ALWAYS} == _ALWAYS
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert 1 <= len(headers["x-request-id"]) <= 128
    assert parsedate_to_datetime(headers["date"])
    assert "server" not in headers
    assert headers["cache-control"] == _caching(answer), headers
    assert ("strict-transport-security" in headers) == (answer.request.url.scheme == "https")
    _assert_typed(answer)
    if status >= 400:
        assert headers.keys().isdisjoint({"content-encoding", "etag"}), headers
    if "content-encoding" in headers:
        assert "Accept-Encoding" in headers["vary"]
        assert headers.get("etag", "W/").startswith("W/")
    if status == 401:
        assert headers["www-authenticate"] == "Bearer"
    if status in (429, 503):
        assert int(headers["retry-after"]) >= 1


def _caching(answer: httpx.Response) -> str:
    """What is the same for everybody may be kept, of a clinic's status pages not for long."""
    page = answer.request.url.path.startswith(("/status/", "/v1/status/"))
    if page and answer.status_code < 400 and answer.request.method in ("GET", "HEAD"):
        return "public, max-age=15"
    return "public, max-age=300" if _is_public(answer) else "no-store"


def _is_public(answer: httpx.Response) -> bool:
    path = answer.request.url.path
    document = path in PUBLIC or path.startswith("/problems/")
    return document and answer.status_code < 400 and answer.request.method in ("GET", "HEAD")


def _assert_typed(answer: httpx.Response) -> None:
    """JSON is UTF-8 and says no more (RFC 8259, 11); text says that it is; what has no content has no type."""
    media, _, parameters = answer.headers.get("content-type", "").partition(";")
    if not media:
        assert answer.status_code in (204, 304, 307)
        assert not answer.content
    elif media.endswith("json"):
        assert not parameters
    else:
        assert parameters.strip().endswith("charset=utf-8") or media == "text/event-stream"
    assert all((name in answer.headers) == (media == "text/html") for name in _PAGE)
