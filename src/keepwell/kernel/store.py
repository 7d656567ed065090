"""The command path's three statements: load, write, read. Each takes arrays over many tenants and makes one round trip.

Within a statement the work goes tenant by tenant, each under its own row-level security setting; see migration 0001.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg.exceptions import PostgresError

from keepwell.kernel.journal import StoredAccess, StoredEntry


class StaleBatchError(Exception):
    """Somebody else stored first: a version moved, a key was taken or an id exists. Nothing of the batch was stored."""

    def __init__(self, tenant: UUID) -> None:
        super().__init__("stale")
        self.tenant = tenant


class StateRow(NamedTuple):
    """An aggregate to store. `expected` is the version it must replace; 0: it must not exist."""

    tenant: UUID
    kind: str
    id: UUID
    expected: int
    version: int
    compartment: bytes | None
    valid_until: datetime | None
    created_at: datetime
    updated_at: datetime
    head: bytes
    state: bytes


class KeyRow(NamedTuple):
    """An idempotency key to claim, with the outcome that a replay gets."""

    tenant: UUID
    key: bytes
    fingerprint: bytes
    outcome: bytes
    created_at: datetime
    expires_at: datetime


class ReadRow(NamedTuple):
    """One read to answer and record. `compartment` and `credential` None mean: not held to any.

    `known` names the state the reader holds already, which is then not sent again; empty: no state is wanted.
    """

    tenant: UUID
    kind: str
    entity: UUID
    compartment: bytes | None
    credential: UUID | None
    at: datetime
    id: UUID
    action: str
    actor: UUID
    role: str
    door: str
    request_id: str
    purpose: str
    digest: bytes
    known: bytes | None


class Wanted(NamedTuple):
    """What a batch needs from one tenant. Sets, because several commands may want the same."""

    aggregates: set[tuple[str, UUID]]
    keys: set[bytes]
    credentials: set[UUID]


class Loaded(NamedTuple):
    """What the database holds of what was wanted, keyed with the tenant first. Records are rows of `kernel_load`."""

    aggregates: dict[tuple[UUID, str, UUID], Any]
    keys: dict[tuple[UUID, bytes], Any]
    credentials: set[tuple[UUID, UUID]]


class Span(NamedTuple):
    """Entries of one aggregate, from version `first` to `last`."""

    tenant: UUID
    kind: str
    id: UUID
    first: int
    last: int


class Versions(NamedTuple):
    """The newest versions of those aggregates that are there, and the credentials that live, keyed with the tenant first."""

    aggregates: dict[tuple[UUID, str, UUID], int]
    credentials: set[tuple[UUID, UUID]]


_AGGREGATE, _KEY = 1, 2
_STALE = "KW001"
_ENTRY = attrgetter(*StoredEntry.__struct_fields__)
_RECORD = attrgetter(*StoredAccess.__struct_fields__)
_first = itemgetter(0)


def _target_order(row: StateRow) -> tuple[int, str, int]:
    """The order of UUIDs in PostgreSQL and in Python, compared five times as fast."""
    return row.tenant.int, row.kind, row.id.int


def _wanted_order(target: tuple[str, UUID]) -> tuple[str, int]:
    return target[0], target[1].int


def _call(function: str, parameters: int, answer: str = "*") -> str:
    # The names come from the three constants below.
    return f"SELECT {answer} FROM {function}({', '.join(f'${n}' for n in range(1, parameters + 1))})"  # noqa: S608


_LOAD = _call("kernel_load", 10)
_WRITE = _call("kernel_write", 47, "pg_current_xact_id()::text::bigint")
_READ = _call("kernel_read", 17)
_ENTRIES = _call("kernel_entries", 6)
_VERSIONS = _call("kernel_versions", 7)
CLAIM_TENANT = "SELECT set_config('app.tenant', $1, true)"
POSITION = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"


def segment_starts(tenants: Sequence[UUID], owners: Sequence[UUID]) -> list[int]:
    """Where each tenant's segment starts in rows sorted by tenant, 1-based, with one more at the end."""
    starts = [1]
    place = 0
    for tenant in tenants:
        # Rows of one tenant mostly carry the very same object, and comparing two UUIDs costs ten times as much.
        while place < len(owners) and (owners[place] is tenant or owners[place] == tenant):
            place += 1
        starts.append(place + 1)
    return starts


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


