"""Answers in fewer bytes: only where the caller takes them, the endpoint allows it, and it pays."""

import asyncio
import gzip
import random
import threading
import zlib
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, cast

import brotli
import httpx
import msgspec
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from keepwell.kernel.http import Answer, Call, Door, Endpoint, Fixed, coding
from keepwell.kernel.http.coding import CODINGS, SMALLEST, Coder, Coding, preferred
from keepwell.kernel.problems import Fault, ProblemType, Refusal, Refused
from tests.kernel.http.conftest import Echo, Held, authenticate
from tests.support.http_server import serving
from tests.support.waiting import eventually_async

_brotli: Any = brotli
DECODED: dict[str, Any] = {"zstd": zstd.decompress, "br": _brotli.decompress, "gzip": gzip.decompress}
NAMES = [each.name for each in CODINGS]
LARGE = msgspec.json.encode([{"id": number, "text": "an answer of ordinary length"} for number in range(200)])
HUGE = msgspec.json.encode([{"id": number, "text": "an answer of ordinary length"} for number in range(20_000)])
NOISE = b"".join(sha256(bytes([number])).digest() for number in range(150))
PARTS = (b'{"outcomes":[' + LARGE, b"," + LARGE, b"]}")
MANY_FAULTS = ProblemType("many-faults", 422, "Much is wrong", "Correct it.")
FIXED = Fixed(LARGE)


async def sized(call: Call) -> Answer:
    return Answer(body=b"x" * int(call.path["size"]), headers={"etag": '"3"'})


async def large(_: Call) -> Answer:
    return Answer(body=LARGE, headers={"ETag": '"3"'})


async def shaped(call: Call) -> Answer:
    return Answer(201, Echo(call.id, "x" * 3_000))


async def huge(_: Call) -> Answer:
    return Answer(body=HUGE)


async def noise(_: Call) -> Answer:
    return Answer(body=NOISE)


async def fixed(_: Call) -> Answer:
    return Answer(body=FIXED, headers={"etag": FIXED.tag})


async def nothing(_: Call) -> Answer:
    return Answer(204)


async def fault(_: Call) -> Answer:
    raise Refused(Refusal(MANY_FAULTS, faults=tuple(Fault(f"/{at}", "wrong", "Not like this") for at in range(100))))


async def outcome(_: Call) -> Answer:
    return Answer(422, LARGE)


async def parts(call: Call) -> Answer:
    held = cast("Held", call.kernel)

    async def made() -> AsyncIterator[bytes]:
        yield PARTS[0]
        held.arrived.set()
        await held.release.wait()
        yield PARTS[1]
        yield PARTS[2]

    return Answer(body=made())


async def broken(_: Call) -> Answer:
    async def made() -> AsyncIterator[bytes]:
        yield PARTS[0]
        raise ConnectionError

    return Answer(body=made())


def get(path: str, handler: Any, *, compressed: bool | None = True, **more: Any) -> Endpoint:
    return Endpoint("GET", path, handler, path, "Coding", public=True, compressed=compressed, **more)


ENDPOINTS = (
    get("/sized/{size}", sized, etag=True),
    get("/large", large, etag=True),
    get("/shaped", shaped),
    get("/huge", huge),
    get("/noise", noise),
    get("/fixed", fixed, etag=True),
    get("/nothing", nothing),
    get("/fault", fault, problems=(MANY_FAULTS,)),
    get("/outcome", outcome, answers={422: None}),
    get("/parts", parts),
    get("/broken", broken),
    get("/undecided", large, compressed=None),
    get("/never", large, compressed=False),
)


@pytest.fixture
async def http(held: Held) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(Door(cast("Any", held), authenticate, ENDPOINTS)) as base,
        httpx.AsyncClient(base_url=base, timeout=10, headers={"accept-encoding": ""}) as client,
    ):
        yield client


async def raw(http: httpx.AsyncClient, path: str, accept: str | None, method: str = "GET", **headers: str) -> httpx.Response:
    """The answer with its bytes as they came, in `extensions`."""
    wanted = {**headers, **({} if accept is None else {"accept-encoding": accept})}
    async with http.stream(method, path, headers=wanted) as answer:
        answer.extensions["raw"] = b"".join([chunk async for chunk in answer.aiter_raw()])
    return answer


