"""Where keys are stored: `tenant_key`, `installation_key`, and `key_epoch`, which says how often any of them changed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.kernel.store import CLAIM_TENANT
from keepwell.kit.ids import NIL


@asynccontextmanager
async def acting_for(connection: Any, tenant: UUID) -> AsyncGenerator[None]:
    """A transaction that sees one tenant's rows."""
    async with connection.transaction():
        await connection.execute(CLAIM_TENANT, str(tenant))
        yield


async def epoch(connection: Any) -> int:
    """How often keys were changed, in one round trip."""
    return await connection.fetchval("SELECT kernel_key_epoch()")


async def changed(connection: Any) -> None:
    """Says that keys change with this transaction, which from here on acts for nobody's rows but these."""
    await connection.execute(CLAIM_TENANT, str(NIL))
    await connection.execute(_CHANGED, NIL)


async def destroyed(connection: Any) -> list[UUID]:
    """The tenants whose keys were destroyed."""
    return [row[0] for row in await connection.fetch("SELECT tenant_id FROM directory_destroyed_keys()")]


async def owners(connection: Any) -> list[UUID]:
    """The tenants that have keys."""
    return [row[0] for row in await connection.fetch("SELECT tenant_id FROM directory_key_owners()")]


async def of_tenant(connection: Any, tenant: UUID, *, lock: bool = False) -> list[Any]:
    """The rows of a tenant's keys, in the order of their versions."""
    return await connection.fetch(_OF_TENANT + (" FOR UPDATE" if lock else ""), tenant)


async def add(connection: Any, tenant: UUID, version: int, wrapped: bytes, at: datetime, *, active: bool) -> None:
    """Stores a version, unless it is there."""
    await connection.execute(_ADD, tenant, version, wrapped, at, active)


async def activate(connection: Any, tenant: UUID) -> None:
    """From the next look on every process seals under the newest version."""
    await connection.execute("UPDATE tenant_key SET active = true WHERE tenant_id = $1 AND NOT active", tenant)


async def rewrap(connection: Any, tenant: UUID, version: int, wrapped: bytes) -> None:
    """Replaces what wraps a version."""
    await connection.execute(_REWRAP, tenant, version, wrapped)


async def destroy(connection: Any, tenant: UUID, at: datetime) -> None:
    """Overwrites every version. The rows stay, so that nobody makes new keys in their place."""
    await connection.execute(
        "UPDATE tenant_key SET wrapped = '', destroyed_at = $2 WHERE tenant_id = $1 AND destroyed_at IS NULL", tenant, at
    )


async def installation(connection: Any, *, lock: bool = False) -> list[Any]:
    """Purpose, generation, wrapped key and end of acceptance of the installation's keys, oldest first."""
    return await connection.fetch(_INSTALLATION + (" FOR UPDATE" if lock else ""), NIL)


async def add_generation(connection: Any, purpose: str, number: int, wrapped: bytes, at: datetime) -> None:
    """Stores a generation, unless it is there."""
    await connection.execute(_ADD_GENERATION, NIL, purpose, number, wrapped, at)


async def rewrap_generation(connection: Any, purpose: str, number: int, wrapped: bytes) -> None:
    """Replaces what wraps a generation."""
    await connection.execute(_REWRAP_GENERATION, NIL, purpose, number, wrapped)


async def supersede(connection: Any, purpose: str, number: int, until: datetime) -> None:
    """Ends what is made with generations before `number`, at `until` or where it was to end sooner."""
    await connection.execute(_SUPERSEDE, NIL, purpose, number, until)


async def forget_generations(connection: Any, purpose: str, before: datetime) -> None:
    """Deletes the generations of which nothing is accepted any more."""
    await connection.execute(_FORGET, NIL, purpose, before)


_CHANGED = (
    "INSERT INTO key_epoch AS k (tenant_id, name, epoch) VALUES ($1, 'keys', 1) "
    "ON CONFLICT (tenant_id, name) DO UPDATE SET epoch = k.epoch + 1"
)
_OF_TENANT = "SELECT key_version, wrapped, active, destroyed_at FROM tenant_key WHERE tenant_id = $1 ORDER BY key_version"
_REWRAP = "UPDATE tenant_key SET wrapped = $3 WHERE tenant_id = $1 AND key_version = $2"
_ADD = (
    "INSERT INTO tenant_key (tenant_id, key_version, wrapped, created_at, active) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT DO NOTHING"
)
_INSTALLATION = (
    "SELECT purpose, generation, wrapped, accepted_until FROM installation_key WHERE tenant_id = $1 ORDER BY purpose, generation"
)
_ADD_GENERATION = (
    "INSERT INTO installation_key (tenant_id, purpose, generation, wrapped, created_at) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT DO NOTHING"
)
_REWRAP_GENERATION = "UPDATE installation_key SET wrapped = $4 WHERE tenant_id = $1 AND purpose = $2 AND generation = $3"
_SUPERSEDE = (
    "UPDATE installation_key SET accepted_until = least(coalesce(accepted_until, $4), $4) "
    "WHERE tenant_id = $1 AND purpose = $2 AND generation < $3"
)
_FORGET = "DELETE FROM installation_key WHERE tenant_id = $1 AND purpose = $2 AND accepted_until < $3"
