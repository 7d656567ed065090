"""Where keys are found: those of a clinic, those that can be used now, and the clinics that have any.

The latter is a function of the directory's: whoever looks at how keys are used does so for all clinics.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.keys.models import ApiKey
from keepwell.domains.keys.rules.lifecycle import state_of, valid_until
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_PAGE = "SELECT id FROM api_key WHERE tenant_id = current_tenant() AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2"
_USABLE = """
    SELECT id FROM api_key
    WHERE tenant_id = current_tenant() AND valid_until > $1 AND ($2::timestamptz IS NULL OR valid_until <= $2)
    ORDER BY valid_until, id
"""
_CLINICS = "SELECT tenant_id FROM directory_clinics_with_keys($1)"


def _row(snapshot: Snapshot, _blind: Callable[[str], bytes]) -> tuple[UUID, str, datetime]:
    key: ApiKey = snapshot.state
    return (key.account, state_of(key), valid_until(key))


LOOKUP = Lookup(table="api_key", columns={"account": "uuid", "state": "text", "valid_until": "timestamptz"}, row=_row)


async def page(connection: Any, before: UUID | None, limit: int) -> list[UUID]:
    """Ids of the clinic's keys, the newest first, from behind `before`."""
    return [row["id"] for row in await connection.fetch(_PAGE, before, limit)]


async def usable(connection: Any, now: datetime, until: datetime | None = None) -> list[UUID]:
    """Ids of the keys that can be used at `now`, and no longer after `until` where that is given; the first to end leading."""
    return [row["id"] for row in await connection.fetch(_USABLE, now, until)]


async def clinics(connection: Any, now: datetime) -> list[UUID]:
    """The clinics with keys that can be used at `now`."""
    return [row["tenant_id"] for row in await connection.fetch(_CLINICS, now)]
