"""The master key: found, made once, never made in place of a lost one."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from keepwell.platform.master_key import make_master_key, master_key
from keepwell.platform.settings import InvalidSettingsError, Settings

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


def settings(directory: Path, **changes: object) -> Settings:
    return Settings(data_dir=directory).model_copy(update=changes)


def test_the_setting_wins(tmp_path: Path):
    make_master_key(tmp_path)
    assert master_key(settings(tmp_path, master_key=SecretStr(TEXT))) == KEY


def test_a_file_may_hold_it(tmp_path: Path):
    path = tmp_path / "key"
    path.write_text(f"{TEXT}\n")
    assert master_key(settings(tmp_path, master_key_file=path)) == KEY


def test_it_is_made_once_and_is_nobody_elses(tmp_path: Path):
    data = tmp_path / "data"
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(master_key, [settings(data)] * 8))) == 1
    assert [path.name for path in data.iterdir()] == ["master.key"]
    assert (data / "master.key").stat().st_mode & 0o777 == 0o600


def test_a_lost_key_is_not_replaced(tmp_path: Path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    with pytest.raises(InvalidSettingsError, match="restore it"):
        master_key(settings(tmp_path))
    assert not (tmp_path / "master.key").exists()


def test_a_database_elsewhere_needs_a_key_given(tmp_path: Path):
    with pytest.raises(InvalidSettingsError, match="must be set"):
        master_key(settings(tmp_path, database_url=SecretStr("postgresql://h/d")))


@pytest.mark.parametrize("text", ["", "planted-secret", TEXT[:-4], TEXT + TEXT])
def test_what_is_no_key_is_refused_unquoted(tmp_path: Path, text: str):
    with pytest.raises(InvalidSettingsError) as failure:
        master_key(settings(tmp_path, master_key=SecretStr(text)))
    assert "planted-secret" not in str(failure.value)
