"""Where status pages are found: those of a clinic, and the one at an address."""

from typing import Any
from uuid import UUID

from keepwell.domains.statuspages.errors import STATUS_PAGE_SLUG_TAKEN
from keepwell.domains.statuspages.models import StatusPage
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_PAGE = """
    SELECT id FROM status_page
    WHERE tenant_id = current_tenant() AND slug IS NOT NULL AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2
"""
_PUBLISHED = "SELECT id FROM status_page WHERE tenant_id = current_tenant() AND slug = $1 AND published"


def _row(snapshot: Snapshot, _blind: object) -> tuple[str | None, bool]:
    page: StatusPage = snapshot.state
    return (None if page.deleted else page.slug, page.published and not page.deleted)


LOOKUP = Lookup(
    table="status_page",
    columns={"slug": "text", "published": "boolean"},
    row=_row,
    violations={"status_page_slug": STATUS_PAGE_SLUG_TAKEN},
)
"""A slug is a part of a public address, chosen as one; a page that is gone has none."""


async def page(connection: Any, before: UUID | None, limit: int) -> list[UUID]:
    """Ids of the clinic's pages, the newest first, from behind `before`."""
    return [row["id"] for row in await connection.fetch(_PAGE, before, limit)]


async def published(connection: Any, slug: str) -> UUID | None:
    """The page that everybody sees at an address."""
    return await connection.fetchval(_PUBLISHED, slug)
