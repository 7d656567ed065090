"""The command line knows its commands without importing what they need."""

import subprocess
import sys

import pytest
import typer

from keepwell.main import commands, schema
from keepwell.main.cli import COMMANDS, command
from keepwell.main.exits import CANNOT_START
from keepwell.main.failures import told
from keepwell.platform.revisions import MigrationError, UnknownRevisionError

LARGE = ("alembic", "asyncpg", "graphql", "pydantic", "sqlalchemy", "keepwell.domains", "keepwell.kernel")
"""What a process that only tells what there is has no use for."""


def test_every_command_is_listed_and_told_of_in_its_own_words():
    there = {**typer.main.get_group(schema.root).commands, **typer.main.get_group(commands.root).commands}
    assert there.keys() == COMMANDS.keys()
    assert {name: command(name).help for name in COMMANDS} == COMMANDS


@pytest.mark.parametrize(
    ("doing", "spared"),
    [
        ("import keepwell.main.cli", LARGE),
        ("import keepwell.main.commands", ("alembic", "sqlalchemy", "ariadne", "graphql", "apprise")),
    ],
)
def test_what_is_large_waits_until_it_is_needed(doing: str, spared: tuple[str, ...]):
    asking = f"import sys; {doing}; print(*(name for name in {spared!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asking], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == ""


def test_what_an_operator_can_mend_is_told_and_anything_else_is_a_bug():
    assert told(MigrationError("No.")) == ("No.", CANNOT_START)
    assert told(UnknownRevisionError("None such.")) == ("None such.", CANNOT_START)
    assert told(KeyError("x")) is None