def received(answer: httpx.Response) -> bytes:
    """What the answer says, decoded by somebody else's code."""
    content: bytes = answer.extensions["raw"]
    name = answer.headers.get("content-encoding")
    return content if name is None else DECODED[name](content)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, None),
        (b"", None),
        (b"gzip", "gzip"),
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"gzip, deflate, br", "br"),
        (b"gzip;q=1.0, br;q=0.5", "gzip"),
        (b"gzip;q=0.4,br;q=0.5 , zstd;q=0.45", "br"),
        (b"br;q=0", None),
        (b"br;q=0.000", None),
        (b"*", "zstd"),
        (b"*;q=0", None),
        (b"zstd;q=0, *;q=0.1", "br"),
        (b"*;q=0, gzip", "gzip"),
        (b"identity", None),
        (b"identity;q=0", None),
        (b"identity, gzip;q=0.9", None),
        (b"identity;q=0.5, gzip;q=0.5", "gzip"),
        (b"identity;q=0.5, br;q=0.4, gzip;q=0.6", "gzip"),
        (b"GZIP ; Q=0.8", "gzip"),
        (b"x-gzip", "gzip"),
        (b"deflate, compress", None),
        (b"gzip;q=2", None),
        (b"gzip;q=0.1234", None),
        (b"gzip;level=9", None),
        (b",, gzip ,", "gzip"),
        (b"\xff\xfe, br", "br"),
        (b"gzip" + b", x" * 300, "gzip"),
    ],
)
def test_the_coding_liked_best_is_taken(accept: bytes | None, chosen: str | None):
    found = preferred(accept)
    assert (found and found.name) == chosen


weights = st.dictionaries(
    st.sampled_from([*NAMES, "identity", "*", "deflate"]), st.integers(0, 1000).map(lambda part: part / 1000)
)


@given(weights=weights, order=st.randoms())
def test_nothing_is_sent_that_a_caller_likes_less_than_something_else_we_have(weights: dict[str, float], order: random.Random):
    elements = [f"{name};q={weight:.3f}" for name, weight in weights.items()]
    order.shuffle(elements)
    found = preferred(", ".join(elements).encode())
    liked = {name: weights.get(name, weights.get("*", 0.0)) for name in NAMES}
    best, plain = max(liked.values()), weights.get("identity", 0.0)
    if best == 0 or best < plain:
        assert found is None
    else:
        assert found is not None
        assert found.name == next(name for name in NAMES if liked[name] == best)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["/large", "/huge", "/fixed", "/shaped"])
