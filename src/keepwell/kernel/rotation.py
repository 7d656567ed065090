"""Changing keys while everything goes on: the master key, tenants' data keys, the keys that sign; and destroying a tenant's.

Each step is one transaction and may be done again. Between two steps that need it everybody is given the time to learn of the
first one (`settle`): a new data key opens everywhere before anything is sealed under it anywhere.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import UUID

import msgspec

from keepwell.kernel import key_store
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.keys import FRESH_SECONDS, SIGNING
from keepwell.kernel.service import Kernel
from keepwell.kit.ids import NIL
from keepwell.platform import crypto
from keepwell.platform.crypto import UnreadableError

SETTLE_SECONDS = FRESH_SECONDS + 1.0
"""After this long everybody who works has seen what was changed before: what they know is never older than `FRESH_SECONDS`."""

_PAGE = 200
_SKEW = timedelta(seconds=10)


class Standing(msgspec.Struct, frozen=True):
    """How a tenant's keys stand. `coming` is a version that nothing is sealed under yet; `behind` are states under older ones."""

    current: int
    coming: int | None
    states: int
    behind: int
    outdated: int


class Resealed(msgspec.Struct, frozen=True):
    """What one pass over a tenant's states did. `busy` were held by somebody else; `unreadable` do not open at all."""

    done: int = 0
    busy: int = 0
    unreadable: int = 0


class Rotation:
    """Changes keys through one process's kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._ring = kernel.ring

    async def settle(self) -> None:
        """Returns when every process that works has seen what was changed until now."""
        await asyncio.sleep(SETTLE_SECONDS)

    async def owners(self) -> list[UUID]:
        """The tenants that have keys, the installation's own among them."""
        async with self._kernel.database.connection() as connection:
            return await key_store.owners(connection)

    # -- the master key

    async def rewrap(self, tenant: UUID) -> int:
        """Wraps a tenant's keys by the present master key; how many were not.

        Raises:
            UnreadableError: one is wrapped by a master key that was not given.
        """
        done = 0
        async with self._kernel.database.connection() as connection, key_store.acting_for(connection, tenant):
            for row in await key_store.of_tenant(connection, tenant, lock=True):
                version, wrapped = row["key_version"], row["wrapped"]
                if row["destroyed_at"] is None and self._ring.is_outdated(wrapped, tenant, str(version)):
                    key = self._ring.unwrap(tenant, version, wrapped)
                    await key_store.rewrap(connection, tenant, version, self._ring.wrap(tenant, version, key))
                    done += 1
        return done

    async def rewrap_installation(self) -> int:
        """Wraps the installation's keys by the present master key; how many were not. Raises as `rewrap`."""
        done = 0
        async with self._kernel.database.connection() as connection, key_store.acting_for(connection, NIL):
            for purpose, number, wrapped, _ in await key_store.installation(connection, lock=True):
                if self._ring.is_outdated(wrapped, NIL, f"{purpose}/{number}", "installation_key"):
                    key = self._ring.unwrap_for(purpose, number, wrapped)
                    await key_store.rewrap_generation(connection, purpose, number, self._ring.wrap_for(purpose, number, key))
                    done += 1
        return done

    async def outdated_installation(self) -> int:
        """How many of the installation's keys are not wrapped by the present master key."""
        async with self._kernel.database.connection() as connection, key_store.acting_for(connection, NIL):
            rows = await key_store.installation(connection)
        return sum(self._ring.is_outdated(row[2], NIL, f"{row[0]}/{row[1]}", "installation_key") for row in rows)

    # -- a tenant's data key

    async def standing(self, tenant: UUID) -> Standing:
        """How a tenant's keys stand."""
        async with self._kernel.database.connection() as connection, key_store.acting_for(connection, tenant):
            rows = await key_store.of_tenant(connection, tenant)
            current = max((row["key_version"] for row in rows if row["active"]), default=0)
            coming = max((row["key_version"] for row in rows if not row["active"]), default=None)
            states, behind = await connection.fetchrow(_COUNT, tenant, crypto.envelope_prefix(current))
        outdated = sum(
            self._ring.is_outdated(row["wrapped"], tenant, str(row["key_version"])) for row in rows if row["destroyed_at"] is None
        )
        return Standing(current, coming, states, behind, outdated)

    async def begin(self, tenant: UUID) -> None:
        """Makes the tenant's next data key, which opens from now on; nothing where one is there that is not active yet."""
        async with self._kernel.database.connection() as connection, key_store.acting_for(connection, tenant):
            rows = await key_store.of_tenant(connection, tenant, lock=True)
            if rows and all(row["active"] and row["destroyed_at"] is None for row in rows):
                version = rows[-1]["key_version"] + 1
                wrapped = self._ring.wrap(tenant, version, crypto.new_key())
                await key_store.add(connection, tenant, version, wrapped, self._ring.clock.now(), active=False)
            await key_store.changed(connection)

    async def activate(self, tenant: UUID) -> None:
        """Lets everybody seal under the tenant's newest data key. All must have seen it: see `settle`."""
        async with self._kernel.database.connection() as connection, key_store.acting_for(connection, tenant):
            await key_store.activate(connection, tenant)
            await key_store.changed(connection)

    async def reseal(self, tenant: UUID, after: tuple[str, UUID]) -> tuple[Resealed, tuple[str, UUID] | None]:
        """Seals the next states behind `after` under the current key, a page of them; where it stopped, None at the end.

        Whoever holds a row is not waited for, so that nobody can wait for this in a circle.
        """
        kernel = self._kernel
        async with kernel.database.connection() as connection:
            keys = await self._ring.get(connection, tenant)
            async with key_store.acting_for(connection, tenant):
                wanted = await connection.fetch(_BEHIND, tenant, *after, keys.current.prefix, _PAGE)
                rows = await connection.fetch(_LOCK, tenant, [row["kind"] for row in wanted], [row["id"] for row in wanted])
                sealed: list[tuple[str, UUID, bytes]] = []
                unreadable = 0
                for kind, id_, version, state in rows:
                    where = ("aggregate", "state", f"{kind}/{id_}/{version}")
                    try:
                        sealed.append((kind, id_, keys.seal(keys.open(state, *where), *where)))
                    except UnreadableError:
                        unreadable += 1
                if sealed:
                    await connection.execute(_RESEAL, tenant, *([*column] for column in zip(*sealed, strict=True)))
        last = (wanted[-1]["kind"], wanted[-1]["id"]) if len(wanted) == _PAGE else None
        return Resealed(len(sealed), len(wanted) - len(rows), unreadable), last

    # -- the keys that sign access tokens

    async def sign_anew(self, longest: timedelta, *, revoke: bool) -> int:
        """Makes the next signing key; its number. What older ones signed counts as long as a token lives; revoked, no more."""
        now = self._ring.clock.now()
        until = now if revoke else now + longest + 2 * timedelta(seconds=SETTLE_SECONDS) + _SKEW
        async with self._kernel.database.connection() as connection, key_store.acting_for(connection, NIL):
            rows = await key_store.installation(connection, lock=True)
            number = max(generation for purpose, generation, _, _ in rows if purpose == SIGNING) + 1
            await key_store.add_generation(
                connection, SIGNING, number, self._ring.wrap_for(SIGNING, number, crypto.new_key()), now
            )
            await key_store.forget_generations(connection, SIGNING, now)
            await key_store.supersede(connection, SIGNING, number, until)
            await key_store.changed(connection)
        return number

    # -- destroying

    async def destroy(self, tenant: UUID, lookups: Iterable[Lookup]) -> None:
        """Overwrites a tenant's keys, ends its sessions, and blanks what the installation's own key made of its people.

        Once this has settled, nobody opens anything the tenant stored.
        """
        async with self._kernel.database.connection() as connection, key_store.acting_for(connection, tenant):
            await key_store.destroy(connection, tenant, self._ring.clock.now())
            await connection.execute(_END_CREDENTIALS, tenant)
            for lookup in lookups:
                for column in (name for name, type_ in lookup.columns.items() if type_ == "bytea"):
                    await connection.execute(_BLANK.format(lookup.table, column), tenant)
            await key_store.changed(connection)


