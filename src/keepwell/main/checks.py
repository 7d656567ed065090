"""What has to work for a process to serve: database, cache, schema, queue."""

from time import perf_counter

import asyncpg

from keepwell.main.health import Check, NotReadyError
from keepwell.main.parts import Parts
from keepwell.platform.postgres import DatabaseUnavailable
from keepwell.platform.revisions import head
from keepwell.platform.valkey import CacheUnavailable


class Checks:
    """One check a part. Each returns when the part works and raises `NotReadyError` when it does not."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._revision = head()
        self._began = perf_counter()

    def by_name(self) -> dict[str, Check]:
        """The checks under the names `/health/ready` shows."""
        return {"database": self.database, "cache": self.cache, "migrations": self.migrations, "queue": self.queue}

    async def database(self) -> None:
        try:
            async with self._parts.database.connection() as connection:
                await connection.fetchval("SELECT 1")
        except DatabaseUnavailable as unavailable:
            raise NotReadyError(str(unavailable)) from None

    async def cache(self) -> None:
        try:
            await self._parts.cache.ping()
        except CacheUnavailable as unavailable:
            raise NotReadyError(str(unavailable)) from None

    async def migrations(self) -> None:
        try:
            async with self._parts.database.connection() as connection:
                current = await connection.fetchval("SELECT version_num FROM alembic_version")
        except DatabaseUnavailable:
            raise NotReadyError("unknown while the database is away") from None
        except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
            current = None
        if current != self._revision:
            raise NotReadyError("the schema is not the one this program was made for: run `keepwell db migrate`")

    async def queue(self) -> None:
        for name, lane in (("writes", self._parts.kernel.writes), ("reads", self._parts.kernel.reads)):
            if lane.queued >= lane.limit:
                raise NotReadyError(f"the queue of {name} is full")
        # What lay there when this process began says nothing of now: workers have as long for it as for anything new.
        bound = self._parts.queue.settings.stuck
        if perf_counter() - self._began <= bound:
            return
        try:
            waits = await self._parts.queue.oldest_due()
        except DatabaseUnavailable:
            raise NotReadyError("unknown while the database is away") from None
        if waits > bound:
            raise NotReadyError(f"the oldest job has been due for more than {bound:g} s: see whether workers run")
