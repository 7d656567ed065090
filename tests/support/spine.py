"""Connections in each role to one database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import asyncpg

from tests.support.cluster import DatabaseUrls
from tests.support.waiting import eventually_async


@dataclass
class Spine:
    """`owner` goes round row-level security (the one who damages), `app` does the work, `auditor` proves."""

    urls: DatabaseUrls
    owner: Any
    app: Any
    auditor: Any


@asynccontextmanager
async def connected(urls: DatabaseUrls) -> AsyncGenerator[Spine]:
    """All three at once, closed together."""
    connect = cast("Any", asyncpg).connect
    owner, app, auditor = [await connect(url) for url in (urls.superuser, urls.app, urls.auditor)]
    try:
        yield Spine(urls, owner, app, auditor)
    finally:
        for connection in (auditor, app, owner):
            await connection.close()


async def all_complete(spine: Spine) -> None:
    """Waits until a checkpoint would cover every row there is.

    Transaction ids and the oldest running one belong to the whole server, so another test's transaction can hold one back.
    """

    async def complete() -> bool:
        return await spine.owner.fetchval(_COMPLETE)

    await eventually_async(complete)


_COMPLETE = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > greatest(
    (SELECT max(xid) FROM journal_entry), (SELECT max(xid) FROM access_record), 0)
"""
