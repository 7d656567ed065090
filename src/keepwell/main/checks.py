"""What has to work for a process to serve: database, cache, schema, queue."""

import asyncpg

from keepwell.main.health import Check, NotReadyError
from keepwell.main.parts import Parts
from keepwell.platform import migrations
from keepwell.platform.postgres import DatabaseUnavailable


def checks(parts: Parts) -> dict[str, Check]:
    """One check a part, under the names `/health/ready` shows."""

    async def database() -> None:
        try:
            async with parts.database.connection() as connection:
                await connection.fetchval("SELECT 1")
        except DatabaseUnavailable as unavailable:
            raise NotReadyError(unavailable.reason) from None

    head = migrations.head()

    async def schema() -> None:
        async with parts.database.connection() as connection:
            try:
                current = await connection.fetchval("SELECT version_num FROM alembic_version")
            except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
                current = None
        if current != head:
            raise NotReadyError("the schema is not the one this program was made for: run `keepwell db migrate`")

    async def queue() -> None:
        for name, lane in (("writes", parts.kernel.writes), ("reads", parts.kernel.reads)):
            if lane.queued >= lane.limit:
                raise NotReadyError(f"the queue of {name} is full")

    return {"database": database, "migrations": schema, "queue": queue}