async def load(connection: Any, wanted: dict[UUID, Wanted], moment: datetime, *, lock: bool) -> Loaded:
    """Loads all that is wanted, of all tenants. With `lock`, inside the caller's transaction, it holds the rows till its end."""
    tenants = sorted(wanted)
    aggregates = [(tenant, *target) for tenant in tenants for target in sorted(wanted[tenant].aggregates, key=_wanted_order)]
    keys = [(tenant, key) for tenant in tenants for key in sorted(wanted[tenant].keys)]
    credentials = [(tenant, credential) for tenant in tenants for credential in sorted(wanted[tenant].credentials)]
    a_tenant, a_kind, a_id = _columns(aggregates, 3)
    k_tenant, k_key = _columns(keys, 2)
    c_tenant, c_id = _columns(credentials, 2)
    rows = await connection.fetch(
        _LOAD,
        tenants,
        segment_starts(tenants, a_tenant),
        a_kind,
        a_id,
        segment_starts(tenants, k_tenant),
        k_key,
        segment_starts(tenants, c_tenant),
        c_id,
        moment,
        lock,
    )
    found = Loaded({}, {}, set())
    for row in rows:
        what = row["what"]
        if what == _AGGREGATE:
            found.aggregates[row["tenant"], row["kind"], row["id"]] = row
        elif what == _KEY:
            found.keys[row["tenant"], row["head"]] = row
        else:
            found.credentials.add((row["tenant"], row["id"]))
    return found


async def entries(connection: Any, spans: Sequence[Span]) -> list[list[Any]]:
    """The journal's rows of each span, oldest first, their payload sealed. The connection's tenant setting is left cleared."""
    order = sorted(range(len(spans)), key=lambda place: spans[place].tenant)
    owners, *columns = _columns([spans[place] for place in order], 5)
    tenants = sorted(set(owners))
    found: list[list[Any]] = [[] for _ in spans]
    for row in await connection.fetch(_ENTRIES, tenants, segment_starts(tenants, owners), *columns):
        found[order[row["place"] - 1]].append(row)
    return found


async def versions(connection: Any, wanted: dict[UUID, Wanted], moment: datetime) -> Versions:
    """How far what is wanted is, and which of the credentials live at `moment`. Nobody is shown anything."""
    tenants = sorted(wanted)
    aggregates = [(tenant, *target) for tenant in tenants for target in wanted[tenant].aggregates]
    credentials = [(tenant, credential) for tenant in tenants for credential in wanted[tenant].credentials]
    a_tenant, a_kind, a_id = _columns(aggregates, 3)
    c_tenant, c_id = _columns(credentials, 2)
    starts = segment_starts(tenants, a_tenant), segment_starts(tenants, c_tenant)
    found = Versions({}, set())
    for row in await connection.fetch(_VERSIONS, tenants, starts[0], a_kind, a_id, starts[1], c_id, moment):
        if row["what"] == _AGGREGATE:
            found.aggregates[row["tenant"], row["kind"], row["id"]] = row["version"]
        else:
            found.credentials.add((row["tenant"], row["id"]))
    return found


async def write(
    connection: Any,
    states: Sequence[StateRow],
    entries: Sequence[StoredEntry],
    keys: Sequence[KeyRow],
    records: Sequence[StoredAccess],
) -> int:
    """Stores one batch; the id of the transaction that did. Atomic by itself when called outside a transaction.

    Raises:
        StaleBatchError: the batch was decided on something that is no longer so.
    """
    states = sorted(states, key=_target_order)
    keys = sorted(keys, key=lambda row: row[:2])
    entry_rows = sorted((_ENTRY(entry) for entry in entries), key=_first)
    record_rows = sorted((_RECORD(record) for record in records), key=_first)
    tenants = sorted({row[0] for rows in (states, keys, entry_rows, record_rows) for row in rows})
    arguments: list[Any] = [tenants]
    for rows, width in ((keys, 6), (states, 11), (entry_rows, 15), (record_rows, 14)):
        owners, *columns = _columns(rows, width)
        arguments.append(segment_starts(tenants, owners))
        arguments.extend(columns)
    try:
        return await connection.fetchval(_WRITE, *arguments)
    except PostgresError as error:
        # asyncpg sets the fields of the server's message by name at run time.
        if getattr(error, "sqlstate", None) == _STALE:
            raise StaleBatchError(UUID(getattr(error, "detail", ""))) from error
        raise


async def read(connection: Any, rows: Sequence[ReadRow], moment: datetime) -> list[Any]:
    """One record of `kernel_read` for each row, in the order given, each access recorded."""
    order = sorted(range(len(rows)), key=lambda place: rows[place].tenant)
    owners, *columns = _columns([rows[place] for place in order], 15)
    tenants = sorted(set(owners))
    answers: list[Any] = [None] * len(rows)
    for record in await connection.fetch(_READ, tenants, segment_starts(tenants, owners), *columns, moment):
        answers[order[record["place"] - 1]] = record
    return answers
