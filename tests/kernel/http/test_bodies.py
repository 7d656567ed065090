"""What bodies the door takes, and how it says what is wrong with the others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.http_server import raw_exchange

JSON = {"Content-Type": "application/json"}


def faults(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.headers["content-type"] == "application/problem+json"
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


async def test_a_good_body_reaches_the_handler(user: httpx.AsyncClient):
    answer = await user.post("/v1/things", json={"name": "n", "answers": {"a": [1, None, {"b": 2.5}]}})
    assert answer.status_code == 201
    assert answer.json()["text"] == "None None n"


async def nothing() -> AsyncIterator[bytes]:
    """A chunked body without any bytes."""
    yield b""


WRONG: list[tuple[Any, str, str]] = [
    ({}, "/name", "required"),
    ({"name": 1}, "/name", "wrong-type"),
    ({"name": "n", "nam": "x"}, "/nam", "unknown-field"),
    ({"name": "n", "a/b~c": 1}, "/a~1b~0c", "unknown-field"),
    ({"name": "n", "parts": [{"count": 1}, {"count": "x"}]}, "/parts/1/count", "wrong-type"),
    ({"name": "n", "parts": [{"count": -1}]}, "/parts/0/count", "invalid-value"),
    ({"name": "n", "parts": [{"count": 1, "kind": "zebra"}]}, "/parts/0/kind", "not-allowed"),
    ({"name": "n", "parts": [{}]}, "/parts/0/count", "required"),
    ({"name": "n", "parent": "zebra"}, "/parent", "invalid-value"),
    ({"name": "n", "weights": {"w": "zebra"}}, "/weights", "wrong-type"),
    ([], "", "wrong-type"),
    ({"name": "n\0"}, "/name", "nul-character"),
    ({"name": "n", "answers": {"q": [{"x": "a\0b"}]}}, "/answers/q/0/x", "nul-character"),
    ({"name": "n", "answers": {"q\0": 1}}, "/answers", "nul-character"),
    ({"name": "n", "answers": {"q": 2**63}}, "/answers/q", "number-out-of-range"),
    ({"name": "n", "answers": {"q": -(2**70)}}, "/answers/q", "number-out-of-range"),
    ({"name": "n", "raw": {"q": 2**64}}, "/raw/q", "number-out-of-range"),
]


@pytest.mark.parametrize(("body", "pointer", "code"), WRONG)
async def test_a_wrong_field_is_422_and_pointed_at(user: httpx.AsyncClient, body: Any, pointer: str, code: str):
    answer = await user.post("/v1/things", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-body"
    assert faults(answer) == [(pointer, code)]
    assert "zebra" not in answer.text


async def test_every_nul_is_named(user: httpx.AsyncClient):
    answer = await user.post("/v1/things", json={"name": "\0", "answers": {"q": "\0"}})
    assert sorted(faults(answer)) == [("/answers/q", "nul-character"), ("/name", "nul-character")]


async def test_a_text_about_escapes_and_long_numbers_is_fine(user: httpx.AsyncClient):
    body = {"name": "\\u0000 and 12345678901234567890123", "answers": {"a": 2**63 - 1, "b": -(2**63)}}
    assert (await user.post("/v1/things", json=body)).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{} {}",
        b"nope",
        b'{"name": NaN}',
        b"\xef\xbb\xbf{}",
        b'{"name": "\xff"}',
        b'{"name": "n", "raw": "\xc3\x28"}',
        b'{"name": "\\ud800"}',
        b'{"name": "n", "answers": {"\\udc00": 1}}',
        b'{"name": "a\nb"}',
        b'{"name": ' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"name": "n", "answers": {"a": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}}",
        b'{"name": "n", "raw": ' + b"[" * 4000,
    ],
)
async def test_what_is_not_json_is_400(user: httpx.AsyncClient, body: bytes):
    answer = await user.post("/v1/things", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")


async def test_a_hundred_levels_are_accepted_and_brackets_in_text_do_not_count(user: httpx.AsyncClient):
    deep = b'{"name": "n", "answers": {"a": ' + b"[" * 98 + b"]" * 98 + b"}}"
    assert (await user.post("/v1/things", content=deep, headers=JSON)).status_code == 201
    assert (await user.post("/v1/things", json={"name": "[{" * 500 + '\\"'})).status_code == 201


@pytest.mark.parametrize(
    "body", [b'{"name": 1e999}', b'{"name": "n", "weights": {"a": 1e999}}', b'{"name": "n", "answers": {"a": -1e999}}']
)
async def test_numbers_beyond_a_double_are_422(user: httpx.AsyncClient, body: bytes):
    assert (await user.post("/v1/things", content=body, headers=JSON)).status_code == 422


async def test_numbers_of_thousands_of_digits_are_422(user: httpx.AsyncClient):
    for field in ("answers", "raw"):
        body = b'{"name": "n", "%s": {"a": %s}}' % (field.encode(), b"9" * 6000)
        assert (await user.post("/v1/things", content=body, headers=JSON)).status_code == 422


@pytest.mark.parametrize("sent", [{}, {"content": b""}, {"json": {}}, {"content": b"{}", "headers": JSON}, {"content": nothing}])
async def test_a_route_without_body_takes_nothing_or_an_empty_object(user: httpx.AsyncClient, sent: dict[str, Any]):
    sent = {name: value() if callable(value) else value for name, value in sent.items()}
    assert (await user.post("/v1/things/close", **sent)).status_code == 204


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"json": {"answers": {"a": 1}}}, 422, "invalid-body"),
        ({"json": []}, 422, "invalid-body"),
        ({"content": b"{", "headers": JSON}, 400, "malformed-json"),
        ({"content": b"{}"}, 415, "unsupported-media-type"),
        ({"data": {"a": "1"}}, 415, "unsupported-media-type"),
        ({"content": b" " * 2_000_000, "headers": JSON}, 413, "body-too-large"),
    ],
)
async def test_what_a_route_without_body_would_lose_is_refused(
    user: httpx.AsyncClient, sent: dict[str, Any], status: int, code: str
):
    answer = await user.post("/v1/things/close", **sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_missing_body_is_400(user: httpx.AsyncClient):
    for answer in (await user.post("/v1/things"), await user.post("/v1/things", content=b"", headers=JSON)):
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ('Application/JSON;charset="UTF-8"', 201),
        ("application/fhir+json", 201),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("text/vnd+json", 415),
        ("", 415),
        (None, 415),
    ],
)
async def test_only_json_in_utf8_is_taken(user: httpx.AsyncClient, media: str | None, status: int):
    headers = {} if media is None else {"Content-Type": media}
    answer = await user.post("/v1/things", content=b'{"name": "n"}', headers=headers)
    assert answer.status_code == status


async def test_compressed_bodies_are_415(user: httpx.AsyncClient):
    answer = await user.post("/v1/things", content=b"x", headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_the_limit_counts_announced_and_unannounced_bytes(user: httpx.AsyncClient):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    for body in (b" " * 10_001, b" " * 20_000_000, chunks()):
        answer = await user.post("/v1/things", content=body, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert (await user.post("/v1/things", content=b'{"name": "n"}'.ljust(10_000), headers=JSON)).status_code == 201
    assert (await user.post("/v1/things/bulk", content=b'{"name": "n"}'.ljust(1_900_000), headers=JSON)).status_code == 201


async def test_an_announced_excess_is_refused_before_it_is_sent(base: str):
    head = b"POST /v1/things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\n"
    received = await raw_exchange(base, head + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in received


async def test_a_body_that_stops_half_way_hurts_nobody(base: str, user: httpx.AsyncClient):
    host, port = base.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await user.get("/alive")).status_code == 200
