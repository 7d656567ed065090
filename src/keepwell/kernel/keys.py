"""Keys: a master key outside the database; wrapped by it, index and data keys of each tenant, and keys of the installation.

Version 0 of a tenant is its index key (for blind indexes, never rotated with the data), versions from 1 are data keys. What is
not a tenant's is derived from the installation's root, which is stored, wrapped as well: a new master key changes none of it.

What a process holds open counts for `FRESH_SECONDS`; then it has to see that no key changed meanwhile. So whoever changes keys
knows, that much later, that every process that works knows. Keys of a tenant that were destroyed open nothing any more.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from keepwell.kernel import key_store
from keepwell.kernel.problems import TENANT_DESTROYED, UNAVAILABLE, Refusal, Refused
from keepwell.kit.ids import NIL
from keepwell.kit.time import Clock
from keepwell.platform import crypto
from keepwell.platform.crypto import Sealer, UnreadableError

FRESH_SECONDS = 2.0
"""How long a process may rely on what it knows of keys."""
ROOT = "root"
SIGNING = "access-token"
"""Purposes of the installation's keys: what further secrets are derived from, and what access tokens are signed with."""

_INDEX = 0
_FIRST = 1
_MOST_CACHED = 20_000
_UNKNOWN = -1
_FIRST_SIGNING = "keepwell access token signing v1"
_blinder = lru_cache(maxsize=1_024)(crypto.blinder)
"""For those tenants that are about: made of all whose keys are open, they would be dearer to keep than to make."""


class UnknownVersionError(UnreadableError):
    """A value was sealed under a data key that this process has not seen. Ask for the tenant's keys, and open it again.

    It is raised once only of a version that is not stored either.
    """


class TenantDestroyedError(Refused):
    """The tenant's keys were destroyed, and with them all it ever stored."""

    def __init__(self, tenant: UUID) -> None:
        super().__init__(Refusal(TENANT_DESTROYED))
        self.tenant = tenant


class Generation(NamedTuple):
    """One key of the installation. What was made with it is accepted before `until`; None: it is the one in use."""

    number: int
    key: bytes
    until: datetime | None


def place(tenant: UUID, table: str, column: str, row: str) -> bytes:
    """The associated data of one stored value."""
    return b"%b|%b" % (tenant.bytes, f"{table}|{column}|{row}".encode())


class TenantKeys:
    """The opened keys of one tenant. They are brought up to date in place: who holds them opens what is sealed from then on."""

    __slots__ = ("_asked", "_index", "_missing", "_sealers", "current", "epoch", "tenant")

    def __init__(self, tenant: UUID, keys: dict[int, bytes], current: int, epoch: int) -> None:
        self.tenant = tenant
        self._index = keys[_INDEX]
        self._sealers: dict[int, Sealer] = {}
        self._asked: set[int] = set()
        self._missing: set[int] = set()
        self.update(keys, current, epoch)

    def update(self, keys: dict[int, bytes], current: int, epoch: int) -> None:
        """Takes over what is stored. `current` is the version to seal under, `epoch` says when that was so."""
        for version, key in keys.items():
            if version != _INDEX and version not in self._sealers:
                self._sealers[version] = Sealer(key, version)
        self._missing = (self._missing | self._asked) - self._sealers.keys()
        self._asked.clear()
        self.current = self._sealers[current]
        self.epoch = epoch

    @property
    def blind(self) -> Callable[[str], bytes]:
        """Makes the tenant's blind indexes: see `crypto.blinder`."""
        return _blinder(self._index)

    def fingerprint(self, digest: bytes) -> bytes:
        """A digest of content as it may be stored: without the key nobody can try out what the content was."""
        return self.blind(f"fingerprint:{digest.hex()}")

    def seal(self, plaintext: bytes, table: str, column: str, row: str) -> bytes:
        return self.current.seal(plaintext, place(self.tenant, table, column, row))

    def open(self, envelope: bytes, table: str, column: str, row: str) -> bytes:
        """The plaintext of a stored value.

        Raises:
            UnknownVersionError: its key is not known here yet.
            UnreadableError: its key is gone, or it was altered or moved.
        """
        version = crypto.key_version(envelope)
        sealer = self._sealers.get(version)
        if sealer is None:
            if version in self._missing:
                raise UnreadableError("the data key of this value is gone")
            self._asked.add(version)
            self.epoch = _UNKNOWN  # whoever asks for these keys next looks at what is stored
            raise UnknownVersionError("the data key of this value is not there")
        return sealer.open(envelope, place(self.tenant, table, column, row))


