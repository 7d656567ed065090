"""The master key: 32 bytes that wrap every tenant's keys and never enter the database."""

import base64
import contextlib
import os
import re
import tempfile
from pathlib import Path

import structlog

from keepwell.platform.crypto import derive, new_key
from keepwell.platform.settings import InvalidSettingsError, Settings

FILE_NAME = "master.key"
LEAST_PASSPHRASE = 32
"""Characters of the shortest passphrase. HKDF does not slow anybody down who guesses: length is all the strength there is."""

_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9_-]{43})=?")
_log = structlog.stdlib.get_logger("keepwell.keys")


def master_key(settings: Settings) -> bytes:
    """The key from the settings, from the file they name, or from the data directory, where it is made when it is missing.

    Beside an embedded database that is there already nothing is made in place of a lost key: a new one could not read what
    the database holds. With a database elsewhere that shows only when the key is tried: see `keepwell.main.fitness`.

    Raises:
        InvalidSettingsError: there is no key, or it has no form that a key can have.
    """
    if settings.master_key is not None:
        return _decode(settings.master_key.get_secret_value(), "KEEPWELL_MASTER_KEY")
    if settings.master_key_file is not None:
        return _read(settings.master_key_file)
    path = settings.data_dir / FILE_NAME
    if not path.exists():
        embedded = settings.database_url is None
        if embedded and (settings.data_dir / "postgres" / "PG_VERSION").exists():
            raise InvalidSettingsError(f"{path} is missing; no new key could read the database beside it: restore it.")
        make_master_key(settings.data_dir)
        if not embedded:
            # Each node would make one of its own, and none could read what another one wrote.
            _log.warning("master-key.made", reason="keep a copy of master.key and give it to every node of this database")
    return _read(path)


def previous_master_keys(settings: Settings) -> tuple[bytes, ...]:
    """The further master key that opens what is stored, from the settings or the file they name; none while nothing rotates.

    Raises:
        InvalidSettingsError: it has no form that a key can have.
    """
    if settings.master_key_previous is not None:
        return (_decode(settings.master_key_previous.get_secret_value(), "KEEPWELL_MASTER_KEY_PREVIOUS"),)
    if settings.master_key_previous_file is not None:
        return (_read(settings.master_key_previous_file),)
    return ()


def make_master_key(directory: Path) -> None:
    """Puts a key into a data directory that has none: whole, durable, readable by this user only.

    Of several processes that do this at once one wins.
    """
    path = directory / FILE_NAME
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=".master.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(new_key()) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettingsError(f"The master key cannot be read from {path}: {type(error).__name__}.") from None
    return _decode(text, str(path))


def _decode(text: str, source: str) -> bytes:
    given = text.strip()
    if _HEX.fullmatch(given):
        return bytes.fromhex(given)
    if _BASE64.fullmatch(given):
        return base64.urlsafe_b64decode(given.rstrip("=").translate(_TO_URLSAFE) + "=")
    if len(given) >= LEAST_PASSPHRASE:
        return derive(given.encode(), "keepwell master key from a passphrase v1")
    raise InvalidSettingsError(
        f"{source} must hold 32 bytes in base64 or as 64 hex digits, or a passphrase of at least {LEAST_PASSPHRASE} characters."
    )


_TO_URLSAFE = str.maketrans("+/", "-_")
