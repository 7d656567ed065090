"""Connections for set-up and proof."""

from typing import Any

import asyncpg


async def connect(url: str) -> Any:
    """One asyncpg connection. It has no published types, so it is opaque to the type checker."""
    return await asyncpg.connect(url)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