class KeyRing:
    """Opens keys and keeps them in this process; makes a tenant's at its first command, the installation's at the first start.

    `previous` are master keys that opened what is stored before; nothing is wrapped by them any more.
    """

    def __init__(self, master: bytes, clock: Clock, previous: Sequence[bytes] = ()) -> None:
        self._masters = (master, *previous)
        if any(len(each) != crypto.KEY_BYTES for each in self._masters):
            raise ValueError(f"a master key must be {crypto.KEY_BYTES} bytes long")
        self._wrappers = [Sealer(crypto.derive(each, "keepwell tenant key wrapping v1"), 1) for each in self._masters]
        self._opened: OrderedDict[UUID, TenantKeys] = OrderedDict()
        self._destroyed: frozenset[UUID] = frozenset()
        self._installation: dict[str, tuple[Generation, ...]] = {}
        self._derived: dict[str, bytes] = {}
        self._epoch = _UNKNOWN
        self.seen_at = float("-inf")
        """When the look began that saw all keys as they are known here (monotonic seconds)."""
        self.clock = clock

    # -- the installation's

    @property
    def known(self) -> bool:
        """Whether the installation's keys were seen here."""
        return bool(self._installation)

    def derive(self, label: str) -> bytes:
        """32 bytes for one purpose of the whole installation, such as signing checkpoints: the same whatever the master key.

        Raises:
            Refused: temporarily unavailable: no database was reached yet that says what they are derived from.
        """
        derived = self._derived.get(label)
        if derived is None:
            derived = self._derived[label] = crypto.derive(self.generations(ROOT)[-1].key, label)
        return derived

    def generations(self, purpose: str) -> tuple[Generation, ...]:
        """The installation's keys for a purpose, the one in use last; the same object while none changes. Raises as `derive`."""
        found = self._installation.get(purpose)
        if found is None:
            raise Refused(Refusal(UNAVAILABLE, "The database was not reached yet.", retry_after=2))
        return found

    async def refresh(self, connection: Any) -> None:
        """Sees whether any key changed since the last look. `connection` must be outside a transaction.

        Raises:
            UnreadableError: no master key given here opens the installation's keys.
        """
        began = monotonic()
        epoch = await key_store.epoch(connection)
        if epoch != self._epoch or not self._installation:
            await self._look_at_installation(connection)
            self._destroyed = frozenset(await key_store.destroyed(connection))
            for tenant in self._destroyed:
                self._opened.pop(tenant, None)
            self._epoch = epoch
        self.seen_at = began

    async def _look_at_installation(self, connection: Any) -> None:
        async with key_store.acting_for(connection, NIL):
            rows = await key_store.installation(connection)
            if not rows:
                root = await self._first_root(connection)
                for purpose, key in ((ROOT, root), (SIGNING, crypto.derive(root, _FIRST_SIGNING))):
                    wrapped = self.wrap_for(purpose, 1, key)
                    await key_store.add_generation(connection, purpose, 1, wrapped, self.clock.now())
                rows = await key_store.installation(connection)  # another process may have been first: what is stored counts
        found: dict[str, list[Generation]] = {}
        for purpose, number, wrapped, until in rows:
            found.setdefault(purpose, []).append(Generation(number, self.unwrap_for(purpose, number, wrapped), until))
        self._installation = {purpose: tuple(generations) for purpose, generations in found.items()}

    async def _first_root(self, connection: Any) -> bytes:
        """What was derived from until now, which is the master key; something new where there was nothing yet."""
        if not await key_store.owners(connection):
            return crypto.new_key()
        for row in await key_store.of_tenant(connection, NIL):
            for master, wrapper in zip(self._masters, self._wrappers, strict=True):
                if _opens(wrapper, row["wrapped"], NIL, row["key_version"]):
                    return master
        return self._masters[0]

    # -- the tenants'

    def cached(self, tenant: UUID) -> TenantKeys | None:
        """The tenant's keys, when this process has them open already."""
        return self._opened.get(tenant)

    async def get(self, connection: Any, tenant: UUID) -> TenantKeys:
        """The tenant's keys, loaded or made, as they are now. `connection` must be outside a transaction.

        Raises:
            TenantDestroyedError: they were destroyed.
            UnreadableError: the stored keys were wrapped by another master key, altered, or are not all there.
        """
        if monotonic() - self.seen_at > FRESH_SECONDS:
            await self.refresh(connection)
        if tenant in self._destroyed:
            raise TenantDestroyedError(tenant)
        keys = self._opened.get(tenant)
        if keys is None or keys.epoch != self._epoch:
            keys = await self._load(connection, tenant)
        return keys

    async def _load(self, connection: Any, tenant: UUID) -> TenantKeys:
        epoch = self._epoch
        async with key_store.acting_for(connection, tenant):
            rows = await key_store.of_tenant(connection, tenant)
            if not rows:
                for version in (_INDEX, _FIRST):
                    wrapped = self.wrap(tenant, version, crypto.new_key())
                    await key_store.add(connection, tenant, version, wrapped, self.clock.now(), active=True)
                # Another process may have been first: what is stored counts.
                rows = await key_store.of_tenant(connection, tenant)
        if any(row["destroyed_at"] is not None for row in rows):
            raise TenantDestroyedError(tenant)
        opened = {row["key_version"]: self.unwrap(tenant, row["key_version"], row["wrapped"]) for row in rows}
        active = [row["key_version"] for row in rows if row["active"] and row["key_version"] != _INDEX]
        if _INDEX not in opened or not active:
            raise UnreadableError("a key of this tenant is not there")
        keys = self._opened.get(tenant)
        if keys is None:
            keys = self._opened[tenant] = TenantKeys(tenant, opened, max(active), epoch)
        else:
            keys.update(opened, max(active), epoch)
        if len(self._opened) > _MOST_CACHED:
            self._opened.popitem(last=False)
        return keys

    async def opens(self, connection: Any) -> bool:
        """Whether the master keys open the installation's stored keys; True while there are none. Nothing is made."""
        async with key_store.acting_for(connection, NIL):
            rows = await key_store.of_tenant(connection, NIL)
            installation = await key_store.installation(connection)
        try:
            for row in rows:
                self.unwrap(NIL, row["key_version"], row["wrapped"])
            for purpose, number, wrapped, _ in installation:
                self.unwrap_for(purpose, number, wrapped)
        except UnreadableError:
            return False
        return True

    # -- wrapping

    def wrap(self, tenant: UUID, version: int, key: bytes) -> bytes:
        return self._wrappers[0].seal(key, place(tenant, "tenant_key", "wrapped", str(version)))

    def unwrap(self, tenant: UUID, version: int, wrapped: bytes) -> bytes:
        return self._open(wrapped, place(tenant, "tenant_key", "wrapped", str(version)))

    def wrap_for(self, purpose: str, number: int, key: bytes) -> bytes:
        return self._wrappers[0].seal(key, place(NIL, "installation_key", "wrapped", f"{purpose}/{number}"))

    def unwrap_for(self, purpose: str, number: int, wrapped: bytes) -> bytes:
        return self._open(wrapped, place(NIL, "installation_key", "wrapped", f"{purpose}/{number}"))

    def is_outdated(self, wrapped: bytes, tenant: UUID, row: str, table: str = "tenant_key") -> bool:
        """Whether a wrapped key is not wrapped by the present master key."""
        return not _opens_at(self._wrappers[0], wrapped, place(tenant, table, "wrapped", row))

    def _open(self, wrapped: bytes, where: bytes) -> bytes:
        for wrapper in self._wrappers[:-1]:
            if _opens_at(wrapper, wrapped, where):
                return wrapper.open(wrapped, where)
        return self._wrappers[-1].open(wrapped, where)


def _opens(wrapper: Sealer, wrapped: bytes, tenant: UUID, version: int) -> bool:
    return _opens_at(wrapper, wrapped, place(tenant, "tenant_key", "wrapped", str(version)))


def _opens_at(wrapper: Sealer, wrapped: bytes, where: bytes) -> bool:
    try:
        wrapper.open(wrapped, where)
    except UnreadableError:
        return False
    return True
