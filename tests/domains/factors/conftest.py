"""Factors on a real database: a clinic, its people, their apps and passkeys, and the HTTP door in front of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest

from keepwell.domains import factors, identity, tenants
from keepwell.domains.audit import AuditService
from keepwell.domains.audit import routes as audit_routes
from keepwell.domains.factors import routes as factor_routes
from keepwell.domains.identity import IdentityService, Role
from keepwell.domains.identity import routes as identity_routes
from keepwell.domains.tenants import Clinic, TenantService
from keepwell.kernel import Catalog, Kernel, Limits, Origin
from keepwell.kernel.http import Credentials, Door
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.authenticator import Authenticator
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.http_server import serving
from tests.support.mail_server import MailServer, mail_server
from tests.support.totp import app_code

PASSWORD = "keepwell-demo-pass"
ORIGIN = Origin("test", "factors-test")
Session = dict[str, Any]


@dataclass
class World:
    """A clinic of this test's own, reached over HTTP."""

    kernel: Kernel
    identity: IdentityService
    clock: ManualClock
    clinic: Clinic
    http: httpx.AsyncClient
    everything: Any
    mail: MailServer
    secrets: dict[str, str] = field(default_factory=dict[str, str])

    async def person(self, name: str, role: Role = "clinician", password: str | None = PASSWORD) -> Any:
        return await self.identity.users.create_user(self.clinic.id, self.email(name), name, role, password, ORIGIN)

    def email(self, name: str) -> str:
        return f"{name}@{self.clinic.slug}.test"

    async def login(self, name: str) -> httpx.Response:
        return await self.http.post("/v1/auth/login", json={"email": self.email(name), "password": PASSWORD})

    async def logged_in(self, name: str, role: Role = "clinician") -> Session:
        """A person just made, who has no factor yet."""
        await self.person(name, role)
        answer = await self.login(name)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def send(self, method: str, path: str, session: Session, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {session['access_token']}", **more}
        return await self.http.request(method, path, headers=headers, **({} if body is None else {"json": body}))

    async def with_app(self, name: str, role: Role = "clinician") -> Session:
        """A person with a confirmed authenticator app; the code that confirmed it is used up, so the clock goes on."""
        session = await self.logged_in(name, role)
        offered = await self.send("POST", "/v1/auth/factors/totp", session)
        assert offered.status_code == 201, offered.text
        self.secrets[name] = offered.json()["secret"]
        confirmed = await self.send("POST", "/v1/auth/factors/totp/confirm", session, {"code": self.code(name)})
        assert confirmed.status_code == 200, confirmed.text
        self.clock.advance(seconds=30)
        return session

    async def with_passkey(self, name: str, role: Role = "clinician") -> tuple[Session, Authenticator]:
        session = await self.logged_in(name, role)
        return session, await self.add_passkey(session)

    async def add_passkey(self, session: Session) -> Authenticator:
        authenticator = Authenticator()
        begun = (await self.send("POST", "/v1/auth/factors/passkeys/options", session)).json()
        body = {"challenge": begun["challenge"], "name": "Phone", "credential": authenticator.create(begun["options"])}
        added = await self.send("POST", "/v1/auth/factors/passkeys", session, body)
        assert added.status_code == 201, added.text
        return authenticator

    def code(self, name: str) -> str:
        return app_code(self.secrets[name], self.clock.now())

    async def challenge(self, name: str) -> dict[str, Any]:
        """What a login with the right password is answered by."""
        answer = await self.login(name)
        assert (answer.status_code, answer.json()["code"]) == (401, "second-factor-required"), answer.text
        return answer.json()

    async def second(self, asked: dict[str, Any], method: str, **shown: Any) -> httpx.Response:
        body = {"challenge": asked["challenge"], "method": method, **shown}
        return await self.http.post("/v1/auth/second-factor", json=body)

    async def attempts(self) -> list[tuple[str, str]]:
        """What the audit says of attempts in this clinic that failed: action and reason, oldest first."""
        rows = await self.everything.fetch(
            "SELECT action, outcome FROM access_record WHERE tenant_id = $1 AND role = 'anonymous' ORDER BY at, id",
            self.clinic.id,
        )
        return [(row["action"], row["outcome"]) for row in rows]


async def _connected(url: str) -> Any:
    return await asyncpg.connect(url)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def world(database_urls: DatabaseUrls, manual_clock: ManualClock, mail: MailServer) -> AsyncIterator[World]:
    database = Database(PoolSettings(database_urls.app, largest=4, wait=1.0, connect_timeout=1.0))
    await database.open()
    ring = KeyRing(MASTER_KEY, manual_clock)
    rooms = (*tenants.AGGREGATES, *identity.AGGREGATES, *factors.AGGREGATES)
    kernel = Kernel(database, Catalog(rooms), ring, manual_clock, Limits())
    clinics = TenantService(kernel)
    parts = factors.FactorGate(kernel, factors.FactorSettings(smtp_url=mail.url, oidc_allow_private=True))
    people = IdentityService(kernel, clinics, second=parts.gate)
    service = factors.FactorService(kernel, people, parts)
    trail = audit_routes.endpoints(AuditService(kernel))
    table = (*identity_routes.endpoints(people), *factor_routes.endpoints(service), *trail)
    door = Door(kernel, Credentials(people.authenticate, people.cookies), table)
    everything = await _connected(database_urls.superuser)
    clinic = await clinics.ensure(f"c{new_id().hex}", "A clinic", ORIGIN)
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        yield World(kernel, people, manual_clock, clinic, http, everything, mail)
    await service.close()
    await everything.close()
    await kernel.close()
    people.close()
    await database.close()
