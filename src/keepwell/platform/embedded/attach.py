"""Using the embedded servers: a process holds them for its life, and they end after the last one let go."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from keepwell.platform.embedded.errors import EmbeddedStartError
from keepwell.platform.embedded.layout import POSTGRES_SOCKET, VALKEY_SOCKET, Layout, Ready
from keepwell.platform.embedded.locks import FileLock, is_held_exclusively, try_exclusive, try_shared
from keepwell.platform.embedded.postgres import DATABASE

_TICK_S = 0.02
_WATCH_S = 1.0
_OURS = ("PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL")


class EmbeddedServers:
    """A hold on the embedded servers of one data directory. They stay up at least until `close` or this process ends.

    While held, a guardian that was killed is replaced, and the servers it left are adopted.
    """

    def __init__(self, layout: Layout, hold: FileLock, ready: Ready) -> None:
        self._layout = layout
        self._hold = hold
        self._ready = ready
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._watch_guardian, name="embedded-servers", daemon=True)
        self._watch.start()

    @classmethod
    def attach(cls, directory: Path, *, postgres: bool = True, valkey: bool = True, seconds: float = 60) -> Self:
        """Holds the servers of `directory`, started if nobody runs them; returns when they answer.

        Raises:
            EmbeddedStartError: they do not answer within `seconds`, or cannot be started.
        """
        deadline = time.monotonic() + seconds
        layout = Layout(directory)
        layout.make()
        hold = _hold(layout, deadline)
        try:
            for name in (name for name, wanted in (("postgres", postgres), ("valkey", valkey)) if wanted):
                (layout.wanted / name).touch()
            ready = _await_ready(layout, deadline, postgres=postgres, valkey=valkey)
        except BaseException:
            hold.close()
            raise
        return cls(layout, hold, ready)

    def postgres_url(self, role: str, database: str = DATABASE) -> str:
        """Where `role` reaches `database`. The server knows the caller by its system user: there is no password."""
        return f"postgresql://{role}@/{database}?host={quote(str(self._ready.postgres), safe='')}"

    @property
    def migration_url(self) -> str:
        """For the owner of the schema; request work never uses it."""
        return self.postgres_url("keepwell_owner")

    @property
    def app_url(self) -> str:
        """For the plain role that all request work runs under."""
        return self.postgres_url("keepwell_app")

    @property
    def auditor_url(self) -> str:
        """For the role that reads the journal of all tenants."""
        return self.postgres_url("keepwell_auditor")

    @property
    def valkey_url(self) -> str:
        return f"unix://{Path(str(self._ready.valkey)) / VALKEY_SOCKET}"

    def close(self, seconds: float = 30) -> None:
        """Lets go. If nobody else holds the servers, waits until they have stopped, at most `seconds`."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._watch.join()
        self._hold.close()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and is_held_exclusively(self._layout.guardian_lock) and not _others_hold(self._layout):
            time.sleep(_TICK_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _watch_guardian(self) -> None:
        while not self._closed.wait(_WATCH_S):
            with contextlib.suppress(OSError, EmbeddedStartError):  # no room, no memory: the next look may succeed
                if not is_held_exclusively(self._layout.guardian_lock):
                    _ensure_guardian(self._layout, time.monotonic() + 10)


def _hold(layout: Layout, deadline: float) -> FileLock:
    """The shared lock; a guardian that is just ending the servers is waited for."""
    while True:
        hold = try_shared(layout.users_lock)
        if hold is not None:
            return hold
        if time.monotonic() > deadline:
            raise EmbeddedStartError("The embedded servers are stopping and do not come to an end.")
        time.sleep(_TICK_S)


def _others_hold(layout: Layout) -> bool:
    """Whether other processes use the servers; false too while the guardian is ending them."""
    alone = try_exclusive(layout.users_lock)
    if alone is not None:
        alone.close()
        return False
    return not is_held_exclusively(layout.users_lock)


def _await_ready(layout: Layout, deadline: float, *, postgres: bool, valkey: bool) -> Ready:
    started: _Guardian | None = None
    while time.monotonic() < deadline:
        started = _ensure_guardian(layout, deadline) or started
        if started is not None:
            started.raise_if_failed()
        ready = layout.read_ready()
        if ready is not None and all(_sockets_answer(ready, postgres=postgres, valkey=valkey)):
            return ready
        time.sleep(_TICK_S)
    said = f" The guardian's last words: {last}" if (last := _last_words(layout, 0)) else ""
    raise EmbeddedStartError(f"The embedded servers did not answer in time; see the *.log files in {layout.root}.{said}")


def _sockets_answer(ready: Ready, *, postgres: bool, valkey: bool) -> Iterator[bool]:
    """For each wanted server whether its socket takes a connection: a note may be older than a crash."""
    wanted = ((postgres, ready.postgres, POSTGRES_SOCKET), (valkey, ready.valkey, VALKEY_SOCKET))
    for _, folder, name in (line for line in wanted if line[0]):
        if folder is None:
            yield False
            continue
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(Path(folder) / name))
            except OSError:
                yield False
            else:
                yield True


class _Guardian:
    """A guardian this process started, as far as it concerns us: whether it gave up, and why."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._said_before = layout.guardian_log.stat().st_size if layout.guardian_log.exists() else 0
        with layout.guardian_log.open("ab") as output:
            layout.guardian_log.chmod(0o600)
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "keepwell.platform.embedded.guardian", str(layout.root)],
                cwd="/",
                env={name: os.environ[name] for name in _OURS if name in os.environ},  # none of our secrets
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        threading.Thread(target=self.process.wait, name="embedded-guardian", daemon=True).start()  # leaves no zombie behind

    def raise_if_failed(self) -> None:
        status = self.process.poll()
        if status is not None and status > 0:
            said = _last_words(self._layout, self._said_before)
            raise EmbeddedStartError(said or f"The guardian of {self._layout.root} ended with {status}.")


def _ensure_guardian(layout: Layout, deadline: float) -> _Guardian | None:
    """Returns when a guardian holds its lock; if this process had to start it, the guardian.

    Of many processes that miss it at once, one starts it and the others wait.

    Raises:
        EmbeddedStartError: it came up and gave up; the message is its own.
    """
    while time.monotonic() < deadline and not is_held_exclusively(layout.guardian_lock):
        starting = try_exclusive(layout.start_lock)
        if starting is None:
            time.sleep(_TICK_S)
            continue
        with starting:
            if not is_held_exclusively(layout.guardian_lock):
                guardian = _Guardian(layout)
                while time.monotonic() < deadline and not is_held_exclusively(layout.guardian_lock):
                    guardian.raise_if_failed()
                    if guardian.process.poll() is not None:
                        break
                    time.sleep(_TICK_S)
                return guardian
    return None


def _last_words(layout: Layout, start: int) -> str:
    """The last line of the guardian's log after `start` bytes, without its date; or nothing."""
    try:
        lines = layout.guardian_log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1].partition(" ERROR ")[2] or lines[-1] if lines else ""
