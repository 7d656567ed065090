"""Keys: one master key outside the database, and for each tenant an index key and versioned data keys wrapped by it.

Version 0 of a tenant is its index key (for blind indexes, never rotated with the data), versions from 1 are data keys.
Losing a tenant's rows of `tenant_key` destroys what was sealed under them.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from keepwell.kit.time import Clock
from keepwell.platform import crypto
from keepwell.platform.crypto import Sealer, UnreadableError

_INDEX = 0
_FIRST = 1
_MOST_CACHED = 20_000
_blind = lru_cache(maxsize=65_536)(crypto.blind)
"""For all tenants together: a cache for each would grow with their number."""


def place(tenant: UUID, table: str, column: str, row: str) -> bytes:
    """The associated data of one stored value."""
    return b"%b|%b" % (tenant.bytes, f"{table}|{column}|{row}".encode())


class TenantKeys:
    """The opened keys of one tenant."""

    __slots__ = ("_index", "_sealers", "blind", "current", "tenant")

    def __init__(self, tenant: UUID, keys: dict[int, bytes]) -> None:
        self.tenant = tenant
        self._index = keys[_INDEX]
        self._sealers = {version: Sealer(key, version) for version, key in keys.items() if version != _INDEX}
        self.current = self._sealers[max(self._sealers)]
        self.blind: Callable[[str], bytes] = partial(_blind, self._index)

    def fingerprint(self, digest: bytes) -> bytes:
        """A digest of content as it may be stored: without the key nobody can try out what the content was."""
        return crypto.blind(self._index, f"fingerprint:{digest.hex()}")

    def seal(self, plaintext: bytes, table: str, column: str, row: str) -> bytes:
        return self.current.seal(plaintext, place(self.tenant, table, column, row))

    def open(self, envelope: bytes, table: str, column: str, row: str) -> bytes:
        """The plaintext of a stored value.

        Raises:
            UnreadableError: its key is gone, or it was altered or moved.
        """
        sealer = self._sealers.get(crypto.key_version(envelope))
        if sealer is None:
            raise UnreadableError("the data key of this value is not there")
        return sealer.open(envelope, place(self.tenant, table, column, row))


class KeyRing:
    """Opens tenants' keys and keeps them in this process; makes them at a tenant's first command."""

    def __init__(self, master: bytes, clock: Clock) -> None:
        if len(master) != crypto.KEY_BYTES:
            raise ValueError(f"the master key must be {crypto.KEY_BYTES} bytes long")
        self._master = master
        self._wrapper = Sealer(crypto.derive(master, "keepwell tenant key wrapping v1"), 1)
        self._opened: OrderedDict[UUID, TenantKeys] = OrderedDict()
        self._clock = clock

    def derive(self, label: str) -> bytes:
        """32 bytes for one purpose of the whole installation, such as signing checkpoints."""
        return crypto.derive(self._master, label)

    def cached(self, tenant: UUID) -> TenantKeys | None:
        """The tenant's keys, when this process has them open already."""
        return self._opened.get(tenant)

    async def get(self, connection: Any, tenant: UUID) -> TenantKeys:
        """The tenant's keys, loaded or made. `connection` must be outside a transaction.

        Raises:
            UnreadableError: the stored keys were wrapped by another master key, altered, or are not all there.
        """
        if (keys := self._opened.get(tenant)) is not None:
            return keys
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant', $1, true)", str(tenant))
            rows = await connection.fetch(_SELECT, tenant)
            if not rows:
                fresh = {version: crypto.new_key() for version in (_INDEX, _FIRST)}
                for version, key in fresh.items():
                    await connection.execute(_INSERT, tenant, version, self._wrap(tenant, version, key), self._clock.now())
                # Another process may have been first: what is stored counts.
                rows = await connection.fetch(_SELECT, tenant)
        opened = {row["key_version"]: self._unwrap(tenant, row["key_version"], row["wrapped"]) for row in rows}
        if _INDEX not in opened or len(opened) == 1:
            raise UnreadableError("a key of this tenant is not there")
        keys = TenantKeys(tenant, opened)
        self._opened[tenant] = keys
        if len(self._opened) > _MOST_CACHED:
            self._opened.popitem(last=False)
        return keys

    async def opens(self, connection: Any, tenant: UUID) -> bool:
        """Whether this master key opens the tenant's stored keys; True while there are none. As `get`, but nothing is made."""
        async with connection.transaction(readonly=True):
            await connection.execute("SELECT set_config('app.tenant', $1, true)", str(tenant))
            rows = await connection.fetch(_SELECT, tenant)
        try:
            for row in rows:
                self._unwrap(tenant, row["key_version"], row["wrapped"])
        except UnreadableError:
            return False
        return True

    def _wrap(self, tenant: UUID, version: int, key: bytes) -> bytes:
        return self._wrapper.seal(key, place(tenant, "tenant_key", "wrapped", str(version)))

    def _unwrap(self, tenant: UUID, version: int, wrapped: bytes) -> bytes:
        return self._wrapper.open(wrapped, place(tenant, "tenant_key", "wrapped", str(version)))


_SELECT = "SELECT key_version, wrapped FROM tenant_key WHERE tenant_id = $1"
_INSERT = "INSERT INTO tenant_key (tenant_id, key_version, wrapped, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
