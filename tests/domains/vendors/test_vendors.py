"""Vendors over HTTP, and whether one may have health information on a day."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepwell.domains import tenants, vendors
from keepwell.domains.vendors import VendorService, routes
from keepwell.domains.vendors.models import AddAgreement, ChangeVendor, EndVendor, RegisterVendor
from keepwell.domains.vendors.rules import covered, covered_until
from keepwell.kernel import Actor, Catalog, Kernel, Limits, Origin, Refused, fold
from keepwell.kernel.http import Door
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.desk import Desk
from tests.support.http_server import serving
from tests.support.problems import assert_refused

(VENDOR,) = vendors.AGGREGATES
ID = new_id()
DAY = date(2026, 3, 1)
ORIGIN = Origin("test", "vendors-test")
DAYS = st.integers(-400, 400).map(lambda days: DAY + timedelta(days=days))
COMMANDS = st.one_of(
    st.builds(ChangeVendor, id=st.just(ID), name=st.none() | st.text(max_size=3), contact=st.none() | st.text(max_size=3)),
    st.builds(
        AddAgreement,
        id=st.just(ID),
        agreement=st.uuids(),
        kind=st.sampled_from(["BAA", "other"]),
        valid_from=DAYS,
        valid_until=st.none() | DAYS,
        document=st.just(""),
    ),
    st.just(EndVendor(ID, "enough")),
)


@given(st.lists(COMMANDS, max_size=10), DAYS)
def test_the_state_is_the_fold_of_the_events_and_only_an_agreement_that_holds_covers(commands: list[Any], day: date):
    one = Desk(VENDOR)
    assert one.do(RegisterVendor(ID, "Parcel Pharmacy", ("names",))) is None
    for command in commands:
        one.do(command)
    assert fold(VENDOR, one.events) == one.state
    if covered(one.state, day):
        until = covered_until(one.state)
        assert until is not None
        assert day <= until
        assert any(each.kind == "BAA" and each.valid_from <= day for each in one.state.agreements)
        assert one.state.ended_at is None


class Clinic:
    def __init__(self, http: httpx.AsyncClient, service: VendorService, tenant: UUID, clock: ManualClock) -> None:
        self.http = http
        self.service = service
        self.tenant = tenant
        self.clock = clock

    async def register(self, name: str = "Parcel Pharmacy") -> dict[str, Any]:
        answer = await self.http.post("/v1/vendors", json={"name": name, "touches": ["names"], "contact": "a@b.test"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def sign(self, vendor: dict[str, Any], **agreement: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/v1/vendors/{vendor['id']}/agreements", json=agreement)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refusal(self, vendor: dict[str, Any]) -> str:
        try:
            await self.service.require_agreement(self.tenant, UUID(vendor["id"]), ORIGIN)
        except Refused as refused:
            return refused.refusal.code
        return ""


@pytest.fixture
async def clinic(database_urls: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[Clinic]:
    database = Database(PoolSettings(database_urls.app, largest=4, wait=1.0, connect_timeout=1.0))
    await database.open()
    catalog = Catalog((*tenants.AGGREGATES, *vendors.AGGREGATES))
    kernel = Kernel(database, catalog, KeyRing(MASTER_KEY, manual_clock), manual_clock, Limits())
    tenant = (await tenants.TenantService(kernel).create(f"c{new_id().hex}", "A clinic", ORIGIN)).id
    actors = {
        "Bearer admin": Actor(tenant, new_id(), "admin", ("user/*.cruds",)),
        "Bearer clinician": Actor(tenant, new_id(), "clinician", ("user/Patient.crus",)),
    }
    service = VendorService(kernel)
    door = Door(kernel, actors.__getitem__, routes.endpoints(service))
    async with serving(door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        http.headers["authorization"] = "Bearer admin"
        yield Clinic(http, service, tenant, manual_clock)
    await kernel.close()
    await database.close()


async def test_a_vendor_may_have_health_information_while_an_agreement_holds_and_no_longer(clinic: Clinic):
    vendor = await clinic.register()
    assert await clinic.refusal(vendor) == "vendor-without-agreement"
    await clinic.sign(vendor, valid_from="2020-01-01", kind="other")
    await clinic.sign(vendor, valid_from="2026-03-02", valid_until="2026-03-03")
    assert await clinic.refusal(vendor) == "vendor-without-agreement"
    clinic.clock.advance(days=1)
    assert await clinic.refusal(vendor) == ""
    clinic.clock.advance(days=1)
    assert await clinic.refusal(vendor) == ""
    clinic.clock.advance(days=1)
    assert await clinic.refusal(vendor) == "vendor-without-agreement"
    shown = await clinic.sign(vendor, valid_from="2026-03-01")
    assert (shown["covered_until"], len(shown["agreements"])) == ("9999-12-31", 3)
    assert await clinic.refusal(vendor) == ""
    ended = await clinic.http.post(f"/v1/vendors/{vendor['id']}/end", json={"reason": "enough"})
    assert ended.json()["active"] is False
    assert await clinic.refusal(vendor) == "vendor-without-agreement"


async def test_those_without_an_agreement_and_those_whose_ends_are_listed_for_who_renews_them(clinic: Clinic):
    never, soon, later, gone = [await clinic.register(name) for name in ("Never", "Soon", "Later", "Gone")]
    await clinic.sign(soon, valid_from="2026-01-01", valid_until="2026-03-31")
    await clinic.sign(later, valid_from="2026-01-01", valid_until="2027-03-31")
    await clinic.http.post(f"/v1/vendors/{gone['id']}/end", json={"reason": "enough"})
    items = (await clinic.http.get("/v1/vendors/expiring")).json()["items"]
    assert [item["id"] for item in items] == [never["id"], soon["id"]]
    assert len((await clinic.http.get("/v1/vendors")).json()["items"]) == 4


async def test_a_vendor_is_registered_once_however_its_name_is_written(clinic: Clinic):
    vendor = await clinic.register()
    body: dict[str, Any] = {"name": " PARCEL  pharmacy", "touches": []}
    assert_refused(await clinic.http.post("/v1/vendors", json=body), 409, "vendor-registered")
    await clinic.http.post(f"/v1/vendors/{vendor['id']}/end", json={"reason": "enough"})
    assert (await clinic.http.post("/v1/vendors", json=body)).status_code == 201
    change: dict[str, Any] = {"json": {"contact": "x"}, "headers": {"if-match": '"2"'}}
    assert_refused(await clinic.http.patch(f"/v1/vendors/{vendor['id']}", **change), 409, "vendor-ended")


async def test_another_agreement_under_the_same_idempotency_key_is_noticed(clinic: Clinic):
    vendor = await clinic.register()
    path, headers = f"/v1/vendors/{vendor['id']}/agreements", {"idempotency-key": str(new_id())}
    first, again = [await clinic.http.post(path, json={"valid_from": "2026-01-01"}, headers=headers) for _ in range(2)]
    assert first.json() == again.json()
    other = await clinic.http.post(path, json={"valid_from": "2026-01-02"}, headers=headers)
    assert_refused(other, 422, "idempotency-key-reused")


async def test_what_makes_no_sense_is_refused_and_clinicians_may_nothing(clinic: Clinic):
    vendor = await clinic.register()
    path = f"/v1/vendors/{vendor['id']}"
    wrong = {"valid_from": "2026-02-01", "valid_until": "2026-01-01"}
    assert_refused(await clinic.http.post(f"{path}/agreements", json=wrong), 422, "invalid-vendor")
    assert_refused(await clinic.http.post("/v1/vendors", json={"name": "", "touches": []}), 422, "invalid-vendor")
    headers = {"authorization": "Bearer clinician"}
    assert_refused(await clinic.http.get(path, headers=headers), 403, "forbidden")
    assert_refused(await clinic.http.get("/v1/vendors", headers=headers), 403, "forbidden")
