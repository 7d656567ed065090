"""Headers, query, path and method: what the door accepts and what it answers otherwise."""

import asyncio

import httpx
import pytest

from keepwell.kit.ids import new_id
from tests.kernel.http.conftest import BEARER, Held
from tests.support.http_server import raw_exchange

THING = "/v1/things/01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("limi=3", "?limi", "unknown-parameter"),
        ("limit=3&limit=4", "?limit", "repeated-parameter"),
        ("limit=x", "?limit", "wrong-type"),
        ("limit=", "?limit", "wrong-type"),
        ("limit=0", "?limit", "invalid-value"),
        ("limit=101", "?limit", "invalid-value"),
        ("limit=" + "9" * 5000, "?limit", "invalid-value"),
        ("cursor=a%00b", "?cursor", "nul-character"),
        ("at=yesterday", "?at", "invalid-value"),
        ("at=2024-01-01T00:00:00", "?at", "invalid-value"),
        ("at=null", "?at", "invalid-value"),
        ("at=0.5", "?at", "invalid-value"),
        ("at=1234567890", "?at", "invalid-value"),
        ("deep=zebra", "?deep", "wrong-type"),
    ],
)
async def test_a_wrong_parameter_is_400_and_named(user: httpx.AsyncClient, query: str, pointer: str, code: str):
    answer = await user.get(f"{THING}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]
    assert "zebra" not in answer.text


async def test_a_query_that_is_not_utf8_is_400(base: str):
    for query in (b"?limit=%ff%fe", b"?" + b"a=1&" * 200):
        headers = b"Host: x\r\nConnection: close\r\nAuthorization: Bearer good\r\n\r\n"
        received = await raw_exchange(base, b"GET " + THING.encode() + query + b" HTTP/1.1\r\n" + headers)
        assert received.startswith(b"HTTP/1.1 400")
        assert b"invalid-parameter" in received


async def test_good_parameters_arrive_typed(user: httpx.AsyncClient):
    answer = await user.get(THING, params={"limit": "7", "at": "2024-01-01T00:00:00+02:00", "cursor": "null", "deep": "true"})
    assert answer.status_code == 200
    for part in ("limit=7", "cursor='null'", "deep=True", "datetime.datetime(2024"):
        assert part in answer.json()["text"]


async def test_a_route_without_parameters_takes_none(user: httpx.AsyncClient):
    assert (await user.get("/alive?x=1")).status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/v1/things/zebra", "/v1/things/01890a5dac96774bbcceb302099a8057", "/v1/x", "/V1/slow", "/v1/slow/", "/v1/%2e%2e/slow"],
)
async def test_what_is_not_there_is_404(user: httpx.AsyncClient, path: str):
    answer = await user.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.json()["instance"] == path


async def test_other_methods_are_405_and_options_lists_them(user: httpx.AsyncClient):
    answer = await user.delete(THING)
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, PUT"
    options = await user.options(THING)
    assert (options.status_code, options.headers["allow"], options.content) == (204, "GET, HEAD, OPTIONS, PUT", b"")
    assert (await user.request("PROPFIND", THING)).status_code == 405


async def test_head_answers_like_get_without_the_body(user: httpx.AsyncClient):
    get, head = await user.get(THING), await user.head(THING)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["etag"] == '"3"'


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2024-01-01T00:00:00.123456999Z", "0, 0, 123456, tz"),  # never rounded up into what came later
        ("2024-01-01T00:00:00.9999999Z", "0, 0, 999999, tz"),
        ("2024-01-01T00:00:00.123456789%2B05:30", "0, 0, 123456, tz"),
        ("2024-01-01T00:00:00+05:30", "seconds=19800"),  # a plus sign that was not percent-encoded
        ("2024-01-01T00:00:00.5+05:30", "seconds=19800"),
    ],
)
async def test_an_instant_is_read_as_it_was_meant(user: httpx.AsyncClient, sent: str, read: str):
    answer = await user.get(f"{THING}?at={sent}")
    assert (answer.status_code, read in answer.json()["text"]) == (200, True), answer.text


async def test_text_is_not_read_as_an_instant(user: httpx.AsyncClient):
    answer = await user.get(f"{THING}?cursor=2024-01-01T00:00:00.123456999+05:30")
    assert "2024-01-01T00:00:00.123456999 05:30" in answer.json()["text"]


