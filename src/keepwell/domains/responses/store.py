"""Where responses are found: by questionnaire, by the person they are about, by status."""

from typing import Any, NamedTuple
from uuid import UUID

from keepwell.domains.responses.models import Response
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_PAGE = """
SELECT id FROM response
WHERE tenant_id = current_tenant() AND ($1::uuid IS NULL OR questionnaire_id = $1)
    AND ($2::bytea IS NULL OR subject_index = $2) AND ($3::bytea IS NULL OR subject_index = $3)
    AND ($4::text IS NULL OR status = $4) AND ($5::uuid IS NULL OR id < $5)
ORDER BY id DESC LIMIT $6
"""


def _row(snapshot: Snapshot, blind: Any) -> tuple[Any, ...]:
    state: Response = snapshot.state
    return (state.questionnaire, None if state.subject is None else blind(state.subject), state.status)


LOOKUP = Lookup(
    table="response",
    columns={"questionnaire_id": "uuid", "subject_index": "bytea", "status": "text"},
    row=_row,
)


class Wanted(NamedTuple):
    """Which responses. `compartment` is the blind index the asker is held to, `subject` the one asked for."""

    questionnaire: UUID | None
    subject: bytes | None
    compartment: bytes | None
    status: str | None


async def page(connection: Any, wanted: Wanted, before: UUID | None, limit: int) -> list[UUID]:
    """Ids, the newest first; those older than `before`."""
    rows = await connection.fetch(_PAGE, wanted.questionnaire, wanted.subject, wanted.compartment, wanted.status, before, limit)
    return [row["id"] for row in rows]
