"""The isolation matrix: every table the catalog knows, every operation, seen from every tenant setting, as keepwell_app.

`failures` tries what must and what must not work and says in words what went wrong: on the real schema it must find
nothing, on a broken one it must.
"""

from collections.abc import Callable, Container, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Composed, Identifier, Literal

OWN, OTHER = UUID(int=0xA), UUID(int=0xB)
OPERATIONS = ("select", "insert", "update", "move", "delete", "copy to", "copy from")
SETTINGS: dict[str, tuple[str | None, UUID]] = {
    "own tenant": (str(OWN), OWN),
    "other tenant": (str(OWN), OTHER),
    "no tenant": (None, OTHER),
    "empty tenant": ("", OTHER),
}
"""What `app.tenant` is set to (None: never), and whose rows are then reached for."""

Connection = psycopg.Connection[Any]
_INSTANTS = (datetime(1999, 1, 1, tzinfo=UTC), datetime.now(UTC))
_serial = count(1)


class Table(NamedTuple):
    """A table and what keepwell_app may do with it. `columns` maps names to types, generated ones left out."""

    name: str
    partitioned: bool
    columns: dict[str, str]
    allowed: frozenset[str]

    @property
    def has_tenant(self) -> bool:
        return "tenant_id" in self.columns


class RefusedError(Exception):
    """The database said no."""


def tables(everything: Connection) -> list[Table]:
    """Every table, partitions included. `everything` is a superuser's connection."""
    found: list[Table] = []
    for oid, name, kind, allowed in everything.execute(_TABLES).fetchall():
        columns: dict[str, str] = dict(everything.execute(_COLUMNS, [oid]).fetchall())
        found.append(Table(name, kind == "p", columns, frozenset(allowed)))
    return found


def seed(everything: Connection) -> None:
    """Gives both tenants rows in every table. Constraints on values go first: the matrix is about rows, not about content."""
    for table, constraint in everything.execute(_CONSTRAINTS).fetchall():
        everything.execute(SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(Identifier(table), Identifier(constraint)))
    partitions = {name for (name,) in everything.execute("SELECT relname FROM pg_class WHERE relispartition").fetchall()}
    for table in tables(everything):
        if table.name not in partitions:
            for tenant in (OWN, OTHER):
                for at in _INSTANTS:
                    everything.execute(*_insert(table, tenant, at))


def failures(app: Connection, everything: Connection, operation: str, setting: str, shared: Container[str]) -> list[str]:
    """What works and must not, or must work and does not, over all tables. Those in `shared` may be read by all."""
    tenant, target = SETTINGS[setting]
    found: list[str] = []
    for table in tables(everything):
        try:
            with _acting(app, tenant):
                reached = _TRY[operation](app, table, target)
        except RefusedError:
            reached = None
        may = setting == "own tenant" and table.has_tenant and operation in table.allowed
        open_to_all = table.name in shared and operation in {"select", "copy to"}
        if may and not reached:
            found.append(f"{table.name}: {operation} of its own rows does not work")
        elif open_to_all:
            continue
        elif reached and not may:
            found.append(f"{table.name}: {operation} with {setting} reached {reached} rows")
    return found


@contextmanager
def _acting(app: Connection, tenant: str | None) -> Generator[None]:
    """A transaction under one setting, undone afterwards."""
    try:
        with app.transaction(force_rollback=True):
            if tenant is not None:
                app.execute("SELECT set_config('app.tenant', %s, true)", [tenant])
            yield
    except (errors.InsufficientPrivilege, errors.FeatureNotSupported) as error:
        raise RefusedError(str(error.sqlstate)) from error


def _whose(table: Table, tenant: UUID) -> Composed:
    """The rows reached for: a table without tenants has none to tell apart."""
    return SQL("tenant_id = {}" if table.has_tenant else "{} IS NOT NULL").format(Literal(tenant))


def _select(app: Connection, table: Table, tenant: UUID) -> int:
    statement = SQL("SELECT count(*) FROM {} WHERE {}").format(Identifier(table.name), _whose(table, tenant))
    row = app.execute(statement).fetchone()
    assert row is not None
    return row[0]


