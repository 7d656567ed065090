"""PostgreSQL through asyncpg: a pool whose every wait is bounded, and whose failures say when to come back.

Every setting that belongs to a request is local to its transaction, so a connection goes back to the pool without the
usual reset: one round trip less each time.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import msgspec

from keepwell.platform.pool_metrics import POOLS, REFUSED, WAIT

Connection = Any
"""An asyncpg connection. It has no published types, so it is opaque to the type checker."""

_RECONNECT_AFTER = 1
_ASYNCPG: Any = asyncpg  # partly typed; used as a whole or not at all
_REJECTIONS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidParameterValueError,
)
# After these nobody knows what the connection is in the middle of.
# asyncpg says InternalClientError when a connection ends between two of its own steps.
_GONE = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_BROKEN = (TimeoutError, asyncio.CancelledError, asyncpg.PostgresConnectionError, *_GONE)
LOST = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, TimeoutError, *_GONE)
"""What a call on a connection ends with when the server or the way to it fails: it may have been carried out."""
# The server stays one that takes no changes: where there is another one, a new connection finds it.
_USELESS = (asyncpg.ReadOnlySQLTransactionError,)

_PRIVILEGES = """
SELECT rolsuper AS superuser, rolbypassrls AS bypassrls,
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
               AND pg_has_role(current_user, c.relowner, 'USAGE')) AS owner
