"""PostgreSQL through asyncpg: a pool whose every wait is bounded, and whose failures say when to come back.

Every setting that belongs to a request is local to its transaction, so a connection goes back to the pool without the
usual reset (one round trip less each time). Works behind a transaction pooler for the same reason.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

Connection = Any
"""An asyncpg connection. It has no published types, so it is opaque to the type checker."""

_RECONNECT_AFTER = 1


class DatabaseUnavailable(Exception):  # noqa: N818 - it reports a state of the world, not an error of the program
    """No connection could be had within the bounded wait.

    `reason` is one of `exhausted`, `unreachable`, `closed`; `retry_after` is in whole seconds.
    """

    def __init__(self, reason: str, retry_after: int = _RECONNECT_AFTER) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class PoolSettings(msgspec.Struct, frozen=True):
    """How a process connects. Times are in seconds; `role` is taken on at connect, None: the login itself is the plain role."""

    url: str
    application_name: str = "keepwell"
    role: str | None = None
    smallest: int = 1
    largest: int = 8
    wait: float = 2.0
    connect_timeout: float = 2.0
    statement_timeout: float = 5.0
    lock_timeout: float = 2.0
    idle_lifetime: float = 300.0


class Database:
    """A pool of connections that all act as one role. Opens lazily, so a process can start while PostgreSQL is away."""

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self._pool: Any = None

    async def open(self) -> None:
        """Makes the pool. Connections are made when first needed; a database that is away is no failure here."""
        settings = self.settings
        parameters = {
            "application_name": settings.application_name,
            "statement_timeout": _milliseconds(settings.statement_timeout),
            "lock_timeout": _milliseconds(settings.lock_timeout),
            "idle_in_transaction_session_timeout": _milliseconds(settings.statement_timeout * 2),
            "timezone": "UTC",
        }
        if settings.role is not None:
            parameters["role"] = settings.role
        self._pool = await asyncpg.create_pool(
            settings.url,
            min_size=0,
            max_size=settings.largest,
            timeout=settings.connect_timeout,
            # The server's own limit fires first; this one is for a server that no longer answers at all.
            command_timeout=settings.statement_timeout + 1,
            max_inactive_connection_lifetime=settings.idle_lifetime,
            server_settings=parameters,
            reset=_keep,
        )

    async def close(self) -> None:
        """Closes what is idle, waits a moment for what is busy, then cuts it."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), 5.0)
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection, outside any transaction.

        Raises:
            DatabaseUnavailable: none could be had within the settings' `wait`.
        """
        connection = await self._acquire()
        try:
            yield connection
        finally:
            if self._pool is not None:
                await self._pool.release(connection)

    @property
    def in_use(self) -> int:
        """Connections that are serving somebody now."""
        return 0 if self._pool is None else self._pool.get_size() - self._pool.get_idle_size()

    @property
    def size(self) -> int:
        """Connections open now."""
        return 0 if self._pool is None else self._pool.get_size()

    async def _acquire(self) -> Connection:
        if self._pool is None:
            raise DatabaseUnavailable("closed")
        try:
            return await self._pool.acquire(timeout=self.settings.wait)
        except TimeoutError as error:
            busy = self.in_use >= self.settings.largest
            raise DatabaseUnavailable("exhausted" if busy else "unreachable") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable("unreachable") from error


async def _keep(_connection: Connection) -> None:
    """Leaves a connection as it is: nothing on it outlives a transaction."""


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
