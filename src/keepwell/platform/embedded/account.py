"""The system account the embedded servers run under. PostgreSQL refuses to run as root, and should."""

import os
import pwd
import stat
import subprocess
from pathlib import Path

import msgspec

from keepwell.platform.embedded.errors import EmbeddedStartError

SERVICE_USER = "embedded_postgres"


class Account(msgspec.Struct, frozen=True):
    """Who the servers run as, and who may connect to them. `switch`: they run as somebody else than this process."""

    name: str
    uid: int
    gid: int
    switch: bool
    clients: tuple[str, ...]

    def own(self, path: Path) -> None:
        """Gives `path` to the account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


def account() -> Account:
    """This process's own account, or, for root, one made for the purpose.

    Raises:
        EmbeddedStartError: the account cannot be found or made.
    """
    try:
        me = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedStartError(f"User id {os.geteuid()} has no name on this machine; PostgreSQL needs one.") from None
    if me.pw_uid != 0:
        return Account(me.pw_name, me.pw_uid, me.pw_gid, switch=False, clients=(me.pw_name,))
    try:
        entry = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        entry = _make_user()
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True, clients=(me.pw_name, entry.pw_name))


def _make_user() -> pwd.struct_passwd:
    forms = (
        ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", SERVICE_USER],
        ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", SERVICE_USER],
    )
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for form in forms:
        try:
            subprocess.run(form, check=False, capture_output=True, env={"PATH": path})  # noqa: S603 - constant words
        except FileNotFoundError:
            continue
        try:  # another process may have made it first: what counts is that it is there
            return pwd.getpwnam(SERVICE_USER)
        except KeyError:
            continue
    raise EmbeddedStartError(
        f"PostgreSQL does not run as root, and the user {SERVICE_USER} could not be made. "
        "Make it, or run Keepwell as another user, or set KEEPWELL_DATABASE_URL."
    )


def allow_traversal(path: Path) -> None:
    """Lets other users pass through (not list) the folders above `path`, which this process must own or be root for."""
    for folder in path.resolve().parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def allow_use(folder: Path) -> None:
    """Lets other users read and run what is installed in `folder`: an installation under a strict umask is closed to them."""
    allow_traversal(folder)
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)
