"""Where programs are found: those of a clinic, and those whose instants come from another zone database."""

from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.programs.models import Program
from keepwell.kernel import Finder
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_OUTDATED = "SELECT tenant_id, id FROM directory_programs($1)"


def _row(snapshot: Snapshot, _blind: object) -> tuple[datetime, datetime, str]:
    state: Program = snapshot.state
    return (state.opens_at, state.closes_at, state.zones)


LOOKUP = Lookup(table="program", columns={"opens_at": "timestamptz", "closes_at": "timestamptz", "zones": "text"}, row=_row)
FINDER = Finder(kind="program", table="program", columns={"opens_at": "t.opens_at", "closes_at": "t.closes_at"})


async def outdated(connection: Any, zones: str) -> list[tuple[UUID, UUID]]:
    """Clinic and id of each program whose instants do not come from this version of the zone database."""
    return [(row["tenant_id"], row["id"]) for row in await connection.fetch(_OUTDATED, zones)]