FROM pg_roles WHERE rolname = current_user
"""


_WORDS = {
    "exhausted": "all its connections are busy",
    "unreachable": "it does not answer",
    "rejected": "it does not let this login in, or not in the role it is to take on: is the schema migrated?",
    "closed": "this process has closed its connections",
}


class DatabaseUnavailable(Exception):  # noqa: N818 - it reports a state of the world, not an error of the program
    """No connection could be had within the bounded wait.

    `reason` is one of `exhausted` (all are busy, here or at the server), `unreachable`, `rejected` (the server does not
    let this login in: a matter of settings) and `closed`; `retry_after` is in whole seconds.
    """

    def __init__(self, reason: str, retry_after: int = _RECONNECT_AFTER) -> None:
        super().__init__(_WORDS.get(reason, reason))
        self.reason = reason
        self.retry_after = retry_after


AWAY = (DatabaseUnavailable, asyncpg.PostgresError, TimeoutError, *_GONE)
"""What work that is tried again later has to expect of the database: that it is away, or does not do what it is asked now."""


class UnsafeRoleError(Exception):
    """The role requests would run under could go round row-level security."""


class PoolSettings(msgspec.Struct, frozen=True):
    """How a process connects. Times are in seconds; `role` is taken on at connect, None: the login itself is the plain role.

    `name` tells the pools of a process apart in metrics.
    """

    url: str
    name: str = "app"
    application_name: str = "keepwell"
    role: str | None = None
    smallest: int = 0
    largest: int = 8
    wait: float = 2.0
    connect_timeout: float = 2.0
    statement_timeout: float = 5.0
    lock_timeout: float = 2.0
    idle_transaction_timeout: float = 10.0
    idle_lifetime: float = 300.0


class Usage(msgspec.Struct, frozen=True):
    """How a pool stands now: connections open and serving, callers waiting for one, and the cap."""

    size: int
    in_use: int
    waiting: int
    largest: int


class Database:
    """A pool of connections that all act as one role. Opens lazily, so a process can start while PostgreSQL is away.

    When PostgreSQL comes back the pool is whole again by itself: a connection that broke is replaced at its next use.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self._pool: Any = None
        self._waiting = 0

    async def open(self) -> None:
        """Makes the pool. Connections are made when first needed; a database that is away is no failure here."""
        settings = self.settings
        parameters = {
            "application_name": settings.application_name,
            "statement_timeout": _milliseconds(settings.statement_timeout),
            "lock_timeout": _milliseconds(settings.lock_timeout),
            "idle_in_transaction_session_timeout": _milliseconds(settings.idle_transaction_timeout),
            "timezone": "UTC",
        }
        if settings.role is not None:
            parameters["role"] = settings.role
        self._pool = await _ASYNCPG.create_pool(
            settings.url,
            min_size=settings.smallest,
            max_size=settings.largest,
            timeout=settings.connect_timeout,
            # The server's own limit fires first; this one is for a server that no longer answers at all.
            command_timeout=settings.statement_timeout + 1,
            max_inactive_connection_lifetime=settings.idle_lifetime,
            server_settings=parameters,
            reset=_keep,
        )
        POOLS.watch(self)

    async def close(self) -> None:
        """Closes what is idle, waits a moment for what is busy, then cuts it."""
        if self._pool is not None:
            POOLS.forget(self)
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), 5.0)
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A connection, outside any transaction. One on which a statement broke off is not used again.

        Raises:
            DatabaseUnavailable: none could be had within the settings' `wait`.
        """
        pool = self._pool
        connection = await self._acquire()
        try:
            yield connection
        except (*_BROKEN, *_USELESS):
            _cut(connection)
            raise
        finally:
            await self._release(pool, connection)

    async def verify_role(self) -> None:
        """Makes sure that row-level security holds for this pool's role.

        Raises:
            UnsafeRoleError: it is a superuser, has BYPASSRLS, or may act as the owner of a table.
            DatabaseUnavailable: it could not be asked.
        """
        async with self.connection() as connection:
            row = await connection.fetchrow(_PRIVILEGES)
        faults = [name for name in ("superuser", "bypassrls", "owner") if row[name]]
        if faults:
            raise UnsafeRoleError(f"Requests would run as a role that is {' and '.join(faults)}: give them a plain one.")

    @property
    def usage(self) -> Usage:
        pool = self._pool
        if pool is None:
            return Usage(0, 0, 0, self.settings.largest)
        size = pool.get_size()
        return Usage(size, size - pool.get_idle_size(), self._waiting, self.settings.largest)

    @property
    def in_use(self) -> int:
        """Connections that are serving somebody now."""
        return self.usage.in_use

    @property
    def size(self) -> int:
        """Connections open now."""
        return self.usage.size

    @property
    def name(self) -> str:
        return self.settings.name

    def counts(self) -> dict[str, int]:
        """`usage` as metrics name it."""
        usage = self.usage
        return {"open": usage.size, "in_use": usage.in_use, "waiting": usage.waiting, "cap": usage.largest}

    async def _acquire(self) -> Connection:
        self._waiting += 1
        before = time.perf_counter()
        try:
            connection = await self._try_acquire()
        except DatabaseUnavailable as refused:
            REFUSED.labels(self.name, refused.reason).inc()
            raise
        finally:
            self._waiting -= 1
        WAIT.labels(self.name).observe(time.perf_counter() - before)
        return connection

    async def _try_acquire(self) -> Connection:
        pool = self._pool
        if pool is None:
            raise DatabaseUnavailable("closed")
        try:
            return await pool.acquire(timeout=self.settings.wait)
        except TimeoutError as error:
            busy = self.usage.in_use >= self.settings.largest
            raise DatabaseUnavailable("exhausted" if busy else "unreachable") from error
        except asyncpg.TooManyConnectionsError as error:
            raise DatabaseUnavailable("exhausted") from error
        except _REJECTIONS as error:
            raise DatabaseUnavailable("rejected") from error
        except (asyncpg.PostgresError, *_GONE) as error:
            raise DatabaseUnavailable("unreachable") from error

    async def _release(self, pool: Any, connection: Connection) -> None:
        """Gives a connection back. A failure to do so is the connection's end, not the caller's concern."""
        try:
            await pool.release(connection, timeout=self.settings.wait)
        except (TimeoutError, asyncpg.PostgresError, *_GONE):
            _cut(connection)


def _cut(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # it noticed its own end first
        connection.terminate()


async def _keep(_connection: Connection) -> None:
    """Leaves a connection as it is: nothing on it outlives a transaction."""


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
