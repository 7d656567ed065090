"""The pool: bounded waits, honest reasons, recovery by itself, and a role that row-level security holds for."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil
import psycopg
import pytest
from prometheus_client import REGISTRY

from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.postgres import Database, DatabaseUnavailable, PoolSettings, UnsafeRoleError
from tests.support.cluster import Cluster, DatabaseUrls
from tests.support.proxy import Proxy
from tests.support.waiting import eventually, eventually_async

QUICK = PoolSettings("", largest=2, wait=0.5, connect_timeout=0.5, statement_timeout=1.0, lock_timeout=0.3)


@asynccontextmanager
async def opened(url: str, **changes: Any) -> AsyncGenerator[Database]:
    database = Database(msgspec.structs.replace(QUICK, url=url, **changes))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def works(database: Database) -> bool:
    try:
        async with database.connection() as connection:
            return await connection.fetchval("SELECT 1") == 1
    except (DatabaseUnavailable, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def refusal(database: Database) -> DatabaseUnavailable:
    """The refusal, which must come within the bounded wait."""
    before = time.monotonic()
    with pytest.raises(DatabaseUnavailable) as refused:
        async with database.connection():
            pass
    assert time.monotonic() - before < database.settings.wait + 0.5
    return refused.value


async def test_settings_of_the_session_are_those_asked_for(clean_database: DatabaseUrls):
    async with opened(clean_database.app, application_name="keepwell-api") as database, database.connection() as connection:
        shown = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in (
                "application_name",
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "timezone",
            )
        }
    assert shown == {
        "application_name": "keepwell-api",
        "statement_timeout": "1s",
        "lock_timeout": "300ms",
        "idle_in_transaction_session_timeout": "10s",
        "timezone": "UTC",
    }


async def test_a_role_is_taken_on_at_connect(clean_database: DatabaseUrls):
    async with opened(clean_database.owner, role="keepwell_app") as database:
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT current_user") == "keepwell_app"
        await database.verify_role()


@pytest.mark.parametrize(
    ("url", "fault"),
    [("superuser", "superuser and bypassrls and owner"), ("owner", "owner")],
)
async def test_a_role_that_could_go_round_row_security_is_refused(clean_database: DatabaseUrls, url: str, fault: str):
    async with opened(getattr(clean_database, url)) as database:
        with pytest.raises(UnsafeRoleError, match=fault):
            await database.verify_role()


@pytest.mark.parametrize("url", ["app", "auditor"])
async def test_the_plain_roles_pass(clean_database: DatabaseUrls, url: str):
    async with opened(getattr(clean_database, url)) as database:
        await database.verify_role()


async def test_an_exhausted_pool_refuses_within_the_wait_and_says_so(clean_database: DatabaseUrls):
    async with opened(clean_database.app) as database, AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(database.connection())
        waiting = asyncio.create_task(refusal(database))
        await eventually_async(lambda: asyncio.sleep(0, database.usage.waiting == 1))
        refused = await waiting
        assert (refused.reason, refused.retry_after) == ("exhausted", 1)
        assert (database.usage.size, database.usage.in_use, database.usage.waiting, database.usage.largest) == (2, 2, 0, 2)
        await held.aclose()
        assert await works(database)


async def test_a_waiting_caller_gets_the_next_free_connection(clean_database: DatabaseUrls):
    async with opened(clean_database.app, largest=1, wait=5.0) as database:
        async with database.connection():
            waiting = asyncio.create_task(works(database))
            await eventually_async(lambda: asyncio.sleep(0, database.usage.waiting == 1))
        assert await waiting


async def test_a_server_full_of_others_is_exhaustion(cluster: Cluster, fresh_database: DatabaseUrls):
    with psycopg.connect(cluster.urls("postgres").superuser, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {fresh_database.name} CONNECTION LIMIT 1".encode())
        # Whoever cleans up there is one of the others too.
        there = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        eventually(lambda: admin.execute(there, (fresh_database.name,)).fetchone() == (0,))
    async with opened(fresh_database.app) as database, database.connection():
        assert (await refusal(database)).reason == "exhausted"


async def test_a_database_that_is_not_there_is_a_matter_of_settings(clean_database: DatabaseUrls):
    async with opened(clean_database.app.replace(clean_database.name, "no_such_database")) as database:
        assert (await refusal(database)).reason == "rejected"


def measured(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"pool": "measured", **labels})


async def test_metrics_show_how_full_the_pool_is_and_who_was_turned_away(clean_database: DatabaseUrls):
    async with opened(clean_database.app, name="measured", largest=1, wait=0.1) as database:
        async with database.connection():
            await refusal(database)
            states = {state: measured("keepwell_database_pool", state=state) for state in ("open", "in_use", "waiting", "cap")}
        assert states == {"open": 1, "in_use": 1, "waiting": 0, "cap": 1}
        assert measured("keepwell_database_refused_total", reason="exhausted") == 1
        assert measured("keepwell_database_wait_seconds_count") == 1
    assert measured("keepwell_database_pool", state="open") is None


async def test_a_closed_pool_says_so(clean_database: DatabaseUrls):
    async with opened(clean_database.app) as database:
        assert await works(database)
    assert (await refusal(database)).reason == "closed"


Trouble = Callable[[Proxy], None]


@pytest.mark.parametrize("trouble", [Proxy.cut, Proxy.hang, Proxy.refuse], ids=["cut", "hang", "refuse"])
async def test_a_database_that_was_never_there_is_refused_in_time_and_then_found(clean_database: DatabaseUrls, trouble: Trouble):
    with Proxy.to_postgres(clean_database.app) as proxy:
        trouble(proxy)
        async with opened(proxy.postgres_url(clean_database.app)) as database:
            assert (await refusal(database)).reason == "unreachable"
            proxy.resume()
            await eventually_async(lambda: works(database))


@pytest.mark.parametrize("trouble", [Proxy.cut, Proxy.hang, Proxy.reset], ids=["cut", "hang", "reset"])
async def test_trouble_in_the_middle_is_an_error_in_time_and_then_over(clean_database: DatabaseUrls, trouble: Trouble):
    with Proxy.to_postgres(clean_database.app) as proxy:
        async with opened(proxy.postgres_url(clean_database.app), statement_timeout=0.2) as database:
            for _ in range(3):
                async with AsyncExitStack() as held:
                    for connection in [await held.enter_async_context(database.connection()) for _ in range(2)]:
                        assert await connection.fetchval("SELECT 1") == 1
                trouble(proxy)
                before = time.monotonic()
                await works(database)
                assert time.monotonic() - before < 3, "a hang reached the caller"
                proxy.resume()
                await eventually_async(lambda: works(database))
            assert database.usage.in_use == 0


async def test_a_slow_network_is_slow_and_no_more(clean_database: DatabaseUrls):
    with Proxy.to_postgres(clean_database.app) as proxy:
        async with opened(proxy.postgres_url(clean_database.app)) as database:
            assert await works(database)
            proxy.slow_down(0.05)
            before = time.monotonic()
            assert await works(database)
            assert 0.1 <= time.monotonic() - before < 1


async def test_a_statement_that_runs_too_long_is_ended_by_the_server(clean_database: DatabaseUrls):
    async with opened(clean_database.app, statement_timeout=0.2) as database:
        async with database.connection() as connection:
            with pytest.raises(asyncpg.QueryCanceledError):
                await connection.execute("SELECT pg_sleep(5)")
        assert await works(database)


async def test_a_cancelled_caller_leaves_no_connection_in_the_middle_of_something(clean_database: DatabaseUrls):
    async with opened(clean_database.app, largest=1, statement_timeout=5.0) as database:
        started = asyncio.Event()

        async def long_work() -> None:
            async with database.connection() as connection, connection.transaction():
                started.set()
                await connection.execute("SELECT pg_sleep(5)")

        task = asyncio.create_task(long_work())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await works(database)


async def test_nothing_set_in_a_transaction_reaches_the_next_user(clean_database: DatabaseUrls):
    async with opened(clean_database.app, largest=1) as database:
        async with database.connection() as connection, connection.transaction():
            await connection.execute("SELECT set_config('app.tenant', '0197a000-0000-7000-8000-000000000000', true)")
        async with database.connection() as connection:
            assert not await connection.fetchval("SELECT current_setting('app.tenant', true)")


async def test_unused_connections_are_let_go(clean_database: DatabaseUrls):
    async with opened(clean_database.app, idle_lifetime=0.1) as database:
        assert await works(database)
        await eventually_async(lambda: asyncio.sleep(0, database.usage.size == 0))


async def test_a_killed_server_is_used_again_when_it_is_back(tmp_path: Path):
    with EmbeddedServers.attach(tmp_path / "data", valkey=False) as servers:
        async with opened(servers.postgres_url("keepwell_app", "postgres")) as database:
            assert await works(database)
            psutil.Process(int((tmp_path / "data/postgres/postmaster.pid").read_text().split()[0])).kill()
            await eventually_async(lambda: is_unreachable(database))
            await eventually_async(lambda: works(database))


async def is_unreachable(database: Database) -> bool:
    try:
        async with database.connection() as connection:
            await connection.fetchval("SELECT 1")
    except DatabaseUnavailable as refused:
        return refused.reason == "unreachable"
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return False
