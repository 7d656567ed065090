"""A clinic with its door to monitors."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from keepwell.domains import monitors, tenants
from keepwell.domains.monitors import MonitorService, MonitorSettings, routes
from keepwell.kernel import Actor, Catalog, Kernel, Limits, Origin
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.http_server import serving

ORIGIN = Origin("test", "monitors-test")
PORTAL: dict[str, Any] = {"name": "Portal", "kind": "http", "target": "https://portal.clinic.example/health", "interval_s": 30}


class Clinic:
    """One clinic, an administrator of which asks."""

    def __init__(self, http: httpx.AsyncClient, service: MonitorService, tenant: UUID, clock: ManualClock) -> None:
        self.http = http
        self.service = service
        self.tenant = tenant
        self.clock = clock
        self.admin = Actor(tenant, new_id(), "admin", ("user/*.cruds",))

    async def create(self, **more: Any) -> dict[str, Any]:
        answer = await self.http.post("/v1/monitors", json=PORTAL | more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def refused(self, **more: Any) -> list[tuple[str, str]]:
        """The pointers and codes of the faults of a monitor that cannot be made."""
        answer = await self.http.post("/v1/monitors", json=PORTAL | more)
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "invalid-monitor", answer.text
        return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]

    async def patch(self, monitor: dict[str, Any], **changes: Any) -> httpx.Response:
        headers = {"if-match": f'"{monitor["version"]}"'}
        return await self.http.patch(f"/v1/monitors/{monitor['id']}", json=changes, headers=headers)


@asynccontextmanager
async def opened(url: str, clock: ManualClock) -> AsyncGenerator[tuple[MonitorService, tenants.TenantService]]:
    """One process's parts."""
    database = Database(PoolSettings(url, largest=4, wait=1.0, connect_timeout=1.0))
    await database.open()
    catalog = Catalog((*tenants.AGGREGATES, *monitors.AGGREGATES))
    kernel = Kernel(database, catalog, KeyRing(MASTER_KEY, clock), clock, Limits())
    await kernel.key_watch.look()
    clinics = tenants.TenantService(kernel)
    try:
        yield MonitorService(kernel, clinics, MonitorSettings()), clinics
    finally:
        await kernel.close()
        await database.close()


@pytest.fixture
async def clinic(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    async with opened(database_urls.app, manual_clock) as (service, clinics):
        tenant = (await clinics.create(f"c{new_id().hex}", "A clinic", ORIGIN)).id
        actors = {
            "Bearer admin": Actor(tenant, new_id(), "admin", ("user/*.cruds",)),
            "Bearer clinician": Actor(tenant, new_id(), "clinician", ("user/Patient.crus",)),
        }
        door = Door(service.kernel, actors.__getitem__, routes.endpoints(service))
        async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
            http.headers["authorization"] = "Bearer admin"
            yield Clinic(http, service, tenant, manual_clock)
