"""Connections in each role to one database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import asyncpg

from tests.support.cluster import DatabaseUrls


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
