"""Where questionnaires are found: by canonical, by status, in the order they came."""

from typing import Any
from uuid import UUID

from keepwell.domains.questionnaires.errors import QUESTIONNAIRE_EXISTS
from keepwell.domains.questionnaires.models import Questionnaire, QuestionnaireSummary
from keepwell.kernel import Finder
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_PAGE = """
SELECT id, url, version, status, title, created_at, updated_at FROM questionnaire
WHERE tenant_id = current_tenant() AND ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR url = $2)
    AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""
_NAMED = """
SELECT id FROM questionnaire WHERE tenant_id = current_tenant() AND url = $1 AND ($2::text IS NULL OR version = $2) ORDER BY id
"""
_RESOLVE = """
SELECT id FROM questionnaire
WHERE tenant_id = current_tenant() AND url = $1 AND ($2::text IS NULL OR version = $2)
ORDER BY status = 'active' DESC, updated_at DESC, id DESC LIMIT 1
"""


def _row(snapshot: Snapshot, _blind: object) -> tuple[Any, ...]:
    state: Questionnaire = snapshot.state
    sent = state.resource
    return (sent.get("url"), sent.get("version"), state.status, sent.get("title"), snapshot.created_at, snapshot.updated_at)


LOOKUP = Lookup(
    table="questionnaire",
    columns={
        "url": "text",
        "version": "text",
        "status": "text",
        "title": "text",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    },
    row=_row,
    violations={"questionnaire_canonical_key": QUESTIONNAIRE_EXISTS},
)


FINDER = Finder(
    kind="questionnaire",
    table="questionnaire",
    columns={
        "url": "t.url",
        "version": "t.version",
        "status": "t.status",
        "title": "starts_with(lower(t.title), {})",
        "title-exact": "t.title",
        "title-contains": "position({} IN lower(t.title)) > 0",
    },
)


async def page(
    connection: Any, status: str | None, url: str | None, before: UUID | None, limit: int
) -> list[QuestionnaireSummary]:
    """Newest first; those older than `before`."""
    rows = await connection.fetch(_PAGE, status, url, before, limit)
    return [QuestionnaireSummary(**dict(row)) for row in rows]


async def resolve(connection: Any, url: str, version: str | None) -> UUID | None:
    """The questionnaire a canonical names; without a version the one published last."""
    return await connection.fetchval(_RESOLVE, url, version)


async def named(connection: Any, url: str, version: str | None) -> list[UUID]:
    """All questionnaires a canonical names; without a version all with this url."""
    return [row["id"] for row in await connection.fetch(_NAMED, url, version)]
