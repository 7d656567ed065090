"""A small door with one route for each thing the door does. Nothing here reaches a kernel: no command is executed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import httpx
import msgspec
import pytest

from keepwell.kernel.envelope import Actor
from keepwell.kernel.http import FORM, Answer, Call, Door, Endpoint, Example, Limits, Pages, RefusalForm
from keepwell.kernel.problems import OVERLOADED, UNAUTHENTICATED, Fault, ProblemType, Refusal, Refused
from keepwell.kit.ids import new_id
from tests.support.http_server import serving

TEAPOT = ProblemType("teapot", 409, "It is a teapot", "Brew tea.")
USER = Actor(new_id(), new_id(), "clinician", ("user/*.cruds",))
BEARER = {"Authorization": "Bearer good"}


class Part(msgspec.Struct, forbid_unknown_fields=True):
    count: Annotated[int, msgspec.Meta(ge=0)]
    kind: Literal["a", "b"] = "a"


class Thing(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    parts: list[Part] = []
    parent: UUID | None = None
    at: datetime | None = None
    answers: dict[str, Any] = {}
    weights: dict[str, float] = {}
    raw: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Filter(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: str | None = None
    at: datetime | None = None
    deep: bool = False


class Echo(msgspec.Struct):
    id: UUID
    text: str


class Trouble(msgspec.Struct):
    what: str


class OutageError(Exception):
    pass


def authenticate(authorization: str) -> Actor:
    if authorization != "Bearer good":
        raise Refused(Refusal(UNAUTHENTICATED))
    return USER


def outages(error: Exception) -> Refusal | None:
    return Refusal(OVERLOADED, retry_after=7) if isinstance(error, OutageError) else None


async def show(call: Call) -> Answer:
    return Answer(body=Echo(call.id, repr(call.query)), headers={"ETag": '"3"'})


async def keep(call: Call) -> Answer:
    text = f"{call.if_match} {call.idempotency_key} {call.body.name}"
    return Answer(201, Echo(call.id, text), {"Location": "/v1/things/x"})


async def fail(call: Call) -> Answer:
    match call.path["how"]:
        case "refused":
            extra = {"current_version": 4, "code": "x"}
            raise Refused(Refusal(TEAPOT, "Short and stout.", (Fault("/spout", "hot", "Mind it"),), extra))
        case "outage":
            raise OutageError("secret-canary-value")
        case "bug":
            raise KeyError("secret-canary-value")
        case _:
            return Answer(204)


async def refuse(_: Call) -> Answer:
    raise Refused(Refusal(TEAPOT))


async def close(_: Call) -> Answer:
    return Answer(204)


async def slow(call: Call) -> Answer:
    held = cast("Held", call.kernel)
    held.arrived.set()
    await held.release.wait()
    return Answer(body=b"{}")


async def alive(_: Call) -> Answer:
    return Answer(body=b"{}")


async def origin(call: Call) -> Answer:
    return Answer(body=msgspec.json.encode([call.origin, call.actor, dict(call.headers)]))


async def pairs(call: Call) -> Answer:
    return Answer(body=msgspec.json.encode([call.base, *call.pairs]))


def shaped(refusal: Refusal, instance: str, request_id: str) -> Answer:
    assert instance.startswith("/odd")
    assert request_id
    return Answer(refusal.type.status, Trouble(refusal.code), {}, "application/odd+json")


class Held:
    """Lets a test hold a request inside its handler. It sits where a kernel would; these routes use none."""

    positions = None

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()


THING = Example(
    Thing(name="a thing", parts=[Part(2)]),
    Echo(UUID("01890a5d-ac96-774b-bcce-b302099a8057"), "a <b>thing</b>"),
    (Refusal(TEAPOT, "Short and stout.", (Fault("/spout", "hot", "Mind it"),), {"current_version": 4}),),
)
ENDPOINTS = (
    Endpoint("GET", "/v1/things/{id}", show, "Show", "Things", query=Filter, answers={200: Echo}, etag=True, hot=True),
    Endpoint(
        "PUT",
        "/v1/things/{id}",
        keep,
        "Put",
        "Things",
        Thing,
        answers={201: Echo},
        guarded=True,
        problems=(TEAPOT,),
        example=THING,
    ),
    Endpoint("POST", "/v1/things", keep, "Create", "Things", body=Thing, answers={201: Echo}, body_limit=10_000, example=THING),
    Endpoint("POST", "/v1/things/bulk", keep, "Create many", "Things", body=Thing, answers={201: Echo}, body_limit=2_000_000),
    Endpoint("POST", "/v1/things/close", close, "Close", "Things", answers={204: None}),
    Endpoint("POST", "/v1/auth/login", keep, "Log in", "Auth", body=Thing, answers={201: Echo}, public=True, idempotent=False),
    Endpoint("GET", "/v1/fail/{how}", fail, "Fail", "Faults", problems=(TEAPOT,), answers={204: None}, public=True),
    Endpoint(
        "POST", "/v1/of/{clinic}/told/{secret}", refuse, "Tell", "Faults", problems=(TEAPOT,), conceals="secret", public=True
    ),
    Endpoint("GET", "/v1/slow", slow, "Wait", "Faults", answers={200: dict[str, Any]}, public=True),
    Endpoint("GET", "/v1/origin", origin, "Origin", "Faults", answers={200: list[Any]}, public=True),
    Endpoint(
        "POST",
        "/odd/things",
        pairs,
        "Ask by form",
        "Odd",
        body=Filter,
        takes=FORM,
        query=Filter,
        pairs=True,
        answers={200: list[Any]},
        idempotent=False,
        refused_as=RefusalForm("application/odd+json", Trouble, shaped),
    ),
    Endpoint("GET", "/alive", alive, "Alive", "Faults", answers={200: dict[str, Any]}, public=True, vital=True),
)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def pages() -> Pages:
    return Pages(ENDPOINTS, (TEAPOT,), "1.2.3")


@pytest.fixture
async def base(held: Held, pages: Pages) -> AsyncIterator[str]:
    door = Door(
        cast("Any", held), authenticate, pages.endpoints, outages=outages, shapes={"/odd": shaped}, limits=Limits(in_flight=3)
    )
    async with serving(door) as address:
        yield address


@pytest.fixture
async def http(base: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base, timeout=10) as client:
        yield client


@pytest.fixture
async def user(base: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base, timeout=10, headers=BEARER) as client:
        yield client
