"""Connections in each role to a database that has the spine."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import asyncpg


@dataclass
class Spine:
    """`owner` may do everything (the one who damages), `app` does the work, `auditor` proves."""

    owner: Any
    app: Any
    auditor: Any


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[Spine]:
    """`dsn` is the owner's; the others are the same connection string in another role."""
    connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType] - it publishes no types
    owner = await connect(dsn)
    app = await connect(dsn, server_settings={"role": "keepwell_app"})
    auditor = await connect(dsn, server_settings={"role": "keepwell_auditor"})
    try:
        yield Spine(owner, app, auditor)
    finally:
        for connection in (auditor, app, owner):
            await connection.close()
