"""Where jobs are seen: those of a clinic; and, for who watches over all of them, which clinics have trouble with theirs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from keepwell.domains.queue.models import JobView, Status, Trouble

_COLUMNS = "id, kind, key, state, attempts, most_attempts, error, enqueued_at, due_at"
# The columns are the constant above.
_PAGE = f"""
    SELECT {_COLUMNS} FROM job
    WHERE tenant_id = current_tenant() AND ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR id < $2)
    ORDER BY id DESC LIMIT $3
"""  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM job WHERE tenant_id = current_tenant() AND id = $1"  # noqa: S608
_TROUBLES = "SELECT tenant_id, held, age FROM job_clinics($1, $2)"


async def page(connection: Any, status: Status | None, before: UUID | None, limit: int) -> list[JobView]:
    """The clinic's jobs, the newest first, from behind `before`."""
    return [JobView(*row.values()) for row in await connection.fetch(_PAGE, status, before, limit)]


async def one(connection: Any, id_: UUID) -> JobView | None:
    """One job of the clinic."""
    row = await connection.fetchrow(_ONE, id_)
    return None if row is None else JobView(*row.values())


async def troubles(connection: Any, late: float, patient: Sequence[str]) -> list[Trouble]:
    """The clinics with held jobs, or with one that has been due for longer than `late` seconds and is not of a `patient` kind."""
    return [Trouble(*row.values()) for row in await connection.fetch(_TROUBLES, late, list(patient))]
