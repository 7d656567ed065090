"""What belongs to an aggregate and is too large for its state: sealed bytes, in pieces that are written once and read by number.

An upload is the usual case. Who may read or write them is who runs the aggregate's commands: nothing at a door hands them out.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.kernel.keys import TenantKeys
from keepwell.kernel.store import CLAIM_TENANT
from keepwell.kit.time import Clock
from keepwell.platform.postgres import Database

_PUT = "INSERT INTO piece (tenant_id, kind, id, number, created_at, content) VALUES ($1, $2, $3, $4, $5, $6)"
_GET = "SELECT content FROM piece WHERE tenant_id = $1 AND kind = $2 AND id = $3 AND number = $4"
_AGED = """
    SELECT id FROM piece WHERE tenant_id = $1 AND kind = $2 GROUP BY id HAVING max(created_at) < $3 ORDER BY id LIMIT $4
"""
_DROP = "DELETE FROM piece WHERE tenant_id = $1 AND kind = $2 AND id = $3"


class Pieces:
    """The pieces of all aggregates. Each is sealed under its tenant's key, bound to its place."""

    def __init__(self, database: Database, clock: Clock, opened: Callable[[UUID], Awaitable[TenantKeys]]) -> None:
        self._database = database
        self._clock = clock
        self._opened = opened

    async def put(self, tenant: UUID, kind: str, id: UUID, number: int, content: bytes) -> None:
        """Stores one piece under a number that is still free."""
        sealed = (await self._opened(tenant)).seal(content, "piece", "content", f"{kind}/{id}/{number}")
        await self._in_tenant(tenant, "execute", _PUT, tenant, kind, id, number, self._clock.now(), sealed)

    async def get(self, tenant: UUID, kind: str, id: UUID, number: int) -> bytes | None:
        """One piece; None when it is not there, or no longer."""
        sealed = await self._in_tenant(tenant, "fetchval", _GET, tenant, kind, id, number)
        if sealed is None:
            return None
        return (await self._opened(tenant)).open(sealed, "piece", "content", f"{kind}/{id}/{number}")

    async def aged(self, tenant: UUID, kind: str, before: datetime, most: int) -> list[UUID]:
        """Which aggregates have pieces and got the last of them before an instant, at most so many."""
        return [row["id"] for row in await self._in_tenant(tenant, "fetch", _AGED, tenant, kind, before, most)]

    async def drop(self, tenant: UUID, kind: str, id: UUID) -> None:
        """Forgets all pieces of one aggregate."""
        await self._in_tenant(tenant, "execute", _DROP, tenant, kind, id)

    async def _in_tenant(self, tenant: UUID, method: str, statement: str, *arguments: Any) -> Any:
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(CLAIM_TENANT, str(tenant))
            return await getattr(connection, method)(statement, *arguments)
