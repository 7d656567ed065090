"""Proves that stored state is the fold of the journal, and puts it right where it is not.

The walk goes tenant by tenant: tenants are listed as keepwell_auditor, each is read as keepwell_app under its own setting, in
one snapshot, aggregates in pages. A repair takes the aggregate's row lock, folds again and writes state and look-up row in
one transaction with an access record. Nothing is ever deleted: state that the journal knows nothing of may be all that is
left of it, and is for a person to judge.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from keepwell.kernel import lookups, store
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Actor, Origin
from keepwell.kernel.journal import StoredEntry, access_record
from keepwell.kernel.keys import TenantDestroyedError, TenantKeys
from keepwell.kernel.proof.chains import TABLE as JOURNAL_TABLE
from keepwell.kernel.proof.checkpoints import PATIENCE, unhurried
from keepwell.kernel.proof.findings import Damage, Finding, Findings
from keepwell.kernel.proof.folding import AGGREGATE_COLUMNS, Folding
from keepwell.kernel.proof.verify import TENANTS
from keepwell.kernel.service import Kernel
from keepwell.kernel.store import CLAIM_TENANT, StateRow
from keepwell.platform.crypto import UnreadableError
from keepwell.platform.postgres import Database

Target = tuple[UUID, str, UUID]
_PAGE = 200
_PREFETCH = 500


class Report(msgspec.Struct, frozen=True):
    """What a check or rebuild saw. `repaired` counts aggregates put right; what it could not put right stays in `findings`.

    Of `destroyed` clinics nothing can be opened: they were passed over.
    """

    findings: tuple[Finding, ...]
    counts: dict[Damage, int]
    tenants: int
    aggregates: int
    repaired: int
    destroyed: int = 0

    @property
    def sound(self) -> bool:
        return not self.counts


class _Agent(msgspec.Struct, frozen=True):
    actor: Actor
    origin: Origin


async def check(kernel: Kernel, auditor: Database) -> Report:
    """Compares every aggregate and look-up row of every tenant with the journal. Changes nothing."""
    walk = _Walk(kernel, auditor, None)
    await walk.everything()
    return walk.report()


async def rebuild(kernel: Kernel, auditor: Database, by: Actor, origin: Origin, only: Sequence[Target] | None = None) -> Report:
    """Puts right what differs from the journal, for the aggregates named or for all.

    Each repair is recorded in the aggregate's tenant as an access by `by`. Findings are what could not be put right.
    """
    walk = _Walk(kernel, auditor, _Agent(by, origin))
    if only is None:
        await walk.everything()
    else:
        for target in only:
            await walk.one(target)
    return walk.report()


class _Walk:
    def __init__(self, kernel: Kernel, auditor: Database, agent: _Agent | None) -> None:
        self._kernel = kernel
        self._auditor = auditor
        self._agent = agent
        self._findings = Findings()
        self._tenants = self._aggregates = self._repaired = self._destroyed = 0

    def report(self) -> Report:
        counts = dict(self._findings.counts)
        return Report(self._findings.kept(), counts, self._tenants, self._aggregates, self._repaired, self._destroyed)

    async def everything(self) -> None:
        async with self._auditor.connection() as connection:
            tenants = [row[0] for row in await connection.fetch(TENANTS, timeout=PATIENCE)]
        for tenant in tenants:
            self._tenants += 1
            await self._tenant(tenant)

    async def one(self, target: Target) -> None:
        """Repairs one aggregate."""
        self._aggregates += 1
        async with self._kernel.database.connection() as connection:
            keys = await self._keys(connection, target[0])
            await self._settle(connection, target, keys)

    async def _tenant(self, tenant: UUID) -> None:
        async with self._kernel.database.connection() as connection:
            try:
                keys = await self._keys(connection, tenant)
            except TenantDestroyedError:  # there is nothing left to compare
                self._destroyed += 1
                return
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await unhurried(connection)
                await connection.execute(CLAIM_TENANT, str(tenant))
                page: list[Folding] = []
                async for folding in self._foldings(connection, tenant, keys):
                    page.append(folding)
                    if len(page) == _PAGE:
                        await self._compare(connection, page, keys)
                        page = []
                await self._compare(connection, page, keys)
                await self._unjournaled(connection, tenant)

    async def _keys(self, connection: Any, tenant: UUID) -> TenantKeys | None:
        """The tenant's keys; None when they are gone. Never makes new ones, as a first command would."""
        async with connection.transaction():
            await connection.execute(CLAIM_TENANT, str(tenant))
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM tenant_key WHERE tenant_id = $1)", tenant):
                return None
        try:
            return await self._kernel.ring.get(connection, tenant)
        except (UnreadableError, KeyError, ValueError):
            return None

    def _folding(self, target: Target, keys: TenantKeys | None) -> Folding:
        return Folding(*target, self._kernel.catalog.kinds.get(target[1]), self._kernel.codec, keys)

    async def _foldings(self, connection: Any, tenant: UUID, keys: TenantKeys | None) -> AsyncIterator[Folding]:
        folding: Folding | None = None
        async for row in connection.cursor(_ENTRIES.format(""), tenant, prefetch=_PREFETCH, timeout=PATIENCE):
            entry = StoredEntry(*row)
            if folding is None or (folding.kind, folding.id) != (entry.kind, entry.id):
                if folding is not None:
                    yield folding
                folding = self._folding((tenant, entry.kind, entry.id), keys)
            folding.take(entry)
        if folding is not None:
            yield folding

    async def _compare(self, connection: Any, page: Sequence[Folding], keys: TenantKeys | None) -> None:
        rows, looked_up = await self._stored(connection, page)
        for folding in page:
            self._aggregates += 1
            found = folding.compare(rows.get((folding.kind, folding.id)), looked_up.get((folding.kind, folding.id)))
            if found and self._agent is not None:
                # On a connection of its own: this one's snapshot is for reading.
                async with self._kernel.database.connection() as other:
                    await self._settle(other, (folding.tenant, folding.kind, folding.id), keys)
            else:
                self._add(found)

    async def _stored(self, connection: Any, page: Sequence[Folding]) -> tuple[dict[Any, Any], dict[Any, Any]]:
        if not page:
            return {}, {}
        tenant, kinds, ids = page[0].tenant, [folding.kind for folding in page], [folding.id for folding in page]
        rows = {
            (row["kind"], row["id"]): row for row in await connection.fetch(_AGGREGATES, tenant, kinds, ids, timeout=PATIENCE)
        }
        looked_up: dict[Any, Any] = {}
        for kind in set(kinds):
            lookup = self._lookup(kind)
            if lookup is not None:
                wanted = [folding.id for folding in page if folding.kind == kind]
                for id_, *values in await connection.fetch(_lookup_rows(lookup), tenant, wanted, timeout=PATIENCE):
                    looked_up[kind, id_] = values
        return rows, looked_up

    async def _unjournaled(self, connection: Any, tenant: UUID) -> None:
        detail = "the journal has no entry of it"
        async for kind, id_, version in connection.cursor(_UNJOURNALED, tenant, prefetch=_PREFETCH, timeout=PATIENCE):
            self._findings.add(Finding(Damage.UNJOURNALED, "aggregate", detail, tenant, kind, id_, version))
        for kind in self._kernel.catalog.kinds:
            lookup = self._lookup(kind)
            if lookup is not None:
                statement = _UNJOURNALED_LOOKUP.format(lookup.table)
                async for row in connection.cursor(statement, tenant, kind, prefetch=_PREFETCH, timeout=PATIENCE):
                    self._findings.add(Finding(Damage.UNJOURNALED, lookup.table, detail, tenant, kind, row["id"]))

    async def _settle(self, connection: Any, target: Target, keys: TenantKeys | None) -> None:
        """Puts one aggregate right, or reports why it cannot be."""
        try:
            await self._repair(connection, target, keys)
        except asyncpg.IntegrityConstraintViolationError as error:
            constraint: str = getattr(error, "constraint_name", None) or "a constraint"
            table: str = getattr(error, "table_name", None) or ""
            self._add([Finding(Damage.COLUMN, table, f"cannot be put right: {constraint} stands in the way", *target)])

    async def _repair(self, connection: Any, target: Target, keys: TenantKeys | None) -> None:
        # Folded again under the row's lock, because the page was read in an older snapshot.
        tenant, kind, id_ = target
        async with connection.transaction(isolation="read_committed"):
            await unhurried(connection)
            await connection.execute(CLAIM_TENANT, str(tenant))
            await connection.execute(_LOCK, tenant, kind, id_)
            folding = self._folding(target, keys)
            statement = _ENTRIES.format("AND kind = $2 AND id = $3")
            async for row in connection.cursor(statement, tenant, kind, id_, prefetch=_PREFETCH, timeout=PATIENCE):
                folding.take(StoredEntry(*row))
            if not folding.version:
                self._add([Finding(Damage.UNJOURNALED, JOURNAL_TABLE, "the journal has no entry of it", *target)])
                return
            rows, looked_up = await self._stored(connection, [folding])
            found = folding.compare(rows.get((kind, id_)), looked_up.get((kind, id_)))
            if found and folding.fault is None and folding.aggregate is not None and keys is not None:
                await self._write(connection, folding, keys)
            else:
                self._add(found)

    async def _write(self, connection: Any, folding: Folding, keys: TenantKeys) -> None:
        aggregate, agent = folding.aggregate, self._agent
        if aggregate is None or agent is None:
            raise ValueError("nothing can be written without a room and somebody who does it")
        await connection.execute(_UPSERT, *_upsert_arguments(folding.state_row(keys, aggregate)))
        who = _Agent(msgspec.structs.replace(agent.actor, tenant=folding.tenant), agent.origin)
        now = self._kernel.clock.now()
        record = access_record(who, folding.kind, folding.id, now, "rebuild", "repaired", folding.version)
        await store.write(connection, [], [], [], [record])
        if aggregate.lookup is not None:
            await lookups.save(connection, self._kernel.catalog, [folding.lookup_row(keys, aggregate.lookup)])
        self._repaired += 1

    def _lookup(self, kind: str) -> Lookup | None:
        aggregate = self._kernel.catalog.kinds.get(kind)
        return None if aggregate is None else aggregate.lookup

    def _add(self, found: Sequence[Finding]) -> None:
        for finding in found:
            self._findings.add(finding)


