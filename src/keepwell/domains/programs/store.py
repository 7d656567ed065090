"""Where programs are found: those of a clinic, and those whose instants come from another zone database."""

from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.programs.models import Program
from keepwell.kernel import Finder
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_UNTOLD = """
    SELECT id FROM program
    WHERE tenant_id = current_tenant() AND (
        opens_at <= $1 AND (told_until IS NULL OR told_until < opens_at)
        OR closes_at <= $1 AND (told_until IS NULL OR told_until < closes_at))
    ORDER BY id
"""
_CLOSING = """
    SELECT id FROM program
    WHERE tenant_id = current_tenant() AND opens_at <= $1 AND closes_at > $1 AND closes_at <= $2 ORDER BY id
"""
_OUTDATED = "SELECT tenant_id, id FROM directory_programs($1)"


def _row(snapshot: Snapshot, _blind: object) -> tuple[datetime, datetime, str, datetime | None]:
    state: Program = snapshot.state
    return (state.opens_at, state.closes_at, state.zones, state.told_until)


LOOKUP = Lookup(
    table="program",
    columns={"opens_at": "timestamptz", "closes_at": "timestamptz", "zones": "text", "told_until": "timestamptz"},
    row=_row,
)
FINDER = Finder(kind="program", table="program", columns={"opens_at": "t.opens_at", "closes_at": "t.closes_at"})


async def outdated(connection: Any, zones: str) -> list[tuple[UUID, UUID]]:
    """Clinic and id of each program whose instants do not come from this version of the zone database."""
    return [(row["tenant_id"], row["id"]) for row in await connection.fetch(_OUTDATED, zones)]


async def untold(connection: Any, now: datetime) -> list[UUID]:
    """The clinic's programs that opened or closed, of which it was not told yet."""
    return [row["id"] for row in await connection.fetch(_UNTOLD, now)]


async def closing(connection: Any, now: datetime, until: datetime) -> list[UUID]:
    """The clinic's programs that are open, and close by an instant."""
    return [row["id"] for row in await connection.fetch(_CLOSING, now, until)]
