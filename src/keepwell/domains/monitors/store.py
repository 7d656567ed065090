"""Where monitors are found: those of a clinic, whose a heartbeat is, and what an import made.

The second is a function of the directory's: who beats says nothing but the token.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from keepwell.domains.monitors.errors import MONITOR_IMPORTED
from keepwell.domains.monitors.models import Monitor
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_PAGE = """
    SELECT id FROM monitor
    WHERE tenant_id = current_tenant() AND NOT deleted AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2
"""
_BEATING = "SELECT tenant_id, id FROM directory_heartbeat($1)"
_IMPORTED = "SELECT source, id FROM monitor WHERE tenant_id = current_tenant() AND source = ANY($1)"


def source_token(system: str, key: str) -> str:
    """What the index of an imported monitor is made of."""
    return f"monitor:{system}:{key}"


def _row(snapshot: Snapshot, blind: Callable[[str], bytes]) -> tuple[Any, ...]:
    state: Monitor = snapshot.state
    source = None if state.deleted or state.source is None else blind(source_token(state.source.system, state.source.key))
    return (
        state.kind,
        state.interval_s,
        ",".join(state.regions),
        state.priority,
        state.paused,
        state.deleted,
        not (state.paused or state.deleted),
        state.parent,
        snapshot.version,
        state.heartbeat_digest,
        source,
    )


LOOKUP = Lookup(
    table="monitor",
    columns={
        "kind": "text",
        "interval_s": "integer",
        "regions": "text",
        "priority": "text",
        "paused": "boolean",
        "deleted": "boolean",
        "active": "boolean",
        "parent": "uuid",
        "version": "bigint",
        "heartbeat": "bytea",
        "source": "bytea",
    },
    row=_row,
    violations={"monitor_source": MONITOR_IMPORTED},
)
"""`regions` are names with commas between them; `version` is the aggregate's, by which a copy of a monitor is known to be old."""


async def page(connection: Any, before: UUID | None, limit: int) -> list[UUID]:
    """Ids of the clinic's monitors, the newest first, from behind `before`."""
    return [row["id"] for row in await connection.fetch(_PAGE, before, limit)]


async def beating(connection: Any, digest: bytes) -> tuple[UUID, UUID] | None:
    """Clinic and monitor whose beats are known by the token of this digest."""
    row = await connection.fetchrow(_BEATING, digest)
    return None if row is None else (row["tenant_id"], row["id"])


async def imported(connection: Any, sources: Sequence[bytes]) -> dict[bytes, UUID]:
    """Of these sources, those that were imported already, and the monitors they became."""
    return {row["source"]: row["id"] for row in await connection.fetch(_IMPORTED, list(sources))}
