"""Migrations: once however many ask, stepping back from locks, forwards and backwards, and drift by name."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from keepwell.platform import migrations
from keepwell.platform.migrations import downgrade, status, upgrade
from keepwell.platform.revisions import MigrationError, UnknownRevisionError, directory, head
from tests.support.cluster import Cluster, DatabaseUrls

REVISIONS = sorted(path.stem for path in (directory() / "versions").glob("*.py"))


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        return {row[0] for row in rows} - {"alembic_version"}


def test_every_revision_has_both_files_and_every_file_its_revision():
    files = {path.name for path in (directory() / "sql").iterdir()}
    assert files == {f"{revision}.{way}.sql" for revision in REVISIONS for way in ("up", "down")}


def test_every_file_bounds_its_waits():
    for path in (directory() / "sql").iterdir():
        assert "SET lock_timeout" in path.read_text().split("CREATE")[0].split("DROP")[0], path.name


def test_each_step_goes_up_down_and_up_again(bare_database: DatabaseUrls):
    url = bare_database.owner
    for revision in REVISIONS:
        before = tables(url)
        assert upgrade(url, revision).current == revision
        downgrade(url)
        assert tables(url) == before, f"{revision} does not take back all it made"
        assert upgrade(url, revision).drift == ()
    assert status(url).healthy
    assert status(url).current == head() == REVISIONS[-1]
    assert downgrade(url, "base").current is None
    assert tables(url) == set()


def test_the_second_run_has_nothing_to_do(bare_database: DatabaseUrls):
    assert upgrade(bare_database.owner) == upgrade(bare_database.owner)


def test_many_at_once_migrate_once(bare_database: DatabaseUrls):
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(upgrade, [bare_database.owner] * 6))
    assert {result.current for result in results} == {head()}
    assert all(result.healthy for result in results)


def test_a_database_behind_the_program_is_told(bare_database: DatabaseUrls):
    assert status(bare_database.owner).current is None
    upgrade(bare_database.owner, REVISIONS[0])
    behind = status(bare_database.owner)
    assert (behind.current, behind.head, behind.healthy) == (REVISIONS[0], REVISIONS[-1], False)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("CREATE INDEX sneaky ON aggregate (updated_at)", "new: index sneaky"),
        ("ALTER TABLE aggregate NO FORCE ROW LEVEL SECURITY", "changed: relation aggregate"),
        ("DROP POLICY tenant ON aggregate", "missing: policy aggregate.tenant"),
        ("ALTER TABLE aggregate ALTER COLUMN state DROP NOT NULL", "changed: column aggregate.state"),
        ("GRANT DELETE ON journal_entry TO keepwell_app", "changed: relation journal_entry"),
        ("CREATE TABLE stray (tenant_id uuid)", "new: relation stray"),
        ("DROP INDEX idempotency_created_at", "missing: index idempotency_created_at"),
    ],
)
def test_what_somebody_changed_by_hand_is_named(fresh_database: DatabaseUrls, change: str, found: str):
    with psycopg.connect(fresh_database.owner, autocommit=True) as connection:
        connection.execute(change.encode())
    assert found in status(fresh_database.owner).drift
    upgrade(fresh_database.owner)
    assert found in status(fresh_database.owner).drift, "running migrations again must not bless it"


def test_drift_survives_a_migration_that_did_not_touch_it(fresh_database: DatabaseUrls):
    downgrade(fresh_database.owner)
    with psycopg.connect(fresh_database.owner, autocommit=True) as connection:
        connection.execute("CREATE INDEX sneaky ON aggregate (updated_at)")
    assert upgrade(fresh_database.owner).drift == ("new: index sneaky",)


def test_partitions_made_as_time_goes_on_are_no_drift(fresh_database: DatabaseUrls):
    with psycopg.connect(fresh_database.owner, autocommit=True) as connection:
        connection.execute("SELECT ensure_partitions('2030-01-01', 2)")
    assert status(fresh_database.owner).drift == ()


def test_a_row_from_the_future_keeps_only_its_own_month_from_having_a_partition(fresh_database: DatabaseUrls):
    with psycopg.connect(fresh_database.superuser, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO access_record (tenant_id, entity, at, id, kind, version, action, outcome, actor, role, door, request_id,"
            " purpose, hash) VALUES (gen_random_uuid(), gen_random_uuid(), '2031-02-03', gen_random_uuid(), 'k', 1, 'a', 'ok',"
            " gen_random_uuid(), 'r', 'd', 'q', 'p', '')"
        )
        made = connection.execute("SELECT ensure_partitions('2031-01-01', 3)").fetchone()
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relname ~ '^(access_record|journal_entry)_2031_..$'"
        ).fetchall()
    assert made == (5,)
    assert {name for (name,) in names} == {
        *(f"journal_entry_2031_{month}" for month in ("01", "02", "03")),
        *(f"access_record_2031_{month}" for month in ("01", "03")),
    }


def test_a_migration_steps_back_from_a_lock_and_succeeds_when_it_is_gone(bare_database: DatabaseUrls):
    upgrade(bare_database.owner, REVISIONS[0])
    with psycopg.connect(bare_database.owner) as holder:
        holder.execute("LOCK TABLE aggregate IN ACCESS SHARE MODE")
        release = threading.Timer(2.5, holder.rollback)
        release.start()
        assert downgrade(bare_database.owner, "base").current is None
        release.join()


def test_a_lock_that_never_goes_is_an_error_that_leaves_everything(bare_database: DatabaseUrls):
    upgrade(bare_database.owner, REVISIONS[0])
    with psycopg.connect(bare_database.owner) as holder:
        holder.execute("LOCK TABLE aggregate IN ACCESS SHARE MODE")
        with pytest.raises(MigrationError, match="met a lock 1 times"):
            downgrade(bare_database.owner, "base", attempts=1)
    assert status(bare_database.owner).current == REVISIONS[0]
    assert status(bare_database.owner).drift == ()


@pytest.mark.parametrize("revision", ["bogus", "-99", "+99"])
def test_a_revision_that_is_not_there_is_said_and_changes_nothing(bare_database: DatabaseUrls, revision: str):
    upgrade(bare_database.owner)
    with pytest.raises(UnknownRevisionError):
        downgrade(bare_database.owner, revision)
    assert status(bare_database.owner).healthy


def test_what_the_login_may_not_do_is_said(fresh_database: DatabaseUrls):
    with pytest.raises(MigrationError, match=r"must be owner of|permission denied"):
        downgrade(fresh_database.app)
    assert status(fresh_database.owner).healthy


@pytest.mark.parametrize(
    ("login", "database", "reason"),
    [
        ("keepwell_owner", "no_such_database", "no such database"),
        ("no_such_login", "postgres", "no such login|not let this login"),
    ],
)
def test_why_there_is_no_connection_is_said_without_names(cluster: Cluster, login: str, database: str, reason: str):
    with pytest.raises(MigrationError, match=reason) as failure:
        status(cluster.servers.postgres_url(login, database))
    assert "no_such" not in str(failure.value)


def test_a_database_out_of_reach_is_said_without_its_url(tmp_path: Path):
    with pytest.raises(MigrationError) as failure:
        status(f"postgresql://owner:planted-secret@/none?host={tmp_path}")
    assert "planted-secret" not in str(failure.value)


def test_the_plain_role_cannot_change_the_schema(fresh_database: DatabaseUrls):
    with psycopg.connect(fresh_database.app, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE mine (id integer)")
    assert migrations.status(fresh_database.owner).healthy
