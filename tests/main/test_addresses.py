"""Where the servers are, and what is made with embedded ones."""

from pathlib import Path
from typing import Any

import pytest

from keepwell.main.addresses import Servers
from keepwell.platform.settings import InvalidSettingsError, Settings


def settings(directory: Path, **given: str) -> Settings:
    options: dict[str, Any] = {"_env_file": None, "data_dir": directory, **given}
    return Settings(**options)


def test_a_new_database_gets_a_key_of_its_own_and_keeps_it(tmp_path: Path):
    directory = tmp_path / "data"
    with Servers.attach(settings(directory)):
        made = (directory / "master.key").read_bytes()
    with Servers.attach(settings(directory)):
        assert (directory / "master.key").read_bytes() == made


def test_no_key_is_made_beside_one_that_was_given(tmp_path: Path):
    directory = tmp_path / "data"
    with Servers.attach(settings(directory, master_key="a passphrase of at least 32 characters")):
        assert (directory / "postgres" / "PG_VERSION").exists()
        assert not (directory / "master.key").exists()


def test_with_a_key_that_is_none_no_database_is_made(tmp_path: Path):
    with pytest.raises(InvalidSettingsError):
        Servers.attach(settings(tmp_path / "data", master_key="short"))
    assert not (tmp_path / "data").exists()
