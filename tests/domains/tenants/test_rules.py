"""What may become a clinic."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from keepwell.domains.tenants import is_slug, operator
from keepwell.domains.tenants.models import CreateTenant, Tenant
from keepwell.domains.tenants.rules import decide_create, evolve, view
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Refusal
from keepwell.kit.ids import new_id

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CLINIC = new_id()


def decided(slug: str = "north", name: str = "North Clinic", tenant: UUID = CLINIC) -> Tenant | Refusal:
    decision = decide_create(None, CreateTenant(CLINIC, slug, name), Context(NOW, operator(tenant), {}, {}))
    return decision if isinstance(decision, Refusal) else evolve(None, decision[0])


@pytest.mark.parametrize("slug", ["a", "7", "north", "north-2", "a-b-c", "x" * 63])
def test_a_short_name_is_a_dns_label(slug: str):
    assert is_slug(slug)


@pytest.mark.parametrize("slug", ["", "-", "-a", "a-", "a--b", "North", "n\u00f6rd", "a b", "a.b", "x" * 64, "a\n"])
def test_anything_else_is_none(slug: str):
    refusal = decided(slug)
    assert isinstance(refusal, Refusal)
    assert [fault.pointer for fault in refusal.faults] == ["/slug"]


@pytest.mark.parametrize("name", ["", "  ", "a\x00", "x" * 201])
def test_a_name_has_to_be_readable(name: str):
    refusal = decided(name=name)
    assert isinstance(refusal, Refusal)
    assert [fault.pointer for fault in refusal.faults] == ["/name"]


def test_a_clinic_lies_under_its_own_id():
    assert decided() == Tenant("north", "North Clinic", NOW, active=True)
    refusal = decided(tenant=new_id())
    assert isinstance(refusal, Refusal)
    assert [fault.pointer for fault in refusal.faults] == ["/id"]


def test_an_operator_sees_the_clinic_with_its_version():
    state = decided()
    shown = view(Snapshot("tenant", CLINIC, 1, state, NOW, NOW, b""))
    assert (shown.id, shown.slug, shown.active, shown.version) == (CLINIC, "north", True, 1)
