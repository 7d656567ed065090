"""`keepwell flags` on a real database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from typer.testing import CliRunner

from keepwell.domains.flags import FlagService, cli
from keepwell.domains.tenants import TenantService
from keepwell.domains.tenants import cli as tenants_cli
from keepwell.kit.ids import new_id
from tests.domains.flags.conftest import Node, opened
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.flags import NEW, OLD


class Program:
    """The commands, each run opening a node of its own as a process would."""

    def __init__(self, url: str, valkey_url: str) -> None:
        self._url = url
        self._valkey_url = valkey_url
        self._runner = CliRunner()
        self._clinics = tenants_cli.commands(self.clinics)
        self._flags = cli.commands(self.flags)

    @asynccontextmanager
    async def node(self) -> AsyncGenerator[Node]:
        async with opened(self._url, self._valkey_url, ManualClock()) as node:
            yield node

    @asynccontextmanager
    async def flags(self) -> AsyncGenerator[FlagService]:
        async with self.node() as node:
            yield node.flags

    @asynccontextmanager
    async def clinics(self) -> AsyncGenerator[TenantService]:
        async with self.node() as node:
            yield node.tenants

    def clinic(self) -> str:
        slug = f"c{new_id().hex}"
        assert self._runner.invoke(self._clinics, ("create", slug, "--name", "North")).exit_code == 0
        return slug

    def run(self, *words: str) -> tuple[int, str]:
        result = self._runner.invoke(self._flags, words)
        return result.exit_code, result.output


@pytest.fixture
def program(clean_database: DatabaseUrls, valkey_url: str) -> Program:
    return Program(clean_database.app, valkey_url)


def test_a_flag_is_listed_set_and_shown_with_its_history(program: Program):
    slug = program.clinic()
    code, output = program.run("list", "--clinic", slug)
    assert (code, f"{NEW.key} 0 % (version 0)" in output, f"{OLD.key} 100 % (version 0)" in output) == (0, True, True)
    assert program.run("set", NEW.key, "--clinic", slug, "--basis-points", "2550") == (0, f"{NEW.key} 25.5 % (version 1)\n")
    code, output = program.run("show", NEW.key, "--clinic", slug)
    assert (code, NEW.description in output, "flags.change" in output) == (0, True, True)
    code, output = program.run("stale", "--clinic", slug)
    assert (code, "never-evaluated; owner tests" in output) == (0, True)


def test_a_flag_is_killed_and_restored_in_one_clinic(program: Program):
    here, there = program.clinic(), program.clinic()
    code, output = program.run("kill", OLD.key, "--clinic", here, "--reason", "it hurts")
    assert (code, output) == (0, f"{here}: {OLD.key} killed (version 2)\n")
    assert "killed" not in program.run("show", OLD.key, "--clinic", there)[1]
    code, output = program.run("restore", OLD.key, "--clinic", here, "--reason", "mended")
    assert (code, output) == (0, f"{here}: {OLD.key} 100 % (version 3)\n")


def test_a_flag_is_killed_and_restored_everywhere(program: Program):
    clinics = sorted(program.clinic() for _ in range(3))
    code, output = program.run("kill", OLD.key, "--everywhere", "--reason", "it hurts")
    assert (code, output.splitlines()) == (0, [f"{slug}: {OLD.key} killed (version 2)" for slug in clinics])
    assert "killed" in program.run("show", OLD.key, "--clinic", clinics[1])[1]
    assert program.run("restore", OLD.key, "--everywhere", "--reason", "mended")[0] == 0


def test_what_is_wrong_is_said_and_the_exit_status_tells(program: Program):
    slug = program.clinic()
    for words, said in (
        (("list", "--clinic", "no-such"), "no clinic"),
        (("show", "no-such-flag", "--clinic", slug), "Not found"),
        (("kill", "no-such-flag", "--clinic", slug, "--reason", "x"), "Not found"),
    ):
        code, output = program.run(*words)
        assert (code, said in output) == (1, True), output
    for words in (("kill", OLD.key, "--reason", "x"), ("kill", OLD.key, "--everywhere", "--clinic", slug, "--reason", "x")):
        assert program.run(*words)[0] == 2
    assert program.run("set", NEW.key, "--clinic", slug, "--basis-points", "10001")[0] == 2
