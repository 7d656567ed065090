"""All keys change under load, every rotation killed half-way and finished by the next: no request fails, all stays readable."""

import asyncio
import base64
import contextlib
import os
import subprocess
from collections.abc import Callable, Generator, Iterator

import httpx
import psycopg
import pytest

from tests.support.chaos import prove, reckon
from tests.support.load import Client, Ledger, Load, client_of, sign_in, simple_questionnaire
from tests.support.server import PROGRAM, Server, running
from tests.support.waiting import eventually

CLIENTS = 4
OLD, NEW = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
_NIL = "00000000-0000-0000-0000-000000000000"
_WRAPPED = "SELECT wrapped FROM tenant_key WHERE tenant_id = %s AND key_version = 0"
_VERSIONS = "SELECT DISTINCT get_byte(state, 2) FROM aggregate WHERE kind = 'response' ORDER BY 1"
_COMING = "SELECT count(*) FROM tenant_key WHERE NOT active"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two processes that open with either master key and wrap with the old one."""
    settings = {"master_key": OLD, "master_key_previous": NEW}
    with running(tmp_path_factory.mktemp("rotation") / "data", workers=2, settings=settings) as server:
        yield server


@contextlib.contextmanager
def held(server: Server, statement: str) -> Generator[None]:
    """Inside, somebody else holds these rows."""
    with psycopg.connect(server.database_url()) as connection:
        assert connection.execute(statement.encode()).fetchall()
        yield
        connection.rollback()


def killed(server: Server, words: list[str], half_way: Callable[[], bool]) -> None:
    """Begins a command and kills it with -9 once it is half-way."""
    child = subprocess.Popen([PROGRAM, *words], cwd=server.output, env=server.environment, stdout=subprocess.DEVNULL)
    try:
        eventually(half_way, 60)
        assert child.poll() is None, "it was over before it could be killed"
    finally:
        child.kill()
        child.wait(10)


def finished(server: Server, *words: str) -> str:
    done = server.cli(*words)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def rotate_master(server: Server) -> None:
    server.environment |= {"KEEPWELL_MASTER_KEY": NEW, "KEEPWELL_MASTER_KEY_PREVIOUS": OLD}
    before = server.query(_WRAPPED, _NIL)
    with held(server, f"SELECT 1 FROM tenant_key WHERE tenant_id <> '{_NIL}' FOR UPDATE"):
        killed(server, ["crypto", "rotate-master"], lambda: server.query(_WRAPPED, _NIL) != before)
    unfinished = server.cli("crypto", "status")
    assert (unfinished.returncode, "2 keys not yet wrapped" in unfinished.stdout) == (1, True), unfinished.stdout
    finished(server, "crypto", "rotate-master")
    assert "; 0 were not before" in finished(server, "crypto", "rotate-master")


def rotate_tenants(server: Server) -> None:
    killed(server, ["crypto", "rotate-tenant", "--all"], lambda: server.query(_COMING) == [(2,)])
    with held(server, "SELECT 1 FROM aggregate WHERE kind = 'questionnaire' FOR UPDATE"):
        killed(server, ["crypto", "rotate-tenant", "--all"], lambda: server.query(_VERSIONS) == [(2,)])
    assert server.cli("crypto", "status").returncode == 1, "a state is left under the old key"
    finished(server, "crypto", "rotate-tenant", "--all")
    assert server.query("SELECT DISTINCT get_byte(state, 2) FROM aggregate") == [(2,)]
    assert "data key version 2; " in finished(server, "crypto", "status")


def ask(base: str, authorization: str) -> int:
    """On a connection of its own, so that any process may get it."""
    return httpx.get(f"{base}/v1/auth/me", headers={"Authorization": authorization}, timeout=15).status_code


async def rotate_signing(server: Server, http: httpx.AsyncClient) -> None:
    """The tokens of before and those of the new key are accepted in both processes, whichever of them made them."""
    await asyncio.to_thread(finished, server, "crypto", "rotate-signing")
    keys = (await http.get("/.well-known/jwks.json")).json()["keys"]
    assert len(keys) == 2
    for _ in range(10):
        async with httpx.AsyncClient(base_url=server.base, timeout=15) as other:
            await sign_in(other)
            authorization = other.headers["Authorization"]
        asked = await asyncio.gather(*(asyncio.to_thread(ask, server.base, authorization) for _ in range(4)))
        assert set(asked) == {200}


@pytest.mark.timeout(400)
async def test_all_keys_rotate_under_load_killed_half_way_and_no_request_fails(server: Server):
    async with client_of(server.base) as http:
        ledger = Ledger(await simple_questionnaire(http))
        load = Load(http, ledger, await Client(http, ledger).create(large=True))
        load.start(CLIENTS)
        try:
            await ledger.after(200)
            await asyncio.to_thread(rotate_master, server)
            await ledger.after(100)
            await asyncio.to_thread(rotate_tenants, server)
            await ledger.after(100)
            await rotate_signing(server, http)
            await ledger.after(100)
            await load.stop()
        finally:
            await load.abandon()
        assert (ledger.refused, ledger.unanswered) == (0, 0), ledger.summary()
        print(ledger.summary())  # noqa: T201 - shown when the test fails, and with -s
        await reckon(server, http, ledger)
        await prove(server)
        await asyncio.to_thread(finished, server, "crypto", "rotate-signing", "--revoke")
        assert (await http.get("/v1/auth/me")).status_code == 401
        assert server.stop() == 0
        del server.environment["KEEPWELL_MASTER_KEY_PREVIOUS"]
        await asyncio.to_thread(server.start)
        await sign_in(http)
        await reckon(server, http, ledger)
        await prove(server)
