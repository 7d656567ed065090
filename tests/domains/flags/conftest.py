"""Processes that know flags, over one database: each with its own kernel, bus and door."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from keepwell.domains import flags, tenants
from keepwell.domains.flags import FlagService, Freshness
from keepwell.domains.flags import routes as flag_routes
from keepwell.domains.tenants import TenantService
from keepwell.kernel import Actor, Catalog, Kernel, Limits, Origin, Refusal, Refused
from keepwell.kernel.announce import Announcer
from keepwell.kernel.http import Answer, Call, Door, Endpoint
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.problems import UNAUTHENTICATED
from keepwell.kit.ids import new_id
from keepwell.platform.bus import Bus
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.valkey import Valkey, ValkeySettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.flags import FLAGS, NEW
from tests.support.http_server import serving

ORIGIN = Origin("test", "flags-test")
ADMIN = ("user/*.cruds",)
CLINICIAN = ("user/Organization.r", "user/QuestionnaireResponse.crus")
_asyncpg: Any = asyncpg  # partly typed


@dataclass
class Node:
    """One process."""

    kernel: Kernel
    tenants: TenantService
    flags: FlagService
    bus: Bus
    door: Door
    actors: dict[str, Actor]

    async def hears(self) -> bool:
        return self.bus.well


MakeNode = Callable[..., Any]


async def _attempt(service: FlagService, call: Call) -> Answer:
    """Something the program does in a new way for whom a flag says so, and the new way has a fault."""
    if await service.is_on(NEW.key, call.actor) and call.path["how"] == "badly":
        raise RuntimeError("the new way does not work")
    return Answer(204)


def endpoints(service: FlagService) -> tuple[Endpoint, ...]:
    attempt = Endpoint("GET", "/v1/attempts/{how}", partial(_attempt, service), "Try", "Tests", answers={204: None})
    return (*flag_routes.endpoints(service), attempt)


@asynccontextmanager
async def opened(
    url: str, valkey_url: str, clock: ManualClock, freshness: Freshness | None = None, actors: dict[str, Actor] | None = None
) -> AsyncGenerator[Node]:
    known = {} if actors is None else actors

    def authenticate(authorization: str) -> Actor:
        if authorization not in known:
            raise Refused(Refusal(UNAUTHENTICATED))
        return known[authorization]

    async with AsyncExitStack() as stack:
        database = Database(PoolSettings(url, largest=4, wait=1.0, connect_timeout=1.0))
        await database.open()
        stack.push_async_callback(database.close)
        valkey = Valkey(ValkeySettings(valkey_url, timeout=0.5, rest=0.2))
        await valkey.open()
        stack.push_async_callback(valkey.close)
        catalog, bus = Catalog((*tenants.AGGREGATES, *flags.AGGREGATES)), Bus(valkey)
        kernel = Kernel(database, catalog, KeyRing(MASTER_KEY, clock), clock, Limits(), announcer=Announcer(catalog, bus))
        stack.push_async_callback(kernel.close)
        clinics = TenantService(kernel)
        service = FlagService(kernel, clinics, FLAGS, freshness)
        await bus.open()
        stack.push_async_callback(bus.close)
        yield Node(kernel, clinics, service, bus, Door(kernel, authenticate, endpoints(service)), known)


@pytest.fixture
async def node(database_urls: DatabaseUrls, valkey_url: str, manual_clock: ManualClock) -> AsyncIterator[Node]:
    async with opened(database_urls.app, valkey_url, manual_clock) as made:
        yield made


@dataclass
class Clinic:
    """A clinic of the test's own, reached over HTTP. `http` speaks as an administrator unless told otherwise."""

    node: Node
    http: httpx.AsyncClient
    clock: ManualClock
    everything: Any
    tenant: UUID
    slug: str
    names: dict[str, Actor] = field(default_factory=dict[str, Actor])

    def acting(self, name: str, scopes: tuple[str, ...] = CLINICIAN, role: str = "clinician") -> dict[str, str]:
        """Headers that speak for an actor of this name."""
        actor = Actor(self.tenant, new_id(), role, scopes)
        self.names[name] = self.node.actors[f"Bearer {name}"] = actor
        return {"authorization": f"Bearer {name}"}

    async def put(self, key: str, version: int, body: dict[str, Any]) -> httpx.Response:
        return await self.http.put(f"/v1/flags/{key}", json=body, headers={"if-match": f'"{version}"'})

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.http.post(f"/v1/flags/{path}", json=body, headers=headers)

    async def show(self, key: str) -> dict[str, Any]:
        answer = await self.http.get(f"/v1/flags/{key}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def value(self, key: str, name: str = "admin") -> Any:
        return (await self.node.flags.evaluator.evaluate(key, flags.Asked(self.tenant, str(self.names[name].id)))).value


@asynccontextmanager
async def clinic_of(node: Node, clock: ManualClock, urls: DatabaseUrls) -> AsyncGenerator[Clinic]:
    slug = f"c{new_id().hex}"
    tenant = (await node.tenants.create(slug, "A clinic", ORIGIN)).id
    everything = await _asyncpg.connect(urls.superuser)
    async with serving(node.door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        clinic = Clinic(node, http, clock, everything, tenant, slug)
        http.headers.update(clinic.acting("admin", ADMIN, "admin"))
        yield clinic
    await everything.close()


@pytest.fixture
async def clinic(node: Node, manual_clock: ManualClock, database_urls: DatabaseUrls) -> AsyncIterator[Clinic]:
    async with clinic_of(node, manual_clock, database_urls) as made:
        yield made
