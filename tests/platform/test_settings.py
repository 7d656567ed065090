"""Settings: every one described, wrong ones named, secrets never shown."""

import re
from pathlib import Path

import pytest

from keepwell.platform.settings import InvalidSettingsError, ProcessKind, Settings, describe, load

SECRET_URL = "postgresql://u:planted-secret@h/d"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with no `.env` of anybody's."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_need_nothing():
    settings = load()
    assert settings.database_url is None
    assert settings.data_dir == Path(".keepwell")


def test_every_setting_says_what_it_is_for():
    for line in describe(load()):
        assert line.description.endswith("."), line.variable


def test_environment_wins_over_the_file(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    (elsewhere / ".env").write_text("KEEPWELL_POOL_SIZE_API=5\nKEEPWELL_POOL_SIZE_CLI=2\nOTHER=1\n")
    monkeypatch.setenv("KEEPWELL_POOL_SIZE_API", "7")
    assert load().pool_size(ProcessKind.API) == 7
    assert load().pool_size(ProcessKind.CLI) == 2


def test_secrets_are_said_to_be_set_and_no_more(monkeypatch: pytest.MonkeyPatch):
    for name in ("DATABASE_URL", "MASTER_KEY", "VALKEY_URL", "DATABASE_MIGRATION_URL"):
        monkeypatch.setenv(f"KEEPWELL_{name}", "valkey://:planted-secret@h/0" if name == "VALKEY_URL" else SECRET_URL)
    monkeypatch.setenv("KEEPWELL_REPLICA_URLS", f"{SECRET_URL},{SECRET_URL}")
    settings = load()
    shown = {line.variable: line.value for line in describe(settings)}
    assert shown["KEEPWELL_DATABASE_URL"] == "(set)"
    assert shown["KEEPWELL_REPLICA_URLS"] == "(set), (set)"
    assert "planted-secret" not in f"{shown} {settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POOL_SIZE_API", "planted-secret"),
        ("POOL_SIZE_API", "0"),
        ("POOL_WAIT_S", "-1"),
        ("LOG_LEVEL", "planted-secret"),
        ("DATABASE_URL", "planted-secret"),
        ("DATABASE_URL", "host=h password=planted-secret"),
        ("DATABASE_URL", "mysql://u:planted-secret@h/d"),
        ("DATABASE_MIGRATION_URL", "postgresql://u:planted-secret@h:many/d?there_is_no_such_option=1"),
        ("DATABASE_AUDITOR_URL", ""),
        ("REPLICA_URLS", "postgresql://h/d,planted-secret"),
        ("VALKEY_URL", "planted-secret"),
        ("LEAK_KEYS_URL", "file:///planted-secret"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(f"KEEPWELL_{name}", value)
    with pytest.raises(InvalidSettingsError, match=f"^KEEPWELL_{name}: ") as failure:
        load()
    assert "planted-secret" not in str(failure.value)


def test_every_kind_of_process_has_a_cap():
    assert all(Settings().pool_size(kind) > 0 for kind in ProcessKind)


def test_no_setting_is_idle():
    """A setting nobody reads is a promise nobody keeps."""
    source = Path(__file__).parents[2] / "src" / "keepwell"
    text = "\n".join(path.read_text() for path in source.rglob("*.py") if path.name != "settings.py")
    names = set(Settings.model_fields) - {f"pool_size_{kind}" for kind in ProcessKind}
    names -= {"replica_urls"}  # its description says that it waits for its users
    assert {name for name in names if not re.search(rf"\b(settings|chosen)\.{name}\b", text)} == set()


ORIGINS = (
    "https://app.example.org",
    "http://localhost:3000",
    "https://[::1]:8443",
    "https://xn--bcher-kva.example",
    "http://127.0.0.1",
)


def test_origins_are_taken_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KEEPWELL_CORS_ORIGINS", " , ".join(ORIGINS))
    assert load().cors_origins == ORIGINS


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "app.example.org",
        "https://*.example.org",
        "https://app.example.org/",
        "https://app.example.org/path",
        "https://App.example.org",
        "HTTPS://app.example.org",
        "https://app.example.org:443",
        "http://app.example.org:80",
        "https://app.example.org:0",
        "https://app.example.org:65536",
        "https://app.example.org:",
        "https://user@app.example.org",
        "https://app.example.org?x",
        "https://app.example.org https://other.example.org",
        "https://b\u00fccher.example",
        "file://",
        "chrome-extension://abcdef",
        "https://app.example.org,https://",
    ],
)
def test_what_no_browser_sends_as_an_origin_is_refused_by_name(origin: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KEEPWELL_CORS_ORIGINS", origin)
    with pytest.raises(InvalidSettingsError, match="KEEPWELL_CORS_ORIGINS"):
        load()
