"""`keepwell crypto` on the whole program: destruction as its callers meet it, and rotations from their command."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from typer.testing import CliRunner

from keepwell.domains.crypto import CryptoService, cli
from keepwell.kernel import Origin
from keepwell.kernel.proof import rebuild
from keepwell.kernel.proof.checkpoints import SIGNING_KEY
from keepwell.kernel.proof.notes import Signer
from keepwell.kernel.proof.verify import verify
from keepwell.main.addresses import Addresses
from keepwell.main.app import application
from keepwell.main.demo import prepare
from keepwell.main.parts import Parts
from keepwell.platform.settings import ProcessKind, Settings
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.forms import form, item
from tests.support.http_server import serving
from tests.support.load import client_of

ORIGIN = Origin("test", "crypto-test")
OTHER_KEY = bytes(range(100, 132))
_asyncpg: Any = asyncpg  # partly typed

Process = Callable[..., Parts]


@pytest.fixture
def addresses(clean_database: DatabaseUrls, valkey_url: str) -> Addresses:
    return Addresses(clean_database.app, clean_database.owner, clean_database.auditor, valkey_url)


@pytest.fixture
def process(addresses: Addresses) -> Process:
    """The parts of one more process."""

    def made(kind: ProcessKind = ProcessKind.API, **keys: bytes) -> Parts:
        given = {name: base64.b64encode(key).decode() for name, key in ({"master_key": MASTER_KEY} | keys).items()}
        more: dict[str, Any] = {"_env_file": None, "valkey_timeout_ms": 1000, **given}
        return Parts(Settings(**more), addresses, kind)

    return made


@pytest.fixture
async def everything(clean_database: DatabaseUrls) -> AsyncIterator[Any]:
    """A connection that sees every row."""
    connection = await _asyncpg.connect(clean_database.superuser)
    yield connection
    await connection.close()


@pytest.fixture
async def demo(process: Process, addresses: Addresses) -> None:
    await prepare(process().settings, addresses)


class Program:
    """The commands, each run in a process of its own."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._keys: dict[str, bytes] = {}

    def given(self, **keys: bytes) -> None:
        """The master keys of the next commands."""
        self._keys = keys

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[CryptoService]:
        parts = self._process(ProcessKind.CLI, **self._keys)
        async with parts.running():
            yield parts.rooms.crypto

    def run(self, *words: str, typed: str = "") -> tuple[int, str]:
        result = CliRunner().invoke(cli.commands(self._opened), words, input=typed)
        return result.exit_code, result.output


@pytest.fixture
def program(process: Process, demo: None) -> Program:
    del demo
    return Program(process)


async def stored(http: httpx.AsyncClient) -> str:
    """The path of a new response."""
    made = await http.post("/v1/questionnaires", json=form(item("a"), url="urn:keepwell:destroyed", version="1"))
    assert made.status_code == 201, made.text
    answer = await http.post("/v1/responses", json={"questionnaire": made.json()["id"], "answers": {"a": "word"}})
    assert answer.status_code == 201, answer.text
    return f"/v1/responses/{answer.json()['id']}"


@pytest.mark.usefixtures("demo")
async def test_after_destruction_no_process_shows_or_takes_anything_of_the_clinic(process: Process, everything: Any):
    one, other = process(), process()
    async with (
        serving(application(one)) as first,
        serving(application(other)) as second,
        client_of(first) as here,
        client_of(second) as there,
    ):
        path = await stored(here)
        for client in (here, there):
            for _ in range(3):  # also from the cache
                assert (await client.get(path)).json()["answers"] == {"a": "word"}
        clinic = await one.rooms.crypto.clinic("demo", ORIGIN)
        await one.rooms.crypto.destroy(clinic, ORIGIN)
        change: dict[str, Any] = {"json": {"answers": {"a": "x"}}, "headers": {"if-match": '"1"'}}
        for client in (here, there):
            for target in (path, f"{path}/history", "/v1/responses"):
                answer = await client.get(target)
                assert (answer.status_code, answer.json()["code"]) == (410, "tenant-destroyed"), target
            answer = await client.patch(path, **change)
            assert (answer.status_code, answer.json()["code"]) == (410, "tenant-destroyed")
            login = {"email": "clinician@demo.test", "password": "keepwell-demo-pass"}
            refused = await client.post("/v1/auth/login", json=login)
            assert (refused.status_code, refused.json()["code"]) == (401, "invalid-credentials")
    assert await everything.fetchval("SELECT count(*) FROM access_record WHERE action = 'destroy-keys'") == 1


