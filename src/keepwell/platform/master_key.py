"""The master key: 32 bytes that wrap every tenant's keys and never enter the database."""

import base64
import binascii
import contextlib
import os
import tempfile
from pathlib import Path

from keepwell.platform.crypto import KEY_BYTES, new_key
from keepwell.platform.settings import InvalidSettingsError, Settings

FILE_NAME = "master.key"


def master_key(settings: Settings) -> bytes:
    """The key from the settings, from the file they name, or, with the embedded database, from the data directory.

    With the embedded database the key is made together with the data directory. If it is missing later nothing is made in
    its place: a new key could not read what the database holds.

    Raises:
        InvalidSettingsError: there is no key, or it is not 32 bytes in base64.
    """
    if settings.master_key is not None:
        return _decode(settings.master_key.get_secret_value(), "KEEPWELL_MASTER_KEY")
    if settings.master_key_file is not None:
        return _read(settings.master_key_file)
    if settings.database_url is not None:
        raise InvalidSettingsError("KEEPWELL_MASTER_KEY or KEEPWELL_MASTER_KEY_FILE must be set with KEEPWELL_DATABASE_URL.")
    path = settings.data_dir / FILE_NAME
    if not path.exists():
        if (settings.data_dir / "postgres" / "PG_VERSION").exists():
            raise InvalidSettingsError(f"{path} is missing; no new key could read the database beside it: restore it.")
        make_master_key(settings.data_dir)
    return _read(path)


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
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettingsError(f"The master key cannot be read from {path}: {type(error).__name__}.") from None
    return _decode(text, str(path))


def _decode(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidSettingsError(f"{source} must hold {KEY_BYTES} bytes in base64.")
    return key
