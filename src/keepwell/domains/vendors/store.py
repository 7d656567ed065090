"""Where vendors are found: those the clinic works with, and those whose agreement ends."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from keepwell.domains.vendors.errors import VENDOR_REGISTERED
from keepwell.domains.vendors.models import Vendor
from keepwell.domains.vendors.rules import covered_until, name_token
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_PAGE = "SELECT id FROM vendor WHERE tenant_id = current_tenant() AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"
_EXPIRING = """
    SELECT id FROM vendor WHERE tenant_id = current_tenant() AND active AND (covered_until IS NULL OR covered_until <= $1)
    ORDER BY covered_until NULLS FIRST, id
"""


def _row(snapshot: Snapshot, blind: Callable[[str], bytes]) -> tuple[bytes, bool, date | None]:
    state: Vendor = snapshot.state
    return (blind(name_token(state.name)), state.ended_at is None, covered_until(state))


LOOKUP = Lookup(
    table="vendor",
    columns={"name_index": "bytea", "active": "boolean", "covered_until": "date"},
    row=_row,
    violations={"vendor_name_key": VENDOR_REGISTERED},
)


async def page(connection: Any, before: UUID | None, limit: int) -> list[UUID]:
    """Ids of the clinic's vendors, the newest first, from behind `before`."""
    return [row["id"] for row in await connection.fetch(_PAGE, before, limit)]


async def expiring(connection: Any, until: date) -> list[UUID]:
    """Ids of the vendors that are not covered beyond a day: those without any agreement first, then the first to end."""
    return [row["id"] for row in await connection.fetch(_EXPIRING, until)]
