"""Whether the roles this process would work under are plain ones, asked before it works."""

from contextlib import suppress

from keepwell.main.parts import Parts
from keepwell.platform.postgres import DatabaseUnavailable


async def check(parts: Parts) -> None:
    """Refuses logins that row-level security does not hold for. A database that is away is asked again by readiness.

    Raises:
        UnsafeRoleError: requests or proofs would run as superuser, with BYPASSRLS or as the owner of tables.
    """
    for database in (parts.database, parts.auditor):
        await database.open()
        try:
            with suppress(DatabaseUnavailable):
                await database.verify_role()
        finally:
            await database.close()
