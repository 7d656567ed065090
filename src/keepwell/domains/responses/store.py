"""Where responses are found: by questionnaire, by the person they are about, by status, identifier and time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from keepwell.domains.responses.models import Response
from keepwell.kernel import Finder
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot
from keepwell.kit.fhir.temporal import span
from keepwell.kit.fhir.tokens import identifier_token

_PAGE = """
SELECT id FROM response
WHERE tenant_id = current_tenant() AND ($1::uuid IS NULL OR questionnaire_id = $1)
    AND ($2::bytea IS NULL OR subject_index = $2) AND ($3::bytea IS NULL OR subject_index = $3)
    AND ($4::text IS NULL OR status = $4) AND ($5::uuid IS NULL OR id < $5)
ORDER BY id DESC LIMIT $6
"""


def _row(snapshot: Snapshot, blind: Callable[[str], bytes]) -> tuple[Any, ...]:
    state: Response = snapshot.state
    subject = None if state.subject is None else blind(state.subject)
    return (state.questionnaire, subject, state.status, *_identifier(state, blind), *_authored(state))


def _identifier(state: Response, blind: Callable[[str], bytes]) -> tuple[bytes | None, bytes | None]:
    identifier = cast("dict[str, Any]", state.elements.get("identifier", {}))
    value = identifier.get("value")
    if value is None:
        return None, None
    return blind(identifier_token(identifier.get("system", ""), value)), blind(identifier_token(None, value))


def _authored(state: Response) -> tuple[datetime | None, datetime | None]:
    return span(state.elements.get("authored", "")) or (None, None)


_ANSWERED = """
SELECT DISTINCT r.subject_index FROM response r
JOIN aggregate g ON g.tenant_id = r.tenant_id AND g.kind = 'response' AND g.id = r.id
WHERE r.tenant_id = current_tenant() AND r.subject_index = ANY($1::bytea[]) AND r.status IN ('completed', 'amended')
    AND g.updated_at >= $2
"""
LOOKUP = Lookup(
    table="response",
    columns={
        "questionnaire_id": "uuid",
        "subject_index": "bytea",
        "status": "text",
        "identifier_index": "bytea",
        "identifier_value_index": "bytea",
        "authored_first": "timestamptz",
        "authored_last": "timestamptz",
    },
    row=_row,
)

FINDER = Finder(
    kind="response",
    table="response",
    columns={
        "questionnaire": "t.questionnaire_id",
        "subject": "t.subject_index",
        "status": "t.status",
        "identifier": "t.identifier_index",
        "identifier-value": "t.identifier_value_index",
        # Without word of the sender it was authored when it changed last.
        "authored-first": "coalesce(t.authored_first, g.updated_at)",
        "authored-last": "coalesce(t.authored_last, g.updated_at)",
    },
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


async def answered(connection: Any, subjects: list[bytes], since: datetime) -> set[bytes]:
    """The blind indexes, among those of people, of whom there is a complete response that was written since an instant."""
    return {row["subject_index"] for row in await connection.fetch(_ANSWERED, subjects, since)}
