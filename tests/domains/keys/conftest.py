"""Two API processes over one database, a clinic with its people, and who reports leaked keys."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from keepwell.domains import audit, identity, incidents, keys, questionnaires, tenants
from keepwell.domains.audit import routes as audit_routes
from keepwell.domains.identity import Role
from keepwell.domains.identity import routes as identity_routes
from keepwell.domains.incidents import routes as incident_routes
from keepwell.domains.keys import KeyService
from keepwell.domains.keys import routes as key_routes
from keepwell.domains.questionnaires import routes as questionnaire_routes
from keepwell.kernel import Actor, Kernel, Origin
from keepwell.kernel.http import Door
from keepwell.kit.ids import new_id
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.leak_reports import Publisher, Signer
from tests.support.twice import clients_of, kernel_over

ORIGIN = Origin("test", "keys-test")
PASSWORD = "keepwell-demo-pass"
_asyncpg: Any = asyncpg  # partly typed


@dataclass
class Node:
    """One process."""

    kernel: Kernel
    tenants: tenants.TenantService
    identity: identity.IdentityService
    keys: KeyService
    incidents: incidents.IncidentService
    door: Door


@asynccontextmanager
async def opened(url: str, clock: ManualClock, reporters: str | None = None) -> AsyncGenerator[Node]:
    rooms = (tenants, identity, questionnaires, incidents, keys)
    async with kernel_over(url, clock, [each for room in rooms for each in room.AGGREGATES]) as kernel:
        clinics, trail, troubles = tenants.TenantService(kernel), audit.AuditService(kernel), incidents.IncidentService(kernel)
        people = identity.IdentityService(kernel, clinics)
        service = KeyService(kernel, clinics, troubles, trail, reporters)

        def authenticate(authorization: str) -> Any:
            token = identity.bearer(authorization)
            return service.authenticate(token) if token.startswith(keys.PREFIX) else people.authenticate(authorization)

        endpoints = (
            *identity_routes.endpoints(people),
            *questionnaire_routes.endpoints(questionnaires.QuestionnaireService(kernel)),
            *audit_routes.endpoints(trail),
            *incident_routes.endpoints(troubles),
            *key_routes.endpoints(service),
        )
        yield Node(kernel, clinics, people, service, troubles, Door(kernel, authenticate, endpoints))
        people.close()


@pytest.fixture
def signer() -> Signer:
    return Signer("current")


@pytest.fixture
def publisher(signer: Signer) -> Iterator[Publisher]:
    with Publisher(signer).serving() as made:
        yield made


@pytest.fixture
async def node(database_urls: DatabaseUrls, manual_clock: ManualClock, publisher: Publisher) -> AsyncIterator[Node]:
    async with opened(database_urls.app, manual_clock, publisher.url) as made:
        yield made


@pytest.fixture
async def other_node(database_urls: DatabaseUrls, manual_clock: ManualClock, publisher: Publisher) -> AsyncIterator[Node]:
    async with opened(database_urls.app, manual_clock, publisher.url) as made:
        yield made


@dataclass
class Clinic:
    """A clinic of the test's own. `http` speaks as an administrator to one process; `elsewhere` is nobody at the other one."""

    node: Node
    http: httpx.AsyncClient
    elsewhere: httpx.AsyncClient
    clock: ManualClock
    everything: Any
    tenant: UUID
    slug: str

    async def log_in(self, role: Role) -> dict[str, str]:
        email = f"{role}@{self.slug}.test"
        await self.node.identity.users.create_user(self.tenant, email, role, role, PASSWORD, ORIGIN)
        answer = await self.http.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        return {"authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}

    async def make(self, *scopes: str, **more: Any) -> dict[str, Any]:
        """A key just made, as answered."""
        body = {"name": "Nightly import", "scopes": scopes or ("system/Questionnaire.crus",), **more}
        answer = await self.http.post("/v1/keys", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def use(self, issued: dict[str, Any], path: str = "/v1/questionnaires", http: Any = None) -> httpx.Response:
        return await (http or self.elsewhere).get(path, headers={"authorization": f"Bearer {issued['token']}"})

    async def show(self, issued: dict[str, Any]) -> dict[str, Any]:
        answer = await self.http.get(f"/v1/keys/{issued['key']['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def operator(self) -> Actor:
        return tenants.operator(self.tenant)


@asynccontextmanager
async def clinic_of(node: Node, other: Node, clock: ManualClock, urls: DatabaseUrls) -> AsyncGenerator[Clinic]:
    slug = f"c{new_id().hex}"
    tenant = (await node.tenants.create(slug, "A clinic", ORIGIN)).id
    everything = await _asyncpg.connect(urls.superuser)
    async with clients_of(node.door, other.door) as (http, elsewhere):
        made = Clinic(node, http, elsewhere, clock, everything, tenant, slug)
        http.headers.update(await made.log_in("admin"))
        yield made
    await everything.close()


@pytest.fixture
async def clinic(node: Node, other_node: Node, manual_clock: ManualClock, database_urls: DatabaseUrls) -> AsyncIterator[Clinic]:
    async with clinic_of(node, other_node, manual_clock, database_urls) as made:
        yield made


@pytest.fixture
async def other_clinic(
    node: Node, other_node: Node, manual_clock: ManualClock, database_urls: DatabaseUrls
) -> AsyncIterator[Clinic]:
    async with clinic_of(node, other_node, manual_clock, database_urls) as made:
        yield made