@pytest.mark.parametrize(
    "value", ["", "3 4", '"x"', "*", '"3", "4"', '"3"x', 'w/"3"', '"' + "9" * 30 + '"', "'3'", '"-3"', '"03"']
)
async def test_an_if_match_that_is_not_one_version_is_400(user: httpx.AsyncClient, value: str):
    answer = await user.put(THING, json={"name": "n"}, headers={"If-Match": value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-header")


async def test_if_match_twice_is_400(user: httpx.AsyncClient):
    headers = [("If-Match", '"3"'), ("If-Match", '"4"')]
    assert (await user.put(THING, json={"name": "n"}, headers=headers)).status_code == 400


@pytest.mark.parametrize("value", ['"3"', 'W/"3"', "3"])
async def test_if_match_and_key_reach_the_handler(user: httpx.AsyncClient, value: str):
    answer = await user.put(THING, json={"name": "n"}, headers={"If-Match": value, "Idempotency-Key": "k~!"})
    assert answer.json()["text"] == "3 k~! n"


@pytest.mark.parametrize("value", [b"", b"a b", b"k" * 256, "ä".encode(), b"\x80"])
async def test_a_bad_idempotency_key_is_400(user: httpx.AsyncClient, value: bytes):
    answer = await user.post("/v1/things", json={"name": "n"}, headers={b"Idempotency-Key": value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-header")


async def test_the_key_is_ignored_where_nothing_is_kept(user: httpx.AsyncClient):
    answer = await user.post("/v1/auth/login", json={"name": "n"}, headers={"Idempotency-Key": "k"})
    assert answer.json()["text"] == "None None n"


@pytest.mark.parametrize(
    ("value", "status"),
    [('"3"', 304), ('W/"3"', 304), ('"1", W/"3"', 304), ('"2"', 200), ('"abc"', 200), ("*", 400), ("3", 400)],
)
async def test_if_none_match(user: httpx.AsyncClient, value: str, status: int):
    answer = await user.get(THING, headers={"If-None-Match": value})
    assert answer.status_code == status
    if status == 304:
        assert (answer.content, answer.headers["etag"]) == (b"", '"3"')


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer bad"}, {"Authorization": ""}])
async def test_without_credentials_nothing_else_is_looked_at(http: httpx.AsyncClient, headers: dict[str, str]):
    for answer in (
        await http.get(THING, headers=headers),
        await http.get("/v1/things/zebra?nope=1", headers=headers),
        await http.post("/v1/things", content=b"{", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("value", ["a", "A.b_c-9", "x" * 128])
async def test_a_good_request_id_comes_back(http: httpx.AsyncClient, value: str):
    for path in ("/alive", "/nowhere", "/v1/things/x", "/v1/fail/bug"):
        answer = await http.get(path, headers={"X-Request-ID": value})
        assert answer.headers["x-request-id"] == value
        if answer.status_code >= 400:
            assert answer.json()["request_id"] == value


@pytest.mark.parametrize("value", [b"", b"a b", b"x" * 129, "ä".encode(), b"a/b", b"<script>"])
async def test_a_bad_request_id_is_replaced(http: httpx.AsyncClient, value: bytes):
    answer = await http.get("/alive", headers={b"X-Request-ID": value})
    assert len(answer.headers["x-request-id"]) == 36


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", True),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", False),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("garbage", False),
    ],
)
async def test_a_valid_trace_is_continued_and_another_started_anew(http: httpx.AsyncClient, sent: str, kept: bool):  # noqa: FBT001
    [seen, _, _] = (await http.get("/v1/origin", headers={"traceparent": sent})).json()
    version, trace, span, flags = seen["traceparent"].split("-")
    assert (version, len(trace), len(span)) == ("00", 32, 16)
    assert (trace == "0af7651916cd43dd8448eb211c80319c") == kept
    assert span != "b7ad6b7169203331"
    assert flags == ("01" if kept else "00")


async def test_a_public_route_is_called_by_nobody(http: httpx.AsyncClient):
    [_, actor, _] = (await http.get("/v1/origin", headers=BEARER)).json()
    assert (actor["role"], actor["scopes"], actor["credential"]) == ("anonymous", [], None)


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_bytes_that_are_not_http_are_a_400_problem(base: str, data: bytes):
    received = await raw_exchange(base, data)
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"code":"bad-request"' in received
    assert b"x-request-id: " in received


@pytest.mark.parametrize("split", [True, False])
async def test_a_head_without_end_is_431(base: str, split: bool):  # noqa: FBT001
    head = b"GET /alive HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000
    received = await raw_exchange(base, head if split else head + b"\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 431")
    assert b'"code":"headers-too-large"' in received


async def test_beyond_the_limit_only_vital_routes_answer(base: str, held: Held):
    async with httpx.AsyncClient(base_url=base) as client:
        waiting = [asyncio.create_task(client.get("/v1/slow")) for _ in range(3)]
        async with asyncio.timeout(5):
            for _ in waiting:
                await held.arrived.wait()
            while (shed := await client.get("/v1/origin")).status_code == 200:
                pass
        assert (shed.status_code, shed.json()["code"], shed.headers["retry-after"]) == (503, "overloaded", "1")
        assert (await client.get("/alive")).status_code == 200
        held.release.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 3
        assert (await client.get("/v1/origin")).status_code == 200


async def test_ids_are_made_in_order(http: httpx.AsyncClient):
    before = str(new_id())
    assert (await http.get("/alive")).headers["x-request-id"] > before


async def test_a_form_is_read_like_a_query_string(user: httpx.AsyncClient):
    form = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    answer = await user.post("/odd/things?a=1&a=2", content="b=%C3%A9&b=x+y", headers=form)
    base = str(user.base_url).rstrip("/")
    assert answer.json() == [base, ["a", "1"], ["a", "2"], ["b", "\u00e9"], ["b", "x y"]]
    assert (await user.post("/odd/things")).json() == [base]
    odd = await user.post("/odd/things", content="a=b", headers={**form, "host": "<script>"})
    assert odd.json() == ["", ["a", "b"]]


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}, {"content-type": "text/plain"}])
async def test_what_is_no_form_is_refused_in_the_shape_of_its_path(user: httpx.AsyncClient, headers: dict[str, str]):
    answer = await user.post("/odd/things", content="a=b", headers=headers)
    assert (answer.status_code, answer.json()) == (415, {"what": "unsupported-media-type"})
    assert answer.headers["content-type"] == "application/odd+json"
    assert (await user.get("/odd/nowhere")).json() == {"what": "not-found"}
    assert (await user.get("/oddly")).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content", [b"a=%ff", b"a=\xff", b"a=%00", b"&".join(b"a=%d" % n for n in range(200))])
async def test_a_form_that_cannot_be_read_is_refused(user: httpx.AsyncClient, content: bytes):
    answer = await user.post("/odd/things", content=content, headers={"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()) == (400, {"what": "invalid-parameter"})
