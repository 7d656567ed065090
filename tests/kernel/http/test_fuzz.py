"""Whatever bytes arrive, the answer is a problem of the 400s or a success: never a 500, never silence."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from keepwell.kernel.http import Door, Pages
from tests.kernel.http.conftest import BEARER, ENDPOINTS, TEAPOT, Held, authenticate

SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
THING = "/v1/things/01890a5d-ac96-774b-bcce-b302099a8057"

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)
things = st.fixed_dictionaries(
    {"name": st.text() | leaves},
    optional={
        "parts": st.lists(st.fixed_dictionaries({"count": st.integers() | leaves}), max_size=3) | trees,
        "parent": st.uuids().map(str) | leaves,
        "at": st.datetimes().map(str) | leaves,
        "answers": st.dictionaries(st.text(), trees, max_size=4) | trees,
        "weights": st.dictionaries(st.text(), leaves, max_size=4) | trees,
        "raw": trees,
    },
)


def as_json(tree: Any) -> bytes:
    """JSON by a lax writer: NaN, lone surrogates and huge integers get through."""
    import json  # noqa: PLC0415 - the strict writer of the product would refuse them

    return json.dumps(tree).encode()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def client(loop: asyncio.AbstractEventLoop) -> Iterator[httpx.AsyncClient]:
    kernel: Any = Held()
    door: Any = Door(kernel, authenticate, Pages(ENDPOINTS, (TEAPOT,), "1").endpoints)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://door", headers=BEARER)
    yield client
    loop.run_until_complete(client.aclose())


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        document = msgspec.json.decode(answer.content)
        assert document["status"] == answer.status_code
        assert document["request_id"] == answer.headers["x-request-id"]


@SETTINGS
@given(body=st.binary() | (things | trees).map(as_json))
@example(body=b'{"name":"n","answers":{"a":' + b"[" * 100_000)
@example(body=b'"' + b'\\"' * 200_000)
@example(body=b'{"name":"n","answers":{"a":"' + b"\\u0000" * 1000 + b'"}}')
def test_bodies(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient, body: bytes):
    check(loop.run_until_complete(client.post("/v1/things/bulk", content=body, headers={"Content-Type": "application/json"})))


@SETTINGS
@given(body=(things | trees).map(as_json), at=st.integers(0, 400), bytes_=st.binary(max_size=3))
def test_damaged_bodies(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient, body: bytes, at: int, bytes_: bytes):
    damaged = body[:at] + bytes_ + body[at + 1 :]
    check(loop.run_until_complete(client.put(THING, content=damaged, headers={"Content-Type": "application/json"})))


header_names = (
    "authorization",
    "content-length",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "traceparent",
    "x-request-id",
)


@SETTINGS
@given(
    headers=st.dictionaries(
        st.sampled_from(header_names),
        st.binary(max_size=60) | st.sampled_from([b'"3"', b'W/"3"', b"*", b"application/json", b"Bearer good", b"9" * 30]),
    ),
    query=st.binary(max_size=60) | st.sampled_from([b"limit=1", b"at=2020-01-01T00:00:00Z"]),
    segment=st.text(st.characters(exclude_characters="/?#", codec="utf-8"), max_size=30),
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "OPTIONS", "DELETE"]),
)
def test_heads(loop: asyncio.AbstractEventLoop, headers: dict[str, bytes], query: bytes, segment: str, method: str):
    """Straight at the ASGI application: what a lenient server in front might let through."""
    kernel: Any = Held()
    door: Any = Door(kernel, authenticate, ENDPOINTS)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"name":"n"}', "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    for path in (THING, f"/v1/things/{segment}", f"/{segment}", "/v1/things"):
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.encode(), value) for name, value in headers.items()],
            "query_string": query,
        }
        loop.run_until_complete(door(scope, receive, send))
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 4
    assert all(start["status"] < 500 for start in starts)
