"""Where incidents are found: by status, and the open one about a thing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.incidents.errors import INCIDENT_OPEN
from keepwell.domains.incidents.models import Incident, Status
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_OPEN = "SELECT id FROM incident WHERE tenant_id = current_tenant() AND subject = $1 AND status <> 'resolved'"
_OPEN_OF = "SELECT tenant_id, id, subject FROM directory_open_incidents($1)"
_PAGE = """
    SELECT id FROM incident
    WHERE tenant_id = current_tenant() AND ($1::text IS NULL OR status = $1) AND ($2::uuid IS NULL OR id < $2)
    ORDER BY id DESC LIMIT $3
"""


def _row(snapshot: Snapshot, _blind: object) -> tuple[str, str, str, datetime]:
    incident: Incident = snapshot.state
    return (incident.subject, incident.severity, incident.status, incident.timeline[0].at)


LOOKUP = Lookup(
    table="incident",
    columns={"subject": "text", "severity": "text", "status": "text", "opened_at": "timestamptz"},
    row=_row,
    violations={"incident_open_subject": INCIDENT_OPEN},
)


async def open_about(connection: Any, subject: str) -> UUID | None:
    """The incident about this that is not resolved."""
    return await connection.fetchval(_OPEN, subject)


async def open_of(connection: Any, prefix: str) -> dict[tuple[UUID, str], UUID]:
    """By clinic and subject, every incident of any clinic that is not resolved and about a thing whose name begins so."""
    return {(row["tenant_id"], row["subject"]): row["id"] for row in await connection.fetch(_OPEN_OF, prefix)}


async def page(connection: Any, status: Status | None, before: UUID | None, limit: int) -> list[UUID]:
    """Ids of incidents, the newest first, from behind `before`."""
    return [row["id"] for row in await connection.fetch(_PAGE, status, before, limit)]
