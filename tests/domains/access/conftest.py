"""Two API processes over one database, and a clinic with an administrator and clinicians."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from keepwell.domains import access, audit, identity, tenants
from keepwell.domains.access import AccessService
from keepwell.domains.access import routes as access_routes
from keepwell.domains.audit import routes as audit_routes
from keepwell.domains.identity import Role
from keepwell.domains.identity import routes as identity_routes
from keepwell.kernel import Kernel, Origin
from keepwell.kernel.http import Door
from keepwell.kit.ids import new_id
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.twice import clients_of, kernel_over

ORIGIN = Origin("test", "access-test")
PASSWORD = "keepwell-demo-pass"
_asyncpg: Any = asyncpg  # partly typed
REASON = "Unconscious patient, nobody else is reachable"


@dataclass
class Node:
    """One process."""

    kernel: Kernel
    tenants: tenants.TenantService
    identity: identity.IdentityService
    access: AccessService
    door: Door


@asynccontextmanager
async def opened(url: str, clock: ManualClock) -> AsyncGenerator[Node]:
    aggregates = (*tenants.AGGREGATES, *identity.AGGREGATES, *access.AGGREGATES)
    async with kernel_over(url, clock, aggregates) as kernel:
        clinics = tenants.TenantService(kernel)
        people = identity.IdentityService(kernel, clinics)
        service = AccessService(kernel, people)
        endpoints = (
            *identity_routes.endpoints(people),
            *audit_routes.endpoints(audit.AuditService(kernel)),
            *access_routes.endpoints(service),
        )
        yield Node(kernel, clinics, people, service, Door(kernel, people.authenticate, endpoints))
        people.close()


@pytest.fixture
async def node(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Node]:
    async with opened(database_urls.app, manual_clock) as made:
        yield made


@pytest.fixture
async def other_node(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Node]:
    async with opened(database_urls.app, manual_clock) as made:
        yield made


@dataclass
class Clinic:
    """A clinic of the test's own. `http` speaks to one process, `elsewhere` to the other."""

    node: Node
    http: httpx.AsyncClient
    elsewhere: httpx.AsyncClient
    clock: ManualClock
    everything: Any
    tenant: UUID
    slug: str

    async def log_in(self, role: Role, name: str = "") -> dict[str, str]:
        email = f"{name or role}@{self.slug}.test"
        await self.node.identity.users.create_user(self.tenant, email, role, role, PASSWORD, ORIGIN)
        answer = await self.http.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        return bearer(answer.raise_for_status().json())

    async def begin(self, headers: dict[str, str], **more: Any) -> dict[str, Any]:
        answer = await self.http.post("/v1/break-glass", json={"reason": REASON, **more}, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {session['access_token']}"}


@pytest.fixture
async def clinic(node: Node, other_node: Node, manual_clock: ManualClock, database_urls: DatabaseUrls) -> AsyncIterator[Clinic]:
    slug = f"c{new_id().hex}"
    tenant = (await node.tenants.create(slug, "A clinic", ORIGIN)).id
    everything = await _asyncpg.connect(database_urls.superuser)
    async with clients_of(node.door, other_node.door) as (http, elsewhere):
        yield Clinic(node, http, elsewhere, manual_clock, everything, tenant, slug)
    await everything.close()
