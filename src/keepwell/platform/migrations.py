"""The schema: SQL files run in order by Alembic, once, however many processes ask at the same time.

Each migration is a pair `sql/<revision>.up.sql` and `.down.sql` and runs in one transaction. A migration that meets a lock
steps back at once, so that requests do not queue behind it, and is tried again.
"""

import random
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import alembic.command
import msgspec
import psycopg
import sqlalchemy
from alembic import op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from keepwell.platform.drift import Schema, record
from keepwell.platform.revisions import MigrationError, UnknownRevisionError, directory, head

_LOCK = 0x6B65_6570_7765_6C6C  # "keepwell"
_TICK_S = 0.1
# Every process asks whether the schema is the one it was made for; the role is there from the first migration on.
_LET_READ = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'keepwell_app') THEN
        GRANT SELECT ON alembic_version TO keepwell_app;
    END IF;
END $$
"""


class Status(msgspec.Struct, frozen=True):
    """Where the schema stands. `drift` names what was changed by other means than migrations."""

    current: str | None
    head: str
    drift: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        return self.current == self.head and not self.drift


def upgrade(url: str, revision: str = "head", *, attempts: int = 10, wait_s: float = 60) -> Status:
    """Brings the schema to `revision`, waiting for another process that is doing the same.

    Raises:
        MigrationError: it met locks `attempts` times, or another process did not finish within `wait_s` seconds.
    """
    return _move(url, attempts, wait_s, lambda config: alembic.command.upgrade(config, revision))


def downgrade(url: str, revision: str = "-1", *, attempts: int = 10, wait_s: float = 60) -> Status:
    """Takes the schema back to `revision` (`-1`: one step, `base`: all of it). What the tables held is gone.

    Raises:
        UnknownRevisionError: no revision is called so, or there are not that many steps to go back.
        MigrationError: as `upgrade`.
    """
    return _move(url, attempts, wait_s, lambda config: alembic.command.downgrade(config, revision))


def status(url: str) -> Status:
    """Where the schema stands, without changing it.

    Raises:
        MigrationError: the database cannot be reached.
    """
    with _connected(url) as connection:
        return _status(connection)


def run_sql(revision: str, direction: str) -> None:
    """Runs one file of a migration. For the revisions in `migrations/versions` only."""
    text = (directory() / "sql" / f"{revision}.{direction}.sql").read_bytes()
    raw: Any = op.get_bind().connection.dbapi_connection
    raw.execute(text)  # the driver's own call: several statements at once, and a percent sign is only that


def _move(url: str, attempts: int, wait_s: float, step: Callable[[Config], None]) -> Status:
    with _connected(url) as connection:
        _wait_until_alone(connection, wait_s)
        raw = _raw(connection)
        start, before = _revision(connection), Schema(raw)
        raw.rollback()
        for attempt in range(1, attempts + 1):
            try:
                step(_config(connection))
            except CommandError as error:
                raise UnknownRevisionError(f"{error}.") from None
            except psycopg.ProgrammingError as error:
                # Names of things in the schema, never a value: these are what its messages hold.
                raise MigrationError(f"The migration is not possible here: {error.diag.message_primary}.") from None
            except (LockNotAvailable, DeadlockDetected) as error:
                raw.rollback()
                if attempt == attempts:
                    raise MigrationError(f"The migration met a lock {attempt} times: {type(error).__name__}.") from None
                time.sleep(min(0.2 * 2**attempt, 5) * random.uniform(0.5, 1))  # noqa: S311 - spreads attempts
            else:
                break
        if _revision(connection) != start:
            raw.execute(_LET_READ)
            record(raw, before)
        raw.commit()
        return _status(connection)


def _config(connection: sqlalchemy.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(directory()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connected(url: str) -> Generator[sqlalchemy.Connection]:
    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(url, connect_timeout=5, application_name="keepwell-migrations")

    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except (OperationalError, psycopg.OperationalError) as error:
        raise MigrationError(f"The database cannot be reached: {_reason(str(error))}.") from None
    finally:
        engine.dispose()


def _reason(said: str) -> str:
    """Why there is no connection, without the address and login that the driver's own words hold."""
    return next((reason for words, reason in _REASONS.items() if re.search(words, said)), "nothing answers there")


_REASONS = {
    "authentication failed": "it does not take this login and password",
    "no password supplied": "it wants a password",
    "no pg_hba.conf entry": "it does not let this login in from here",
    'database ".*" does not exist': "there is no such database",
    'role ".*" does not exist': "there is no such login",
    "too many (clients|connections)": "it takes no more connections",
}


def _wait_until_alone(connection: sqlalchemy.Connection, wait_s: float) -> None:
    """Takes the migrations' advisory lock. It belongs to the session: it survives transactions and ends with the connection."""
    deadline = time.monotonic() + wait_s
    while not connection.scalar(sqlalchemy.text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}):
        connection.commit()
        if time.monotonic() > deadline:
            raise MigrationError("Another process has been migrating for too long.")
        time.sleep(_TICK_S)
    connection.commit()


def _status(connection: sqlalchemy.Connection) -> Status:
    current = _revision(connection)
    drift = Schema(_raw(connection)).drift() if current is not None else ()
    _raw(connection).rollback()
    return Status(current, head(), drift)


def _revision(connection: sqlalchemy.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _raw(connection: sqlalchemy.Connection) -> psycopg.Connection[Any]:
    raw: Any = connection.connection.dbapi_connection
    return raw