async def resealed(rotation: Rotation, tenant: UUID, say: Callable[[int], None]) -> Resealed:
    """Seals all of a tenant's states under its current key, at most half of the time at work; what is left over, and why."""
    total = Resealed()
    while True:
        after: tuple[str, UUID] | None = ("", NIL)
        round_ = Resealed()
        while after is not None:
            began = asyncio.get_running_loop().time()
            page, after = await rotation.reseal(tenant, after)
            round_ = Resealed(round_.done + page.done, round_.busy + page.busy, round_.unreadable + page.unreadable)
            say(total.done + round_.done)
            await asyncio.sleep(asyncio.get_running_loop().time() - began)
        total = Resealed(total.done + round_.done, round_.busy, round_.unreadable)
        if not round_.busy:
            return total


_COUNT = "SELECT count(*), count(*) FILTER (WHERE substring(state FROM 1 FOR 3) <> $2) FROM aggregate WHERE tenant_id = $1"
_BEHIND = (
    "SELECT kind, id FROM aggregate WHERE tenant_id = $1 AND (kind, id) > ($2, $3) AND substring(state FROM 1 FOR 3) <> $4 "
    "ORDER BY kind, id LIMIT $5"
)
_LOCK = (
    "SELECT kind, id, version, state FROM aggregate WHERE tenant_id = $1 "
    "AND (kind, id) IN (SELECT * FROM unnest($2::text[], $3::uuid[])) FOR NO KEY UPDATE SKIP LOCKED"
)
_RESEAL = (
    "UPDATE aggregate g SET state = n.state FROM unnest($2::text[], $3::uuid[], $4::bytea[]) AS n (kind, id, state) "
    "WHERE g.tenant_id = $1 AND g.kind = n.kind AND g.id = n.id"
)
_END_CREDENTIALS = "UPDATE aggregate SET valid_until = NULL WHERE tenant_id = $1 AND valid_until IS NOT NULL"
# Names come from the rooms' own declarations, never from input. A value of its own for each row keeps unique indexes content.
_BLANK = "UPDATE {0} SET {1} = uuid_send(gen_random_uuid()) WHERE tenant_id = $1 AND {1} IS NOT NULL"