async def test_what_arrives_is_what_was_meant_in_fewer_bytes(http: httpx.AsyncClient, path: str, name: str):
    plain, smaller = await raw(http, path, ""), await raw(http, path, name)
    assert "content-encoding" not in plain.headers
    assert smaller.headers["content-encoding"] == name
    assert received(smaller) == received(plain)
    assert len(smaller.extensions["raw"]) < len(plain.extensions["raw"]) / 4
    assert int(smaller.headers["content-length"]) == len(smaller.extensions["raw"])
    assert plain.headers["vary"] == smaller.headers["vary"] == "Accept-Encoding"
    assert smaller.headers["content-type"] == plain.headers["content-type"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_small_answer_is_left_alone(http: httpx.AsyncClient, name: str):
    below, at = await raw(http, f"/sized/{SMALLEST - 1}", name), await raw(http, f"/sized/{SMALLEST}", name)
    assert below.headers.keys().isdisjoint({"content-encoding", "vary"})
    assert below.headers["etag"] == '"3"'
    assert at.headers["content-encoding"] == name


async def test_a_compressed_answer_has_a_weak_tag_and_both_forms_of_it_are_known(http: httpx.AsyncClient):
    """Also the 304 says it in the form that the whole answer would have had, for the cache to find what it holds."""
    for path, tag in (("/large", '"3"'), ("/fixed", FIXED.tag)):
        assert (await raw(http, path, "")).headers["etag"] == tag
        assert (await raw(http, path, "br")).headers["etag"] == f"W/{tag}"
        for known in (tag, f"W/{tag}", f'"other", W/{tag}'):
            for accept, told in (("", tag), ("br", f"W/{tag}")):
                answer = await raw(http, path, accept, **{"if-none-match": known})
                assert (answer.status_code, answer.headers["etag"], answer.extensions["raw"]) == (304, told, b"")
                assert answer.headers["vary"] == "Accept-Encoding"
                assert "content-encoding" not in answer.headers
        assert (await raw(http, path, "br", **{"if-none-match": '"other"'})).status_code == 200


@pytest.mark.parametrize("accept", ["", *NAMES])
@pytest.mark.parametrize("path", ["/large", "/fixed", "/sized/10"])
async def test_head_says_what_get_would(http: httpx.AsyncClient, path: str, accept: str):
    answer, head = await raw(http, path, accept), await raw(http, path, accept, "HEAD")
    own = {"x-request-id", "date"}
    assert {name: value for name, value in head.headers.items() if name not in own} == {
        name: value for name, value in answer.headers.items() if name not in own
    }
    assert head.extensions["raw"] == b""


@pytest.mark.parametrize("path", ["/undecided", "/never", "/fault", "/outcome", "/nothing"])
async def test_what_nobody_allowed_and_what_is_refused_is_never_compressed(http: httpx.AsyncClient, path: str):
    answer = await raw(http, path, "zstd, br, gzip")
    assert answer.headers.keys().isdisjoint({"content-encoding", "vary"})
    assert path == "/nothing" or len(answer.extensions["raw"]) > SMALLEST


async def test_what_gets_no_smaller_is_sent_as_it_is(http: httpx.AsyncClient):
    answer = await raw(http, "/noise", "zstd, br, gzip")
    assert answer.extensions["raw"] == NOISE
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", NAMES)
async def test_each_part_can_be_read_before_the_next_one_is_made(http: httpx.AsyncClient, held: Held, name: str):
    decoders: dict[str, Any] = {
        "zstd": zstd.ZstdDecompressor().decompress,
        "br": _brotli.Decompressor().process,
        "gzip": zlib.decompressobj(31).decompress,
    }
    read = b""
    async with asyncio.timeout(10), http.stream("GET", "/parts", headers={"accept-encoding": name}) as answer:
        assert answer.headers["content-encoding"] == name
        chunks = answer.aiter_raw()
        while len(read) < len(PARTS[0]):
            read += decoders[name](await anext(chunks))
        assert read == PARTS[0]
        assert not held.release.is_set()
        held.release.set()
        async for chunk in chunks:
            read += decoders[name](chunk)
    assert read == b"".join(PARTS)


@pytest.mark.parametrize("accept", ["", *NAMES])
async def test_an_answer_that_breaks_off_is_seen_to(http: httpx.AsyncClient, accept: str):
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        await raw(http, "/broken", accept)


async def test_bytes_before_and_after_are_counted(http: httpx.AsyncClient):
    def counted(which: str) -> float:
        return REGISTRY.get_sample_value(f"keepwell_http_compression_{which}_bytes_total", {"coding": "br"}) or 0

    before = counted("in"), counted("out")
    small = await raw(http, "/large", "br")
    await raw(http, "/noise", "br")
    assert counted("in") - before[0] == len(LARGE) + len(NOISE)
    assert counted("out") - before[1] == len(small.extensions["raw"]) + len(NOISE)


class Press:
    """Compresses nothing, and remembers by which threads it was asked to."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.inside = 0
        self.most = 0
        self.go = threading.Event()
        self._lock = threading.Lock()

    def press(self, content: bytes) -> bytes:
        with self._lock:
            self.threads.append(threading.get_ident())
            self.inside += 1
            self.most = max(self.most, self.inside)
        if len(content) > 10:
            self.go.wait(5)
        with self._lock:
            self.inside -= 1
        return content[:1]

    def coding(self) -> Coding:
        return Coding("press", self.press, self.press, coding._GzipStream, 10)


async def test_large_answers_are_compressed_in_threads_and_only_so_many_at_once():
    press, coder = Press(), Coder()
    await coder.compress(Answer(body=b"x" * 10), press.coding())
    assert press.threads == [threading.get_ident()]
    answers = [Answer(body=b"x" * 11) for _ in range(6)]
    running = [asyncio.create_task(coder.compress(answer, press.coding())) for answer in answers]

    async def two_inside() -> bool:
        return press.inside == 2

    await eventually_async(two_inside)
    press.go.set()
    await asyncio.gather(*running)
    assert (press.most, len(press.threads)) == (2, 7)
    assert threading.get_ident() not in press.threads[1:]
    assert {cast("bytes", answer.body) for answer in answers} == {b"x"}


async def test_what_stays_the_same_is_compressed_once_for_each_coding():
    press, coder, body = Press(), Coder(), Fixed(b"x" * 10)
    for _ in range(3):
        answer = Answer(body=body)
        await coder.compress(answer, press.coding())
        assert (answer.body, answer.headers["content-encoding"]) == (b"x", "press")
    assert len(press.threads) == 1
