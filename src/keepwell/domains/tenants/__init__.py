"""Clinics as tenants: opening one, finding one before anyone has logged in."""

from keepwell.domains.tenants.models import Clinic, CloseTenant, CreateTenant, Tenant, TenantEvent, TenantView
from keepwell.domains.tenants.rules import decide_close, decide_create, evolve, is_slug, view
from keepwell.domains.tenants.service import ORGANIZATION, TenantService, operator
from keepwell.domains.tenants.store import LOOKUP, clinic_by_slug, clinics
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind="tenant",
        resource=ORGANIZATION,
        state=Tenant,
        event=TenantEvent,
        evolve=evolve,
        view=view,
        commands=(
            CommandType(
                "tenants.create", CreateTenant, Permission(ORGANIZATION, "c"), decide_create, creates=True, guarded=False
            ),
            CommandType("tenants.close", CloseTenant, Permission(ORGANIZATION, "d"), decide_close, guarded=False),
        ),
        lookup=LOOKUP,
    ),
)

__all__ = ["AGGREGATES", "Clinic", "TenantService", "TenantView", "clinic_by_slug", "clinics", "is_slug", "operator"]
