"""A real streaming replica of an embedded PostgreSQL, that a test kills, stops, pauses and delays."""

import shutil
import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

import psutil
import psycopg

from keepwell.platform.embedded import client_program
from keepwell.platform.embedded.account import account, allow_traversal
from keepwell.platform.embedded.process import ServerProcess, end_all, processes_in
from tests.support.waiting import eventually

_USUAL = """
recovery_min_apply_delay = 0
hot_standby_feedback = off
wal_receiver_timeout = '2s'
wal_retrieve_retry_interval = '100ms'
"""


class Replica:
    """One replica of the server that `primary_url` reaches by its socket folder. Not running before `start`."""

    def __init__(self, primary_url: str) -> None:
        self._account = account()
        self._folder = Path(tempfile.mkdtemp(prefix="keepwell-replica-"))
        self._folder.chmod(0o711)
        allow_traversal(self._folder)
        self._data, self._sockets = self._folder / "data", self._folder / "run"
        for path in (self._data, self._sockets):
            path.mkdir(mode=0o700)
            self._account.own(path)
        self._log = self._folder / "log"
        self._primary = unquote(parse_qs(urlsplit(primary_url).query)["host"][0])
        self._process: ServerProcess | None = None
        self._copy()

    def url(self, primary_url: str) -> str:
        """Where what `primary_url` reaches on the primary is reached on this replica."""
        parts = urlsplit(primary_url)
        return parts._replace(query=f"host={quote(str(self._sockets), safe='')}").geturl()

    def start(self) -> Self:
        """Starts it, and waits until it answers and follows the primary."""
        for leftover in (self._data / "postmaster.pid", self._sockets / ".s.PGSQL.5432.lock"):
            leftover.unlink(missing_ok=True)
        program = str(client_program("postgres"))
        command = [program, "-D", str(self._data), "-k", str(self._sockets)]
        self._process = ServerProcess.start(command, self._account, folder=self._data, log=self._log)
        eventually(self._streams, 60)
        return self

    def alive(self) -> bool:
        return self._process is not None and self._process.alive()

    def kill(self) -> None:
        """As when the machine loses power: every process of it is gone at once."""
        end_all(self._processes(), signal.SIGKILL, 5)
        if self._process is not None:
            assert self._process.wait(5)

    def freeze(self) -> None:
        """Connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def pause(self) -> None:
        """It answers, and shows nothing newer than now."""
        self.run("SELECT pg_wal_replay_pause()")
        eventually(lambda: self.run("SELECT pg_get_wal_replay_pause_state()") == "paused")

    def resume(self) -> None:
        self.run("SELECT pg_wal_replay_resume()")

    def delay(self, milliseconds: int) -> None:
        """It shows everything this much later than the primary."""
        self.run(f"ALTER SYSTEM SET recovery_min_apply_delay = {milliseconds}")
        self.run("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """It becomes a primary of its own."""
        self.run("SELECT pg_promote()")

    def run(self, statement: str) -> Any:
        """The first value of a statement, as superuser."""
        where = f"host={self._sockets} user=postgres dbname=postgres connect_timeout=5"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def destroy(self) -> None:
        self.thaw()
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _copy(self) -> None:
        command = [
            *(str(client_program("pg_basebackup")), "--host", self._primary, "--username", "postgres"),
            *("--pgdata", str(self._data), "--write-recovery-conf", "--checkpoint", "fast", "--wal-method", "stream"),
        ]
        copier = ServerProcess.start(command, self._account, folder=self._folder, log=self._log)
        assert copier.wait(120)
        assert (self._data / "standby.signal").exists(), self._log.read_text(errors="replace")[-2000:]
        with (self._data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(_USUAL)

    def _streams(self) -> bool:
        assert self._process is not None
        assert self._process.alive(), self._log.read_text(errors="replace")[-2000:]
        with suppress(psycopg.OperationalError):
            return self.run("SELECT status FROM pg_stat_wal_receiver") == "streaming"
        return False

    def _processes(self) -> list[psutil.Process]:
        return processes_in(self._data, "postgres")

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@contextmanager
def replicas(primary_url: str, count: int) -> Generator[list[Replica]]:
    """Running replicas; gone at the end."""
    made: list[Replica] = []
    try:
        for _ in range(count):
            made.append(Replica(primary_url))
            made[-1].start()
        yield made
    finally:
        for replica in made:
            replica.destroy()
