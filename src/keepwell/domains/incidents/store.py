"""Where incidents are found: by status, severity, subject and tag, and the open one about a thing."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.incidents.errors import INCIDENT_OPEN
from keepwell.domains.incidents.models import Filter, Incident, Times
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_OPEN = "SELECT id FROM incident WHERE tenant_id = current_tenant() AND subject = $1 AND status <> 'resolved'"
_OPEN_OF = "SELECT tenant_id, id, subject FROM directory_open_incidents($1)"
_PAGE = """
    SELECT id FROM incident
    WHERE tenant_id = current_tenant() AND ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR severity = $2)
        AND ($3::text IS NULL OR subject = $3) AND ($4::text IS NULL OR $4 = ANY (string_to_array(tags, ' ')))
        AND ($5::uuid IS NULL OR id < $5)
    ORDER BY id DESC LIMIT $6
"""
_TIMES = """
    SELECT severity, count(*), count(acknowledged_at), count(resolved_at),
        avg(extract(epoch FROM acknowledged_at - opened_at))::float8, avg(extract(epoch FROM resolved_at - opened_at))::float8
    FROM incident WHERE tenant_id = current_tenant() AND opened_at >= $1 GROUP BY severity ORDER BY severity
"""


def _row(snapshot: Snapshot, blind: Callable[[str], bytes]) -> tuple[Any, ...]:
    incident: Incident = snapshot.state
    return (
        incident.subject,
        incident.severity,
        incident.status,
        incident.timeline[0].at,
        incident.acknowledged_at,
        incident.resolved_at,
        " ".join(blind(tag_token(tag)).hex() for tag in incident.tags),
        snapshot.version,
        incident.timeline[-1].at,
    )


LOOKUP = Lookup(
    table="incident",
    columns={
        "subject": "text",
        "severity": "text",
        "status": "text",
        "opened_at": "timestamptz",
        "acknowledged_at": "timestamptz",
        "resolved_at": "timestamptz",
        "tags": "text",
        "version": "integer",
        "changed_at": "timestamptz",
    },
    row=_row,
    violations={"incident_open_subject": INCIDENT_OPEN},
)
"""`version` and `changed_at` say how far who follows incidents has to come: they are stored with the incident, or not at all."""


def tag_token(tag: str) -> str:
    """What the index of a tag is made of: somebody wrote it, so it is found by that only."""
    return f"incident-tag:{tag}"


async def open_about(connection: Any, subject: str) -> UUID | None:
    """The incident about this that is not resolved."""
    return await connection.fetchval(_OPEN, subject)


async def open_of(connection: Any, prefix: str) -> dict[tuple[UUID, str], UUID]:
    """By clinic and subject, every incident of any clinic that is not resolved and about a thing whose name begins so."""
    return {(row["tenant_id"], row["subject"]): row["id"] for row in await connection.fetch(_OPEN_OF, prefix)}


async def page(connection: Any, wanted: Filter, blind: Callable[[str], bytes], before: UUID | None, limit: int) -> list[UUID]:
    """Ids of incidents, the newest first, from behind `before`."""
    tag = None if wanted.tag is None else blind(tag_token(wanted.tag)).hex()
    arguments = (wanted.status, wanted.severity, wanted.subject, tag, before, limit)
    return [row["id"] for row in await connection.fetch(_PAGE, *arguments)]


async def times(connection: Any, since: datetime) -> list[Times]:
    """How long it took, by severity, of incidents opened since an instant."""
    return [Times(*row.values()) for row in await connection.fetch(_TIMES, since)]
