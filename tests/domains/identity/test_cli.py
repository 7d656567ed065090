"""`keepwell tenants` and `keepwell users` on a real database."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from keepwell.domains.identity import IdentityService, cli
from keepwell.domains.tenants import TenantService
from keepwell.domains.tenants import cli as tenants_cli
from keepwell.kit.ids import new_id
from tests.domains.identity.conftest import ORIGIN, PASSWORD, make_node
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls


class Program:
    """The two groups of commands, each run opening a node of its own as a process would."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._runner = CliRunner()
        self.users = cli.commands(self.identity)
        self.tenants = tenants_cli.commands(self.clinics)

    @asynccontextmanager
    async def identity(self) -> AsyncGenerator[IdentityService]:
        node = await make_node(self._url, ManualClock())
        try:
            yield node.identity
        finally:
            await node.close()

    @asynccontextmanager
    async def clinics(self) -> AsyncGenerator[TenantService]:
        async with self.identity() as service:
            yield service.tenants

    def run(self, group: Any, *words: str, password: str | None = None) -> tuple[int, str]:
        result = self._runner.invoke(group, words, input=password)
        return result.exit_code, result.output

    async def can_log_in(self, email: str, password: str) -> bool:
        async with self.identity() as service:
            return bool(await service.logins.login(email, password, None, ORIGIN))


@pytest.fixture
def program(database_urls: DatabaseUrls) -> Program:
    return Program(database_urls.app)


@pytest.fixture
def slug(program: Program) -> str:
    made = f"c{new_id().hex}"
    code, output = program.run(program.tenants, "create", made, "--name", "North")
    assert (code, made in output) == (0, True)
    return made


def test_a_short_name_is_taken_once(program: Program, slug: str):
    code, output = program.run(program.tenants, "create", slug, "--name", "South")
    assert (code, "Another clinic has this short name" in output) == (1, True)


def test_an_account_is_made_once_and_can_log_in(program: Program, slug: str):
    words = ("create", f"ana@{slug}.test", "--clinic", slug, "--name", "Ana", "--role", "admin", "--password-stdin")
    first = program.run(program.users, *words, password=PASSWORD + "\n")
    again = program.run(program.users, *words, password=PASSWORD + "\n")
    assert first[0] == 0
    assert again == first
    assert asyncio.run(program.can_log_in(f"ana@{slug}.test", PASSWORD))


def test_a_password_can_be_replaced(program: Program, slug: str):
    email = f"ana@{slug}.test"
    words = ("create", email, "--clinic", slug, "--name", "Ana", "--role", "admin", "--password-stdin")
    program.run(program.users, *words, password=PASSWORD)
    code, _ = program.run(
        program.users, "password", email, "--clinic", slug, "--password-stdin", password="another long password\n"
    )
    assert code == 0
    assert asyncio.run(program.can_log_in(email, "another long password"))
    with pytest.raises(Exception, match="invalid-credentials"):
        asyncio.run(program.can_log_in(email, PASSWORD))


def test_what_is_wrong_is_said_and_the_exit_status_tells(program: Program, slug: str):
    words = ("create", "nothing", "--clinic", slug, "--name", "Ana", "--role", "admin", "--password-stdin")
    code, output = program.run(program.users, *words, password="short\n")
    assert (code, "/password" in output) == (1, True)
    code, output = program.run(program.users, *words, password=PASSWORD)
    assert (code, "/email" in output) == (1, True)
    code, output = program.run(program.users, "password", "a@b.test", "--clinic", "no-such", "--password-stdin", password="x")
    assert (code, "no clinic" in output) == (1, True)
