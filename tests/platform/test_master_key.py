"""The master key: found, made once, never made in place of a lost one."""

import base64
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
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


START = """
from keepwell.platform import settings, telemetry
from keepwell.platform.master_key import master_key
telemetry.configure()
print(master_key(settings.load()) == master_key(settings.load()))
"""


def test_a_database_elsewhere_gets_a_key_once_and_somebody_is_told_to_keep_it(tmp_path: Path):
    environment = {"KEEPWELL_DATABASE_URL": "postgresql://h/d", "KEEPWELL_DATA_DIR": str(tmp_path / "data")}
    started = subprocess.run([sys.executable, "-c", START], env=environment, cwd=tmp_path, capture_output=True, check=True)
    assert started.stdout == b"True\n"
    [line] = [msgspec.json.decode(line) for line in started.stderr.splitlines()]
    assert (line["event"], line["level"]) == ("master-key.made", "warning")
    assert "every node" in line["reason"]
    assert len(master_key(settings(tmp_path / "data"))) == 32


def test_a_lost_embedded_cluster_does_not_keep_a_database_elsewhere_from_its_key(tmp_path: Path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    assert len(master_key(settings(tmp_path, database_url=SecretStr("postgresql://h/d")))) == 32


AWKWARD = bytes(range(224, 256))  # holds + and / in base64
STANDARD = base64.b64encode(AWKWARD).decode()


@pytest.mark.parametrize(
    "text",
    [
        STANDARD,
        STANDARD.rstrip("="),
        base64.urlsafe_b64encode(AWKWARD).decode(),
        base64.urlsafe_b64encode(AWKWARD).decode().rstrip("="),
        AWKWARD.hex(),
        AWKWARD.hex().upper(),
        f"  {STANDARD}\n",
    ],
)
def test_one_key_may_be_written_in_many_forms(tmp_path: Path, text: str):
    assert {"+", "/"} <= set(STANDARD)
    assert master_key(settings(tmp_path, master_key=SecretStr(text))) == AWKWARD
    path = tmp_path / "key"
    path.write_text(text)
    assert master_key(settings(tmp_path, master_key_file=path)) == AWKWARD


@pytest.mark.parametrize(
    "text",
    ["a passphrase of no less than thirty-two characters", "x" * 32, TEXT[:-4], TEXT + TEXT, "ü" * 40, "f" * 63, "+_" * 22],
)
def test_any_other_long_text_is_a_passphrase(tmp_path: Path, text: str):
    key = master_key(settings(tmp_path, master_key=SecretStr(text)))
    assert len(key) == 32
    assert key == master_key(settings(tmp_path, master_key=SecretStr(f"{text}\n")))
    assert key != master_key(settings(tmp_path, master_key=SecretStr(f"{text}.")))


@pytest.mark.parametrize("text", ["", "planted-secret", "x" * 31, " " * 40])
def test_what_is_no_key_is_refused_unquoted(tmp_path: Path, text: str):
    with pytest.raises(InvalidSettingsError, match="at least 32 characters") as failure:
        master_key(settings(tmp_path, master_key=SecretStr(text)))
    assert "planted-secret" not in str(failure.value)
