"""`keepwell monitors` on a real database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keepwell.domains.monitors import MonitorService, cli
from keepwell.domains.tenants import TenantService
from keepwell.domains.tenants import cli as tenants_cli
from keepwell.kit.ids import new_id
from tests.domains.monitors.conftest import opened
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls

FILE = 'endpoints: [{name: inside, url: "http://10.0.0.1", conditions: ["[STATUS] == 200"], alerts: [{type: slack}]}]\n'


class Program:
    """The commands, each run opening a process's parts of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._runner = CliRunner()
        self._monitors = cli.commands(self.monitors)
        self.slug = f"c{new_id().hex}"
        self.file = folder / "config.yaml"
        self.file.write_text(FILE, "utf-8")
        made = self._runner.invoke(tenants_cli.commands(self.clinics), ("create", self.slug, "--name", "North"))
        assert made.exit_code == 0

    @asynccontextmanager
    async def monitors(self) -> AsyncGenerator[MonitorService]:
        async with opened(self._url, ManualClock()) as (service, _):
            yield service

    @asynccontextmanager
    async def clinics(self) -> AsyncGenerator[TenantService]:
        async with opened(self._url, ManualClock()) as (_, clinics):
            yield clinics

    def run(self, *words: str) -> tuple[int, list[str]]:
        result = self._runner.invoke(self._monitors, words)
        return result.exit_code, result.output.splitlines()

    def imports(self, *more: str) -> tuple[int, list[str]]:
        return self.run("import", str(self.file), "--from", "gatus", "--clinic", self.slug, *more)


@pytest.fixture
def program(clean_database: DatabaseUrls, tmp_path: Path) -> Program:
    return Program(clean_database.app, tmp_path)


def test_a_file_is_imported_once_private_addresses_are_open(program: Program):
    status, told = program.imports()
    assert (status, told[0], told[-1]) == (0, "refused: 'inside'", "0 created, 0 updated, 0 unchanged, 1 refused")
    assert program.run("allow-private", program.slug)[0] == 0
    assert program.imports("--dry-run")[1][-1] == "1 created, 0 updated, 0 unchanged, 0 refused: a dry run"
    assert "  left out: alerts: channels are set up here anew" in program.imports()[1]
    assert program.imports()[1][-1] == "0 created, 0 updated, 1 unchanged, 0 refused"
    assert program.run("forbid-private", program.slug)[0] == 0


def test_what_cannot_be_done_is_told(program: Program):
    assert program.run("allow-private", "nowhere")[0] == 1
    program.file.write_text("a: [", "utf-8")
    status, told = program.imports()
    assert (status, told) == (1, ["The file is none that can be imported. The file is not YAML."])
    program.file.write_bytes(b"\xff\xfe")
    assert program.imports()[0] == 2
