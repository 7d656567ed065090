"""What lies where in a data directory.

guardian.lock   held exclusively by the one guardian for its life
users.lock      held shared by every process that uses the servers; the guardian waits to hold it alone
start.lock      held while one process starts a guardian, so that not all do
wanted/         one empty file for each server somebody asked for
ready.json      which servers answer, and where; written by the guardian, only while they do
sockets         the folder of the sockets, when this path is too long for one
postgres/       the database cluster
valkey/         working folder of the cache; nothing in it needs keeping
*.log           what the guardian and the servers say; never parameters, statements or values
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

import msgspec

from keepwell.platform.embedded.account import Account, allow_traversal
from keepwell.platform.embedded.errors import EmbeddedStartError

POSTGRES_SOCKET = ".s.PGSQL.5432"
VALKEY_SOCKET = "valkey.sock"
_LONGEST_SOCKET_PATH = 100  # sun_path holds 104 bytes on macOS, 108 on Linux


def holds_database(directory: Path) -> bool:
    """Whether a data directory has a database cluster in it, running or not."""
    return (directory / "postgres" / "PG_VERSION").exists()


class Ready(msgspec.Struct, frozen=True):
    """What the guardian says while the servers answer: its process id, and the socket folders or None."""

    guardian: int
    postgres: str | None = None
    valkey: str | None = None


class Layout:
    """The paths of one data directory. Making it touches nothing."""

    def __init__(self, directory: Path) -> None:
        self.root = directory.absolute()
        self.guardian_lock = self.root / "guardian.lock"
        self.users_lock = self.root / "users.lock"
        self.start_lock = self.root / "start.lock"
        self.wanted = self.root / "wanted"
        self.ready = self.root / "ready.json"
        self.guardian_log = self.root / "guardian.log"
        self.postgres = self.root / "postgres"
        self.postgres_log = self.root / "postgres.log"
        self.valkey = self.root / "valkey"
        self.valkey_log = self.root / "valkey.log"

    def make(self) -> None:
        """Makes the data directory, closed to everybody else.

        Raises:
            EmbeddedStartError: it belongs to another user, or cannot be made.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.wanted.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EmbeddedStartError(f"The data directory {self.root} cannot be made: {error.strerror}.") from None
        if self.root.stat().st_uid != os.geteuid():
            raise EmbeddedStartError(f"The data directory {self.root} belongs to another user.")

    def open_to(self, account: Account) -> None:
        """Lets the account reach its own folders inside the data directory, and list nothing on the way."""
        if account.switch:
            self.root.chmod(0o711)
            allow_traversal(self.root)

    def sockets(self, account: Account) -> Path:
        """The folder of the sockets: only this user and the account may enter it. The same one until the system's next start."""
        noted = self.root / "sockets"
        if noted.is_file():
            folder = Path(noted.read_text(encoding="utf-8").strip())
            if self._is_private(folder, account):
                return folder
        folder = self.root / "run"
        if len(os.fsencode(folder / POSTGRES_SOCKET)) >= _LONGEST_SOCKET_PATH:
            folder = self._short_folder()
        else:
            folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()  # somebody else may have put a link or a folder of theirs there first
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), account.uid):
            raise EmbeddedStartError(f"The socket folder {folder} is not ours.")
        account.own(folder)
        folder.chmod(0o700)
        if not self._is_private(folder, account):
            raise EmbeddedStartError(f"The socket folder {folder} is not ours alone.")
        noted.write_text(f"{folder}\n", encoding="utf-8")
        return folder

    def _short_folder(self) -> Path:
        name = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:16]
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        parent = Path(runtime) if runtime and len(runtime) < 40 and Path(runtime).is_dir() else Path(tempfile.gettempdir())
        if len(os.fsencode(parent)) > 60:
            parent = Path("/tmp")  # noqa: S108 - the folder inside is private and its owner is checked
        folder = parent / f"keepwell-{os.geteuid()}-{name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @staticmethod
    def _is_private(folder: Path, account: Account) -> bool:
        try:
            found = folder.lstat()
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and not found.st_mode & 0o077

    def read_ready(self) -> Ready | None:
        try:
            return msgspec.json.decode(self.ready.read_bytes(), type=Ready)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write_ready(self, ready: Ready) -> None:
        draft = self.ready.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(ready))
        draft.replace(self.ready)
