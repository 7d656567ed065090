"""Whether the schema is what the migrations left: each object has a digest, kept as a comment on Alembic's own table.

Partitions are left out: they are made as time goes on. Digests of everything else change only when a migration runs (or
when a new major version of PostgreSQL writes definitions in another way).
"""

from typing import Any

import msgspec
import psycopg
from psycopg.sql import SQL, Literal

# Each branch: the object's name, and all of its definition that matters.
_OBJECTS = """
WITH ours AS (
    SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relacl, c.reloptions
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND c.relname <> 'alembic_version'
      AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
), defined (name, definition) AS (
    SELECT 'relation ' || relname, concat_ws('|', relkind, relrowsecurity, relforcerowsecurity, reloptions::text,
           (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(relacl) a)) FROM ours
    UNION ALL
    SELECT 'column ' || o.relname || '.' || a.attname,
           concat_ws('|', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
                     (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(a.attacl) x), pg_get_expr(d.adbin, d.adrelid))
    FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT 'constraint ' || o.relname || '.' || k.conname, pg_get_constraintdef(k.oid)
    FROM ours o JOIN pg_constraint k ON k.conrelid = o.oid
    UNION ALL
    SELECT 'index ' || i.relname, pg_get_indexdef(i.oid) || x.indisvalid
    FROM ours o JOIN pg_index x ON x.indrelid = o.oid JOIN pg_class i ON i.oid = x.indexrelid
    UNION ALL
    SELECT 'policy ' || o.relname || '.' || p.polname,
           concat_ws('|', p.polcmd, p.polpermissive,
                     (SELECT string_agg(r::regrole::text, ',' ORDER BY r::regrole::text) FROM unnest(p.polroles) r),
                     pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM ours o JOIN pg_policy p ON p.polrelid = o.oid
    UNION ALL
    SELECT 'trigger ' || o.relname || '.' || t.tgname, pg_get_triggerdef(t.oid) || t.tgenabled::text
    FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT 'view ' || relname, pg_get_viewdef(oid) FROM ours WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT 'function ' || f.oid::regprocedure::text,
           concat_ws('|', pg_get_functiondef(f.oid), f.proowner::regrole::text,
                     (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(f.proacl) a))
    FROM pg_proc f WHERE f.pronamespace = 'public'::regnamespace AND f.prokind IN ('f', 'p')
)
SELECT name, left(md5(definition), 12) FROM defined ORDER BY name
"""


class Schema:
    """The schema as noted and as found, at one moment."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.noted = _noted(connection)
        self.found: dict[str, str] = dict(connection.execute(_OBJECTS).fetchall())

    def drift(self) -> tuple[str, ...]:
        """What is missing, new or changed against the note, such as `changed: index response_status`."""
        missing = [f"missing: {name}" for name in self.noted.keys() - self.found.keys()]
        new = [f"new: {name}" for name in self.found.keys() - self.noted.keys()]
        changed = [f"changed: {name}" for name in self.noted.keys() & self.found.keys() if self.noted[name] != self.found[name]]
        return tuple(sorted(missing + new + changed))


def record(connection: psycopg.Connection[Any], before: Schema) -> None:
    """Notes what migrations did since `before`. Drift that was there before and that they left alone stays drift."""
    found = Schema(connection).found
    untouched = {name for name in before.found.keys() | before.noted.keys() if before.found.get(name) == found.get(name)}
    note = {name: digest for name, digest in found.items() if name not in untouched}
    note |= {name: digest for name, digest in before.noted.items() if name in untouched}
    text = msgspec.json.encode(dict(sorted(note.items()))).decode()
    connection.execute(SQL("COMMENT ON TABLE alembic_version IS {}").format(Literal(text)))


def _noted(connection: psycopg.Connection[Any]) -> dict[str, str]:
    row = connection.execute("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')").fetchone()
    return msgspec.json.decode(row[0], type=dict[str, str]) if row and row[0] else {}
