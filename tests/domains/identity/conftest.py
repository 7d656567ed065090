"""Identity on a real database: a clinic, its people, and the HTTP door in front of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest

from keepwell.domains import identity, tenants
from keepwell.domains.audit import AuditService
from keepwell.domains.audit import routes as audit_routes
from keepwell.domains.identity import IdentityService, Role, Settings, UserView
from keepwell.domains.identity.routes import endpoints
from keepwell.domains.tenants import Clinic, TenantService
from keepwell.kernel import Catalog, Kernel, Limits, Origin, Refusal
from keepwell.kernel.http import Credentials, Door
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.problems import UNAVAILABLE
from keepwell.kit.ids import new_id
from keepwell.platform.counts import Counts
from keepwell.platform.postgres import Database, DatabaseUnavailable, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.http_server import serving

PASSWORD = "keepwell-demo-pass"
ORIGIN = Origin("test", "identity-test")


@dataclass
class Node:
    """One API process: its own pool, kernel, keys in memory, hashing threads and door."""

    database: Database
    kernel: Kernel
    tenants: TenantService
    identity: IdentityService
    door: Door

    async def close(self) -> None:
        await self.kernel.key_watch.close()
        await self.kernel.close()
        self.identity.close()
        await self.database.close()


def outages(error: Exception) -> Refusal | None:
    return Refusal(UNAVAILABLE, retry_after=error.retry_after) if isinstance(error, DatabaseUnavailable) else None


async def make_node(url: str, clock: ManualClock, settings: Settings | None = None, counts: Counts | None = None) -> Node:
    database = Database(PoolSettings(url, largest=4, wait=1.0, connect_timeout=1.0))
    await database.open()
    ring = KeyRing(MASTER_KEY, clock)
    kernel = Kernel(database, Catalog((*tenants.AGGREGATES, *identity.AGGREGATES)), ring, clock, Limits())
    await kernel.key_watch.open()
    clinics = TenantService(kernel)
    service = IdentityService(kernel, clinics, settings, counts)
    table = (*endpoints(service), *audit_routes.endpoints(AuditService(kernel)))
    door = Door(kernel, Credentials(service.authenticate, service.cookies), table, outages=outages)
    return Node(database, kernel, clinics, service, door)


@dataclass
class World:
    """A clinic of this test's own, reached over HTTP."""

    node: Node
    clock: ManualClock
    clinic: Clinic
    http: httpx.AsyncClient
    everything: Any
    people: dict[str, UserView] = field(default_factory=dict[str, UserView])

    async def person(self, name: str, role: Role = "clinician", password: str | None = PASSWORD) -> UserView:
        """An account named after this clinic, so that addresses never meet those of another test."""
        view = await self.node.identity.users.create_user(self.clinic.id, self.email(name), name, role, password, ORIGIN)
        self.people[name] = view
        return view

    def email(self, name: str) -> str:
        return f"{name}@{self.clinic.slug}.test"

    async def login(self, name: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
        return await self.http.post("/v1/auth/login", json={"email": self.email(name), "password": password, **more})

    async def logged_in(self, name: str) -> dict[str, Any]:
        answer = await self.login(name)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get(self, path: str, session: dict[str, Any]) -> httpx.Response:
        return await self.http.get(path, headers=bearer(session))

    async def attempts(self, tenant: Any = None) -> list[tuple[str, str]]:
        """What the audit says of failed attempts in this clinic (or another tenant): action and reason, oldest first."""
        rows = await self.everything.fetch(
            "SELECT action, outcome FROM access_record WHERE tenant_id = $1 AND role = 'anonymous' ORDER BY at, id",
            tenant or self.clinic.id,
        )
        return [(row["action"], row["outcome"]) for row in rows]


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {session['access_token']}"}


@pytest.fixture
async def node(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Node]:
    made = await make_node(database_urls.app, manual_clock)
    yield made
    await made.close()


@pytest.fixture
async def other_node(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Node]:
    made = await make_node(database_urls.app, manual_clock)
    yield made
    await made.close()


async def _connected(url: str) -> Any:
    return await asyncpg.connect(url)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@pytest.fixture
async def everything(database_urls: DatabaseUrls) -> AsyncIterator[Any]:
    """A connection that row-level security does not hold: for looking at what was stored."""
    connection = await _connected(database_urls.superuser)
    yield connection
    await connection.close()


@pytest.fixture
async def world(node: Node, manual_clock: ManualClock, everything: Any) -> AsyncIterator[World]:
    clinic = await node.tenants.ensure(f"c{new_id().hex}", "A clinic", ORIGIN)
    async with serving(node.door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        yield World(node, manual_clock, clinic, http, everything)
