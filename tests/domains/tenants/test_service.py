"""Clinics on a real database."""

from collections.abc import AsyncIterator

import pytest

from keepwell.domains import tenants
from keepwell.domains.tenants import TenantService, operator
from keepwell.kernel import Catalog, Kernel, Limits, Origin, Refused
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls

ORIGIN = Origin("test", "tenants-test")


@pytest.fixture
async def service(clean_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[TenantService]:
    database = Database(PoolSettings(clean_database.app))
    await database.open()
    kernel = Kernel(database, Catalog(tenants.AGGREGATES), KeyRing(MASTER_KEY, manual_clock), manual_clock, Limits())
    yield TenantService(kernel)
    await kernel.close()
    await database.close()


async def test_a_clinic_is_found_by_its_short_name_before_anyone_has_logged_in(service: TenantService):
    view = await service.create("north", "North Clinic", ORIGIN)
    found = await service.find("north", ORIGIN)
    assert found is not None
    assert (found.id, found.name) == (view.id, "North Clinic")
    assert await service.find("south", ORIGIN) is None


async def test_a_short_name_is_taken_once_over_all_clinics(service: TenantService):
    await service.create("north", "North", ORIGIN)
    with pytest.raises(Refused) as refused:
        await service.create("north", "Another", ORIGIN)
    assert refused.value.refusal.code == "slug-taken"


async def test_ensuring_twice_makes_one(service: TenantService):
    first = await service.ensure("north", "North", ORIGIN)
    assert await service.ensure("north", "Renamed", ORIGIN) == first


async def test_whether_other_clinics_exist_is_known_without_listing_them(service: TenantService):
    await service.ensure("demo", "Demo", ORIGIN)
    assert not await service.others_exist("demo", ORIGIN)
    await service.ensure("north", "North", ORIGIN)
    assert await service.others_exist("demo", ORIGIN)


async def test_a_clinic_reads_itself_and_no_other(service: TenantService):
    north = await service.ensure("north", "North", ORIGIN)
    assert await service.own(operator(north.id), ORIGIN) == north
    with pytest.raises(Refused) as refused:
        await service.own(operator(new_id()), ORIGIN)
    assert refused.value.refusal.code == "not-found"


async def test_a_malformed_short_name_is_refused_with_a_pointer(service: TenantService):
    with pytest.raises(Refused) as refused:
        await service.create("Not A Slug", "North", ORIGIN)
    assert [fault.pointer for fault in refused.value.refusal.faults] == ["/slug"]
