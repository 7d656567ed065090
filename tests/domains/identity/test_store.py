"""What identity leaves in the database: nothing readable, nothing of another clinic, and all of it the fold of the journal."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from keepwell.domains.identity import IdentityService
from keepwell.domains.tenants import Clinic
from keepwell.kernel import Refused
from keepwell.kernel.proof.rebuild import check
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.domains.identity.conftest import ORIGIN, PASSWORD, Node, World, bearer
from tests.support.cluster import DatabaseUrls

CANARY = "canary-7f3a91"
FUNCTIONS = ("directory_clinic_by_slug", "directory_clinics", "directory_other_clinics", "directory_accounts")
TABLES = ("tenant", "user_account", "user_session")


async def _connected(url: str) -> Any:
    return await asyncpg.connect(url)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@pytest.fixture
async def app(database_urls: DatabaseUrls) -> AsyncIterator[Any]:
    connection = await _connected(database_urls.app)
    yield connection
    await connection.close()


async def story(service: IdentityService, clinic: Clinic) -> None:
    """A bit of everything that identity can do."""
    email = f"{CANARY}@{clinic.slug}.test"
    user = await service.users.create_user(clinic.id, email, f"Ana {CANARY}", "admin", f"{PASSWORD} {CANARY}", ORIGIN)
    pair = await service.logins.login(email, f"{PASSWORD} {CANARY}", clinic.slug, ORIGIN)
    await service.sessions.refresh(pair.refresh_token, ORIGIN)
    with pytest.raises(Refused):
        await service.logins.login(email, f"wrong {CANARY}", clinic.slug, ORIGIN)
    await service.users.set_password(clinic.id, user.email, f"another {CANARY}", ORIGIN)


async def test_nothing_that_names_a_person_or_a_secret_is_stored_in_the_clear(world: World, capfd: pytest.CaptureFixture[str]):
    await story(world.node.identity, world.clinic)
    tables = await world.everything.fetch(
        "SELECT format('%I', relname) AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    assert len(tables) > len(TABLES)
    needles = [CANARY, CANARY.encode().hex(), "argon2id", b"argon2id".hex()]
    rows = 0
    for table in tables:
        for row in await world.everything.fetch(f"SELECT t::text AS row FROM {table['name']} t"):
            rows += 1
            assert not [needle for needle in needles if needle in row["row"]], table["name"]
    assert rows > 10
    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err


async def test_stored_state_and_look_ups_are_the_fold_of_the_journal(clean_database: DatabaseUrls, node: Node):
    clinic = await node.tenants.ensure("north", "North", ORIGIN)
    await story(node.identity, clinic)
    auditor = Database(PoolSettings(clean_database.auditor))
    await auditor.open()
    try:
        report = await check(node.kernel, auditor)
    finally:
        await auditor.close()
    assert report.sound, report.findings
    assert report.aggregates == 3, "the clinic, the account, the session"


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_or_as_another_one_nothing_is_there(world: World, app: Any, table: str):
    await world.person("ana")
    await world.logged_in("ana")
    assert await app.fetchval(f"SELECT count(*) FROM {table}") == 0
    async with app.transaction():
        await app.execute("SELECT set_config('app.tenant', $1, true)", str(new_id()))
        assert await app.fetchval(f"SELECT count(*) FROM {table}") == 0
        status = await app.execute(f"UPDATE {table} SET tenant_id = tenant_id")
        assert status == "UPDATE 0"
    async with app.transaction():
        await app.execute("SELECT set_config('app.tenant', $1, true)", str(world.clinic.id))
        assert await app.fetchval(f"SELECT count(*) FROM {table}") == 1


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_deletes_nothing(app: Any, table: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(f"DELETE FROM {table}")


async def test_the_directory_answers_before_login_and_tells_no_more_than_it_must(world: World, app: Any):
    user = await world.person("ana")
    clinic = await app.fetchrow("SELECT * FROM directory_clinic_by_slug($1)", world.clinic.slug)
    assert dict(clinic) == {"id": world.clinic.id, "slug": world.clinic.slug, "name": "A clinic"}
    index: bytes = await world.everything.fetchval("SELECT email_index FROM user_account WHERE id = $1", user.id)
    accounts = await app.fetch("SELECT * FROM directory_accounts($1)", index)
    assert [dict(row) for row in accounts] == [{"tenant_id": world.clinic.id, "id": user.id, "active": True}]
    assert await app.fetch("SELECT * FROM directory_accounts($1)", b"\x00" * 16) == []


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_a_directory_function_is_locked_down(world: World, function: str):
    row = await world.everything.fetchrow(
        "SELECT p.prosecdef, p.provolatile, p.proconfig, p.proowner::regrole::text AS owner,"
        " has_function_privilege('keepwell_app', p.oid, 'EXECUTE') AS app,"
        " has_function_privilege('keepwell_auditor', p.oid, 'EXECUTE') AS auditor"
        " FROM pg_proc p WHERE p.proname = $1",
        function,
    )
    assert tuple(row) == (True, b"s", ["search_path=pg_catalog, pg_temp"], "keepwell_directory", True, False)


async def test_the_directory_role_can_neither_log_in_nor_write(world: World):
    role = await world.everything.fetchrow(
        "SELECT rolcanlogin, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'keepwell_directory'"
    )
    assert tuple(role) == (False, False, False)
    grants = await world.everything.fetch(
        "SELECT DISTINCT table_name, privilege_type FROM information_schema.column_privileges"
        " WHERE grantee = 'keepwell_directory'"
    )
    known = ("api_key", "batch", "batch_part", "emergency_access", "flag", "program", "schedule", "tenant", "tenant_key")
    tables = (*known, "user_account", "alert", "incident", "monitor", "notification")
    assert {tuple(row) for row in grants} == {(table, "SELECT") for table in tables}


async def test_the_same_address_has_the_same_index_in_every_clinic_and_the_tables_hold_nothing_else_of_it(world: World):
    first = await world.person("ana")
    second = await world.node.tenants.ensure(f"s{new_id().hex}", "Second", ORIGIN)
    other = await world.node.identity.users.create_user(second.id, world.email("ANA"), "x", "admin", PASSWORD, ORIGIN)
    rows = await world.everything.fetch(
        "SELECT DISTINCT email_index FROM user_account WHERE id = ANY ($1::uuid[])", [first.id, other.id]
    )
    assert len(rows) == 1


async def test_making_an_account_twice_at_once_makes_one(world: World, other_node: Node):
    made = await asyncio.gather(
        *(
            node.identity.users.create_user(world.clinic.id, world.email("ana"), "ana", "patient", PASSWORD, ORIGIN)
            for node in (world.node, other_node) * 3
        )
    )
    assert len({view.id for view in made}) == 1


async def test_a_login_racing_with_its_accounts_disabling_leaves_no_session_that_can_be_refreshed(world: World):
    ana = await world.person("ana")
    await world.person("boss", "admin")
    boss = await world.logged_in("boss")
    headers = {**bearer(boss), "if-match": '"1"'}
    disabling = world.http.patch(f"/v1/users/{ana.id}", json={"active": False}, headers=headers)
    disabled, *logins = await asyncio.gather(disabling, *(world.login("ana") for _ in range(4)))
    assert disabled.status_code == 200
    for login in logins:
        if login.status_code == 200:
            refreshed = await world.http.post("/v1/auth/refresh", json={"refresh_token": login.json()["refresh_token"]})
            assert refreshed.status_code == 401
    live = await world.everything.fetchval(
        "SELECT count(*) FROM user_session WHERE user_id = $1 AND ended_at IS NULL", UUID(str(ana.id))
    )
    assert live == 0
