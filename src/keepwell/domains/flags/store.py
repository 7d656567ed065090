"""Where flags are found: those of a clinic, and the roll-outs under way in all of them.

The latter is a function of the directory's: whoever moves roll-outs on does so for all clinics, and is told no more than which
flags to look at.
"""

from typing import Any
from uuid import UUID

from keepwell.domains.flags.models import Flag
from keepwell.domains.flags.rules.rollouts import watched
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_ALL = "SELECT id FROM flag WHERE tenant_id = current_tenant() ORDER BY key"
_ROLLOUTS = "SELECT tenant_id, id FROM directory_rollouts()"


def _row(snapshot: Snapshot, _blind: object) -> tuple[str, bool]:
    flag: Flag = snapshot.state
    return (flag.key, flag.rollout is not None and watched(flag.rollout))


LOOKUP = Lookup(table="flag", columns={"key": "text", "watched": "boolean"}, row=_row)


async def stored(connection: Any) -> list[UUID]:
    """The ids of all flags the clinic has set, by key."""
    return [row["id"] for row in await connection.fetch(_ALL)]


async def rollouts(connection: Any) -> list[tuple[UUID, UUID]]:
    """Clinic and id of each flag with a roll-out to watch."""
    return [(row["tenant_id"], row["id"]) for row in await connection.fetch(_ROLLOUTS)]
