"""Where schedules are found: those of a clinic, and those of all clinics of which a run is due.

The latter is a function of the directory's: whoever runs them does so for all clinics, and is told no more than what is due.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.schedules.models import Schedule
from keepwell.domains.schedules.rules import under_way
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_ALL = "SELECT id FROM schedule WHERE tenant_id = current_tenant() ORDER BY id"
_DUE = "SELECT tenant_id, id, due_at FROM directory_due_schedules($1)"
_OUTDATED = "SELECT tenant_id, id FROM directory_outdated_schedules($1)"


def _row(snapshot: Snapshot, _blind: object) -> tuple[datetime | None, str]:
    state: Schedule = snapshot.state
    return (None if state.paused or under_way(state) else state.next_at, state.zones)


LOOKUP = Lookup(table="schedule", columns={"due_at": "timestamptz", "zones": "text"}, row=_row)
"""`due_at` is when a run is due; empty while it is paused or one is under way."""


async def stored(connection: Any) -> list[UUID]:
    """The ids of the clinic's schedules."""
    return [row["id"] for row in await connection.fetch(_ALL)]


async def due(connection: Any, now: datetime) -> list[tuple[UUID, UUID, datetime]]:
    """Clinic, id and due instant of what has to run, the longest due first, at most a thousand."""
    return [tuple(row.values()) for row in await connection.fetch(_DUE, now)]


async def outdated(connection: Any, version: str) -> list[tuple[UUID, UUID]]:
    """Clinic and id of what was computed from another zone database."""
    return [tuple(row.values()) for row in await connection.fetch(_OUTDATED, version)]
