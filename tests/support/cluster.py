"""One PostgreSQL and one Valkey for a whole run of the tests, and a database of its own for each worker.

The servers are the product's embedded ones, shared by the workers through the locks the product itself uses. A template
database is migrated once; a worker's database is a clone of it.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier

from keepwell.platform import migrations
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.embedded.locks import FileLock, try_exclusive

TEMPLATE = "migrated"
MASTER_KEY = bytes(range(32))
"""For all that work on one database after one another: what belongs to no clinic stays there, sealed under this."""

_EMPTY_ALL = """
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
             AND NOT relispartition AND relname <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', t);
    END LOOP;
END
$$
"""


class DatabaseUrls(msgspec.Struct, frozen=True):
    """One database as each role reaches it. `superuser` goes round row-level security: for damage and for proof only."""

    name: str
    owner: str
    app: str
    auditor: str
    superuser: str


class Cluster:
    """The servers of this run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.servers = EmbeddedServers.attach(directory)
        self._make_template()

    def urls(self, name: str) -> DatabaseUrls:
        roles = ("keepwell_owner", "keepwell_app", "keepwell_auditor", "postgres")
        return DatabaseUrls(name, *(self.servers.postgres_url(role, name) for role in roles))

    def clone(self, name: str, template: str = TEMPLATE) -> DatabaseUrls:
        """A new database with the schema and nothing in it (`template0`: not even that)."""
        with self._admin() as connection:
            create = SQL("CREATE DATABASE {} OWNER keepwell_owner TEMPLATE {}")
            connection.execute(create.format(Identifier(name), Identifier(template)))
        return self.urls(name)

    def drop(self, name: str) -> None:
        with self._admin() as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def empty(self, urls: DatabaseUrls) -> None:
        """Takes every row out of a database, and ends sessions an earlier test left in the middle of a transaction."""
        with psycopg.connect(urls.superuser, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
            )
            connection.execute(_EMPTY_ALL)

    def close(self) -> None:
        self.servers.close()

    def _make_template(self) -> None:
        with _alone(self.directory / "template.lock"), self._admin() as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
                return
            connection.execute("CREATE DATABASE making OWNER keepwell_owner")
            migrations.upgrade(self.servers.postgres_url("keepwell_owner", "making"))
            connection.execute(SQL("ALTER DATABASE making RENAME TO {}").format(Identifier(TEMPLATE)))

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.servers.postgres_url("postgres", "postgres"), autocommit=True)


@contextmanager
def _alone(path: Path) -> Generator[FileLock]:
    deadline = time.monotonic() + 60
    while (lock := try_exclusive(path)) is None:
        assert time.monotonic() < deadline, "another worker makes the template for too long"
        time.sleep(0.05)
    with lock:
        yield lock
