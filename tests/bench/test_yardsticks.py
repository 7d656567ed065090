"""The yardsticks and the kernel's own benchmark do the work they claim, on a real server."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from bench import bare, jobs, kernel, machine, nginx, pgbench, stage
from bench.database import connect
from bench.machine import NotDurableError
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.cluster import Cluster, DatabaseUrls


@pytest.fixture
async def database(cluster: Cluster, worker: str) -> AsyncGenerator[DatabaseUrls]:
    """An empty database that is not migrated, for one test."""
    name = f"bench_{worker}"
    cluster.drop(name)
    yield cluster.urls(name)
    cluster.drop(name)


async def test_the_equivalent_call_leaves_one_version_one_entry_and_one_key_each_time(
    cluster: Cluster, database: DatabaseUrls
) -> None:
    await pgbench.prepare(cluster.servers, database.name)
    run = await pgbench.run(cluster.servers, 2, 1, database.name)
    connection = await connect(database.superuser)
    changes = await connection.fetchval("SELECT sum(version - 1) FROM aggregate")
    counts = [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in ("journal_entry", "idempotency")]
    kept = await connection.fetchval("SELECT min(octet_length(outcome)) FROM idempotency")
    await connection.close()
    assert run.per_second > 0
    assert counts == [changes, changes]
    assert kept == pgbench.BODY_BYTES


async def test_the_equivalent_call_works_under_row_level_security(cluster: Cluster, database: DatabaseUrls) -> None:
    await pgbench.prepare(cluster.servers, database.name)
    app = await connect(database.app)
    owners = await app.fetch("SELECT relname FROM pg_class WHERE relname IN ('aggregate', 'idempotency') AND relforcerowsecurity")
    seen = await app.fetchval("SELECT count(*) FROM aggregate")
    bypass = await app.fetchval("SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user")
    await app.close()
    assert (len(owners), seen, bypass) == (2, 0, False)


async def test_a_server_that_may_lose_what_it_acknowledged_is_refused(cluster: Cluster) -> None:
    connection = await connect(cluster.servers.postgres_url("postgres", "postgres"))
    assert (await machine.postgres(connection))["fsync"] == "on"
    await connection.execute("SET synchronous_commit = off")
    with pytest.raises(NotDurableError, match="synchronous_commit is off"):
        await machine.postgres(connection)
    await connection.close()


def test_the_facts_of_the_machine_name_neither_host_nor_place() -> None:
    text = str(machine.facts())
    assert "/" not in text.replace("(R)", "")


@pytest.mark.parametrize("name", ["bare", "stripped"])
async def test_the_bare_handlers_answer_the_row_and_nothing_else(tmp_path: Path, bare_database: DatabaseUrls, name: str) -> None:
    owner = await connect(bare_database.superuser)
    await owner.execute(bare.SCHEMA)
    await owner.execute(bare.INSERT, UUID(int=1), 3, '{"q": "a"}', '{"answers": {"q": "a"}}')
    await owner.close()
    with stage.bare(tmp_path, bare_database.app) as server:
        await server.ready(f"/{name}/{UUID(int=1)}")
        async with httpx.AsyncClient(base_url=server.url) as client:
            found, absent = await client.get(f"/{name}/{UUID(int=1)}"), await client.get(f"/{name}/{UUID(int=2)}")
    assert (found.status_code, found.json()["answers"], found.headers["etag"]) == (200, {"q": "a"}, '"3"')
    assert absent.status_code == 404


async def test_the_kernel_benchmark_changes_and_reads_its_own_sheets(clean_database: DatabaseUrls) -> None:
    database, gathering = await kernel.opened(clean_database.app, 64)
    clients = await kernel.begun(gathering, 4, 2)
    changes = await kernel.drive(clients, kernel.Client.answer, 0.3)
    reads = await kernel.drive(clients, kernel.Client.read, 0.3)
    await gathering.close()
    await database.close()
    connection: Any = await connect(clean_database.auditor)
    rows = await connection.fetch("SELECT count(*) AS entries FROM journal_entry WHERE kind = 'sheet' GROUP BY id")
    await connection.close()
    assert len(rows) == 4
    assert sum(row["entries"] for row in rows) > 4
    assert changes.per_second > 0
    assert reads.p99_ms > 0


async def test_the_benchmark_of_jobs_does_each_once_and_leaves_none(clean_database: DatabaseUrls, tmp_path: Path) -> None:
    database = Database(PoolSettings(clean_database.app))
    await database.open()
    run = await jobs.ours(database, tmp_path, jobs.Load(jobs=25, batch=10, at_once=4))
    await database.close()
    connection = await connect(clean_database.superuser)
    left = await connection.fetchval("SELECT count(*) FROM job")
    await connection.close()
    assert (run.facts["done"], left) == (25, 0)


@pytest.mark.skipif(shutil.which(nginx.PROGRAM) is None, reason="nginx is not installed")
async def test_nginx_answers_on_all_addresses_of_this_machine(tmp_path: Path) -> None:
    async with nginx.answering(nginx.PROGRAM, tmp_path) as (_, port), httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.1.2.3:{port}/")).text == "ok"
