"""What must be right in the database before a process works on it: plain roles, this program's schema, the right master key."""

from contextlib import suppress

import asyncpg

from keepwell.main.checks import Checks
from keepwell.main.parts import Parts
from keepwell.platform.postgres import DatabaseUnavailable
from keepwell.platform.settings import InvalidSettingsError


async def check(parts: Parts) -> None:
    """Refuses logins that row-level security does not hold for, and a key that cannot read what is stored.

    `parts` are not running. A database that is away, or has no schema yet, is asked again by readiness.

    Raises:
        UnsafeRoleError: requests or proofs would run as superuser, with BYPASSRLS or as the owner of tables.
        InvalidSettingsError: the master key is not the one this database was made with.
    """
    for database in (parts.database, parts.auditor):
        await database.open()
        try:
            with suppress(DatabaseUnavailable):
                await database.verify_role()
                if database is parts.database:
                    with suppress(asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
                        await _check_key(parts)
        finally:
            await database.close()


async def require(parts: Parts) -> None:
    """What a command needs before it begins; `parts` are running.

    Raises:
        DatabaseUnavailable: it is away.
        NotReadyError: its schema is not this program's.
        InvalidSettingsError: as for `check`.
    """
    async with parts.database.connection() as connection:
        await connection.fetchval("SELECT 1")
    await Checks(parts).migrations()
    await _check_key(parts)


async def _check_key(parts: Parts) -> None:
    async with parts.database.connection() as connection:
        if not await parts.ring.opens(connection):
            raise InvalidSettingsError(
                "The master key does not open what this database holds: give the key it was made with, in KEEPWELL_MASTER_KEY, "
                "KEEPWELL_MASTER_KEY_FILE or master.key in the data directory."
            )