def _clamped(column: str) -> str:
    # An instant that Python cannot hold was written by nobody; held to Python's range it differs from what must be there.
    low, high = "'0001-01-01 00:00:00+00'", "'9999-12-31 23:59:59.999999+00'"
    return f"CASE WHEN {column} IS NOT NULL THEN least(greatest({column}, {low}), {high}) END AS {column}"


def _lookup_rows(lookup: Lookup) -> str:
    columns = (_clamped(name) if type_ == "timestamptz" else name for name, type_ in lookup.columns.items())
    # Names come from the rooms' own declarations, never from input.
    return f"SELECT id, {', '.join(columns)} FROM {lookup.table} WHERE tenant_id = $1 AND id = ANY($2::uuid[])"  # noqa: S608


def _upsert_arguments(row: StateRow) -> tuple[Any, ...]:
    return (row.tenant, row.kind, row.id, *(getattr(row, name) for name in AGGREGATE_COLUMNS))


_ENTRIES = (
    "SELECT tenant_id, kind, id, version, least(greatest(at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00'), "
    "event, command, actor, role, door, request_id, purpose, payload, previous, hash "
    "FROM journal_entry WHERE tenant_id = $1 {} ORDER BY tenant_id, kind, id, version, at"
)
_INSTANTS = ", ".join(_clamped(column) for column in ("valid_until", "created_at", "updated_at"))
_AGGREGATES = (
    f"SELECT kind, id, version, compartment, head, state, {_INSTANTS} FROM aggregate g "  # noqa: S608 - our own names
    "WHERE tenant_id = $1 AND (kind, id) IN (SELECT * FROM unnest($2::text[], $3::uuid[]))"
)
_UNJOURNALED = (
    "SELECT g.kind, g.id, g.version FROM aggregate g WHERE g.tenant_id = $1 AND NOT EXISTS "
    "(SELECT FROM journal_entry e WHERE e.tenant_id = g.tenant_id AND e.kind = g.kind AND e.id = g.id)"
)
_UNJOURNALED_LOOKUP = (
    "SELECT l.id FROM {} l WHERE l.tenant_id = $1 AND NOT EXISTS "
    "(SELECT FROM journal_entry e WHERE e.tenant_id = l.tenant_id AND e.kind = $2 AND e.id = l.id)"
)
_LOCK = "SELECT 1 FROM aggregate WHERE tenant_id = $1 AND kind = $2 AND id = $3 FOR NO KEY UPDATE"
_UPSERT = (
    f"INSERT INTO aggregate (tenant_id, kind, id, {', '.join(AGGREGATE_COLUMNS)}) "  # noqa: S608 - our own names
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
    f"ON CONFLICT (tenant_id, kind, id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in AGGREGATE_COLUMNS)}"
)