@pytest.mark.usefixtures("demo")
async def test_the_journal_of_a_destroyed_clinic_is_proved_and_its_state_passed_over(process: Process):
    parts = process(ProcessKind.CLI)
    async with parts.running():
        await parts.rooms.crypto.destroy(await parts.rooms.crypto.clinic("demo", ORIGIN), ORIGIN)
        async with parts.auditor.connection() as connection:
            proved = await verify(connection, Signer(parts.ring.derive(SIGNING_KEY)).verifier)
        compared = await rebuild.check(parts.kernel, parts.auditor)
    assert (proved.sound, proved.entries > 5) == (True, True)
    assert (compared.sound, compared.destroyed) == (True, 1)


def test_nothing_is_destroyed_until_the_short_name_was_typed(program: Program):
    status, said = program.run("destroy-tenant", "demo", typed="dmeo\n")
    assert (status, "Nothing was destroyed" in said) == (1, True)
    assert "data key version 1" in program.run("status")[1]
    assert program.run("destroy-tenant", "demo", "--confirm", "demo")[0] == 0
    assert program.run("destroy-tenant", "demo", typed="demo\n")[0] == 0, "what was broken off can be done again"
    status, said = program.run("destroy-tenant", "nobody", typed="nobody\n")
    assert (status, "No clinic has this short name" in said) == (1, True)


def test_the_master_key_is_rotated_by_its_command(program: Program):
    program.given(master_key=OTHER_KEY, master_key_previous=MASTER_KEY)
    status, said = program.run("status")
    assert (status, "not yet wrapped" in said) == (1, True)
    assert program.run("rotate-master")[0] == 0
    assert program.run("status")[0] == 0
    program.given(master_key=OTHER_KEY)
    assert program.run("status")[0] == 0


def test_a_master_key_that_fits_nothing_is_told(program: Program):
    program.given(master_key=OTHER_KEY, master_key_previous=bytes(32))
    status, said = program.run("rotate-master")
    assert (status, "was not given" in said) == (1, True)


def test_a_data_key_is_rotated_by_its_command(program: Program):
    status, said = program.run("rotate-tenant", "demo")
    assert (status, "states sealed anew" in said) == (0, True)
    assert "data key version 2; " in program.run("status")[1]
    assert program.run("rotate-tenant")[0] == 2
    assert program.run("rotate-tenant", "demo", "--all")[0] == 2


@pytest.mark.usefixtures("demo")
async def test_a_token_of_a_key_that_a_process_has_not_seen_is_accepted_and_a_revoked_one_is_not(process: Process):
    one, other = process(), process()
    async with serving(application(one)) as first, serving(application(other)) as second, client_of(first) as old:
        await one.rooms.crypto.rotate_signing(ORIGIN, revoke=False)
        await other.kernel.key_watch.close()  # it hears of nothing by itself any more
        await one.rooms.crypto.rotate_signing(ORIGIN, revoke=False)
        async with client_of(first) as new, httpx.AsyncClient(base_url=second, headers=new.headers, timeout=15) as there:
            assert (await there.get("/v1/auth/me")).status_code == 200
            assert len((await there.get("/.well-known/jwks.json")).json()["keys"]) == 3
            old.base_url = there.base_url
            assert (await old.get("/v1/auth/me")).status_code == 200
            await one.rooms.crypto.rotate_signing(ORIGIN, revoke=True)
            await other.kernel.key_watch.look()
            assert [(await client.get("/v1/auth/me")).status_code for client in (old, there)] == [401, 401]
            assert len((await there.get("/.well-known/jwks.json")).json()["keys"]) == 1
