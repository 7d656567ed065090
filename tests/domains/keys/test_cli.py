"""`keepwell keys` on a real database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from typer.testing import CliRunner

from keepwell.domains.keys import KeyService, cli
from keepwell.domains.tenants import TenantService
from keepwell.domains.tenants import cli as tenants_cli
from keepwell.kit.ids import new_id
from tests.domains.keys.conftest import opened
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls


class Program:
    """The commands, each run opening a process's parts of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._runner = CliRunner()
        self._keys = cli.commands(self.keys)
        self.slug = f"c{new_id().hex}"
        made = self._runner.invoke(tenants_cli.commands(self.clinics), ("create", self.slug, "--name", "North"))
        assert made.exit_code == 0

    @asynccontextmanager
    async def keys(self) -> AsyncGenerator[KeyService]:
        async with opened(self._url, ManualClock()) as node:
            yield node.keys

    @asynccontextmanager
    async def clinics(self) -> AsyncGenerator[TenantService]:
        async with opened(self._url, ManualClock()) as node:
            yield node.tenants

    def run(self, *words: str, given: str | None = None) -> tuple[int, str]:
        options = () if words[0] == "leaked" else ("--clinic", self.slug)
        result = self._runner.invoke(self._keys, (*words, *options), input=given)
        return result.exit_code, result.output


@pytest.fixture
def program(clean_database: DatabaseUrls) -> Program:
    return Program(clean_database.app)


def test_a_key_is_made_listed_rotated_and_revoked(program: Program):
    status, told = program.run("create", "Import", "--scope", "system/Questionnaire.rs", "--address", "10.0.0.0/8")
    assert status == 0, told
    id_, token = told.split()
    assert token.startswith("kw_live_")
    status, told = program.run("rotate", id_, "--overlap-s", "60")
    assert status == 0, told
    successor, _ = told.split()
    assert program.run("revoke", successor)[0] == 0
    _, told = program.run("list")
    assert [line.split()[0] for line in told.splitlines()] == [successor, id_]
    assert "revoked" in told.splitlines()[0]
    assert token not in told
    assert program.run("unused", "--days", "1") == (0, "")


def test_a_leaked_key_is_read_from_standard_input_and_not_repeated(program: Program):
    _, told = program.run("create", "Import", "--scope", "system/Questionnaire.rs")
    id_, token = told.split()
    status, told = program.run("leaked", given=f"{token}\nsomething else\n\n")
    assert status == 0, told
    assert token not in told
    assert f"revoked: key {id_}" in told
    assert "incident" in told
    assert told.splitlines()[-1] == "no-key: nothing was done."
    assert "revoked" in program.run("list")[1]


def test_what_cannot_be_is_said_in_words(program: Program):
    status, told = program.run("create", "Import", "--scope", "everything")
    assert status == 1
    assert "/scopes/0" in told
    status, told = program.run("revoke", str(new_id()))
    assert status == 1
    assert "Not found" in told
