"""Where emergency access is found: what is to be reviewed, and what is over and nobody has written down.

The latter is a function of the directory's: whoever writes it down does so for all clinics, and is told no more than which.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.access.models import EmergencyAccess
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_PAGE = """
    SELECT id FROM emergency_access
    WHERE tenant_id = current_tenant() AND ($1::boolean IS NULL OR reviewed = $1) AND ($2::uuid IS NULL OR id < $2)
    ORDER BY id DESC LIMIT $3
"""
_LAPSED = "SELECT tenant_id, id FROM directory_lapsed_emergencies($1, $2)"


def _row(snapshot: Snapshot, _blind: object) -> tuple[UUID, datetime, bool, bool]:
    state: EmergencyAccess = snapshot.state
    return (state.user, state.expires_at, state.ended_at is not None, state.review is not None)


LOOKUP = Lookup(
    table="emergency_access",
    columns={"user_id": "uuid", "expires_at": "timestamptz", "ended": "boolean", "reviewed": "boolean"},
    row=_row,
)


async def page(connection: Any, reviewed: bool | None, before: UUID | None, limit: int) -> list[UUID]:  # noqa: FBT001 - a value
    """Ids of times of emergency access, the newest first, from behind `before`."""
    return [row["id"] for row in await connection.fetch(_PAGE, reviewed, before, limit)]


async def lapsed(connection: Any, now: datetime, most: int) -> list[tuple[UUID, UUID]]:
    """Clinic and id of what is over at `now` without an end."""
    return [(row["tenant_id"], row["id"]) for row in await connection.fetch(_LAPSED, now, most)]
