"""What may happen to a clinic. Pure."""

import re

import msgspec

from keepwell.domains.tenants.errors import INVALID_TENANT
from keepwell.domains.tenants.models import (
    CloseTenant,
    CreateTenant,
    Tenant,
    TenantClosed,
    TenantCreated,
    TenantEvent,
    TenantView,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Fault, Refusal

_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
_NAME_LIMIT = 200


def is_slug(text: str) -> bool:
    """Whether `text` can be a clinic's short name: it also fits a DNS label (RFC 1035, 2.3.1)."""
    return len(text) <= 63 and _SLUG.fullmatch(text) is not None


def decide_create(_state: Tenant | None, command: CreateTenant, context: Context) -> Decision:
    """A clinic is stored under its own id, so that the row-level policy that guards its data guards this row too."""
    faults: list[Fault] = []
    if not is_slug(command.slug):
        faults.append(Fault("/slug", "slug-syntax", "use 1 to 63 lower-case letters, digits and single hyphens"))
    name = command.name.strip()
    if not 0 < len(name) <= _NAME_LIMIT or not name.isprintable():
        faults.append(Fault("/name", "name-length", f"use 1 to {_NAME_LIMIT} printable characters"))
    if command.id != context.actor.tenant:
        faults.append(Fault("/id", "tenant-id", "a clinic is stored under its own id"))
    if faults:
        return Refusal(INVALID_TENANT, faults=tuple(faults))
    return (TenantCreated(command.slug, name, context.now),)


def decide_close(state: Tenant, _command: CloseTenant, context: Context) -> Decision:
    """Closing what is closed changes nothing."""
    return (TenantClosed(context.now),) if state.active else ()


def evolve(state: Tenant | None, event: TenantEvent) -> Tenant:
    """The clinic after one event."""
    if isinstance(event, TenantCreated):
        return Tenant(event.slug, event.name, event.at)
    if state is None:
        raise ValueError("a clinic is opened before it is closed")
    return msgspec.structs.replace(state, active=False)


def view(snapshot: Snapshot) -> TenantView:
    """What an operator sees."""
    tenant: Tenant = snapshot.state
    return TenantView(snapshot.id, tenant.slug, tenant.name, tenant.active, tenant.created_at, snapshot.version)