def _insert(table: Table, tenant: UUID, at: datetime | None = None) -> tuple[Composed, list[Any]]:
    values = _values(table, tenant, at)
    columns = SQL(", ").join(map(Identifier, table.columns))
    places = SQL(", ").join(SQL("%s") for _ in values)
    return SQL("INSERT INTO {} ({}) VALUES ({})").format(Identifier(table.name), columns, places), values


def _add(app: Connection, table: Table, tenant: UUID) -> int:
    return app.execute(*_insert(table, tenant)).rowcount


def _update(app: Connection, table: Table, tenant: UUID) -> int:
    column = Identifier(next(iter(table.columns)))
    statement = SQL("UPDATE {} SET {} = {} WHERE {}").format(Identifier(table.name), column, column, _whose(table, tenant))
    return app.execute(statement).rowcount


def _move(app: Connection, table: Table, tenant: UUID) -> int:
    """Gives the caller's rows away to another tenant: nobody may, whatever the setting."""
    if not table.has_tenant:
        raise RefusedError
    statement = SQL("UPDATE {} SET tenant_id = {} WHERE true").format(Identifier(table.name), Literal(OTHER))
    return app.execute(statement).rowcount if tenant == OWN else 0


def _delete(app: Connection, table: Table, tenant: UUID) -> int:
    return app.execute(SQL("DELETE FROM {} WHERE {}").format(Identifier(table.name), _whose(table, tenant))).rowcount


def _copy_to(app: Connection, table: Table, tenant: UUID) -> int:
    # A partitioned table can be copied out only as a query.
    source = SQL("(SELECT * FROM {})") if table.partitioned else SQL("{}")
    statement = SQL("COPY {} TO STDOUT").format(source.format(Identifier(table.name)))
    with app.cursor().copy(statement) as copy:
        lines = [bytes(line).decode() for line in copy]
    return sum(1 for line in lines if not table.has_tenant or str(tenant) in line)


def _copy_from(app: Connection, table: Table, tenant: UUID) -> int:
    columns = SQL(", ").join(map(Identifier, table.columns))
    cursor = app.cursor()
    with cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), columns)) as copy:
        copy.write_row(_values(table, tenant))
    return cursor.rowcount


_TRY: dict[str, Callable[[Connection, Table, UUID], int]] = {
    "select": _select,
    "insert": _add,
    "update": _update,
    "move": _move,
    "delete": _delete,
    "copy to": _copy_to,
    "copy from": _copy_from,
}


def _values(table: Table, tenant: UUID, at: datetime | None = None) -> list[Any]:
    return [tenant if name == "tenant_id" else _value(type_, at or _INSTANTS[-1]) for name, type_ in table.columns.items()]


def _value(type_: str, at: datetime) -> Any:
    number = next(_serial)
    made: dict[str, Any] = {
        "uuid": uuid4(),
        "text": f"text {number}",
        "character varying(32)": f"text {number}",
        "bytea": number.to_bytes(32, "big"),
        "bytea[]": [number.to_bytes(32, "big")],
        "text[]": [f"text {number}"],
        "integer": number,
        "real": float(number),
        "double precision": float(number),
        "bigint": number,
        "boolean": True,
        "timestamp with time zone": at,
        "date": at.date(),
    }
    assert type_ in made, f"teach the isolation matrix to make a value of type {type_}"
    return made[type_]


_TABLES = """
SELECT c.oid, c.relname, c.relkind::text, array_remove(ARRAY[
    CASE WHEN has_any_column_privilege('keepwell_app', c.oid, 'SELECT') THEN 'select' END,
    CASE WHEN has_table_privilege('keepwell_app', c.oid, 'SELECT') THEN 'copy to' END,
    CASE WHEN has_any_column_privilege('keepwell_app', c.oid, 'INSERT') THEN 'insert' END,
    CASE WHEN has_any_column_privilege('keepwell_app', c.oid, 'UPDATE') THEN 'update' END,
    CASE WHEN has_table_privilege('keepwell_app', c.oid, 'DELETE') THEN 'delete' END], NULL)
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a'
      -- A column that the application may not fill, though it may fill others, has its default.
      AND NOT (atthasdef AND has_any_column_privilege('keepwell_app', attrelid, 'INSERT')
               AND NOT has_column_privilege('keepwell_app', attrelid, attnum, 'INSERT'))
ORDER BY attnum
"""
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f') AND coninhcount = 0 AND conrelid <> 0 AND conparentid = 0
"""
