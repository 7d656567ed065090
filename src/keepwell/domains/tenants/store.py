"""Where clinics are found: the look-up table, and the directory that answers before anyone has logged in.

The directory is a set of SECURITY DEFINER functions owned by `keepwell_directory`, because before login no tenant is set and
row-level security would show nothing. They tell the little a login page shows: id, short name and name of active clinics.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from keepwell.domains.tenants.errors import SLUG_TAKEN
from keepwell.domains.tenants.models import Clinic, Tenant
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_BY_SLUG = "SELECT id, slug, name FROM directory_clinic_by_slug($1)"
_ANY = "SELECT id, slug, name FROM directory_any_clinic($1)"
_BY_IDS = "SELECT id, slug, name FROM directory_clinics($1::uuid[])"
_ALL = "SELECT id, slug, name FROM directory_all_clinics()"
_OTHERS = "SELECT directory_other_clinics($1)"


def _row(snapshot: Snapshot, _blind: object) -> tuple[str, str, bool]:
    tenant: Tenant = snapshot.state
    return (tenant.slug, tenant.name, tenant.active)


LOOKUP = Lookup(
    table="tenant",
    columns={"slug": "text", "name": "text", "active": "boolean"},
    row=_row,
    violations={"tenant_slug_key": SLUG_TAKEN},
)


async def clinic_by_slug(connection: Any, slug: str) -> Clinic | None:
    """The active clinic with this short name."""
    row = await connection.fetchrow(_BY_SLUG, slug)
    return None if row is None else Clinic(row["id"], row["slug"], row["name"])


async def any_clinic(connection: Any, slug: str) -> Clinic | None:
    """The clinic with this short name, closed or not."""
    row = await connection.fetchrow(_ANY, slug)
    return None if row is None else Clinic(row["id"], row["slug"], row["name"])


async def clinics(connection: Any, ids: Sequence[UUID]) -> dict[UUID, Clinic]:
    """Those of the named clinics that are active, by id."""
    rows = await connection.fetch(_BY_IDS, list(ids))
    return {row["id"]: Clinic(row["id"], row["slug"], row["name"]) for row in rows}


async def all_clinics(connection: Any) -> list[Clinic]:
    """Every active clinic, by short name."""
    return [Clinic(row["id"], row["slug"], row["name"]) for row in await connection.fetch(_ALL)]


async def other_clinics_exist(connection: Any, slug: str) -> bool:
    """Whether any clinic, active or not, has another short name."""
    return await connection.fetchval(_OTHERS, slug)
