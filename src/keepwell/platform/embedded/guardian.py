"""The guardian: one process for each data directory that starts the embedded servers, keeps them up and ends them.

It belongs to no terminal and to no process that uses the servers, so neither Ctrl-C nor the death of any of them reaches
the servers. It ends them when the last user is gone. If the guardian itself is killed the servers go on, and the next
guardian adopts them.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from keepwell.platform.embedded.account import account
from keepwell.platform.embedded.errors import EmbeddedStartError
from keepwell.platform.embedded.layout import Layout, Ready
from keepwell.platform.embedded.locks import FileLock, try_exclusive
from keepwell.platform.embedded.postgres import EmbeddedPostgres
from keepwell.platform.embedded.process import ServerProcess
from keepwell.platform.embedded.valkey import EmbeddedValkey

_TICK_S = 0.05
_IDLE_TICK_S = 0.2
_SHORTEST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_STEADY_S = 30.0

log = logging.getLogger("keepwell.guardian")


class Keeper:
    """Keeps one server up: starts it, sees it die, starts it again, ever later if it keeps dying."""

    def __init__(self, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        self._server = server
        self._process: ServerProcess | None = None
        self._pause = _SHORTEST_PAUSE_S
        self._not_before = 0.0
        self._since = 0.0
        self.ready = False

    def tend(self) -> None:
        """Moves the server one step nearer to answering; returns soon."""
        now = time.monotonic()
        if self._process is not None and not self._process.alive():
            log.warning("%s ended (process %d)", self._server.name, self._process.pid)
            self._process, self.ready = None, False
            self._rest(now)
        if self._process is None and now >= self._not_before:
            try:
                self._process, self._since = self._begin(), now
            except OSError as error:  # no room, no memory, a folder closed for a moment: it may pass
                log.warning("%s cannot be started: %s", self._server.name, error.strerror)
                self._rest(now)
        if self._process is not None and not self.ready and self._server.answers():
            self.ready = True
            log.info("%s answers (process %d)", self._server.name, self._process.pid)

    def stop(self) -> None:
        if self._process is not None:
            self._server.stop(self._process)
            log.info("%s stopped", self._server.name)

    def _rest(self, now: float) -> None:
        self._pause = _SHORTEST_PAUSE_S if now - self._since > _STEADY_S else min(self._pause * 2, _LONGEST_PAUSE_S)
        self._not_before = now + self._pause

    def _begin(self) -> ServerProcess:
        found = self._server.adopt()
        if found is not None:
            log.info("%s adopted (process %d)", self._server.name, found.pid)
            return found
        started = self._server.start()
        log.info("%s started (process %d)", self._server.name, started.pid)
        return started


class Guardian:
    """The guardian's life: from the moment it holds the lock to the moment nobody needs it."""

    def __init__(self, layout: Layout, lock: FileLock) -> None:
        self._layout = layout
        self._lock = lock
        self._account = account()
        self._sockets = layout.sockets(self._account)
        self._keepers: dict[str, Keeper] = {}
        self._told = Ready(0)
        self._end = threading.Event()

    def end(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Asks for the end, with users or without: the machine is going down."""
        self._end.set()

    def run(self) -> None:
        """Returns when nobody uses the servers, with all of them stopped."""
        self._layout.ready.unlink(missing_ok=True)
        alone: FileLock | None = None
        try:
            while not self._end.is_set() and alone is None and self._lock.same_file(self._layout.guardian_lock):
                self._engage()
                for keeper in self._keepers.values():
                    keeper.tend()
                self._tell()
                # Held to the end: who comes now waits until the servers are down, and then starts a guardian anew.
                alone = try_exclusive(self._layout.users_lock)
                if alone is None:
                    self._end.wait(_IDLE_TICK_S if all(keeper.ready for keeper in self._keepers.values()) else _TICK_S)
        finally:
            self._stop()
            if alone is not None:
                alone.close()

    def _engage(self) -> None:
        """Takes charge of the servers somebody asked for."""
        for kind in (EmbeddedValkey, EmbeddedPostgres):
            if kind.name not in self._keepers and (self._layout.wanted / kind.name).exists():
                self._keepers[kind.name] = Keeper(kind(self._layout, self._account, self._sockets))

    def _tell(self) -> None:
        where = {name: str(self._sockets) for name, keeper in self._keepers.items() if keeper.ready}
        ready = Ready(os.getpid(), where.get("postgres"), where.get("valkey"))
        if ready != self._told:
            self._layout.write_ready(ready)
            self._told = ready

    def _stop(self) -> None:
        if not self._lock.same_file(self._layout.guardian_lock):
            log.warning("the data directory was removed or replaced: ending its servers")
        self._layout.ready.unlink(missing_ok=True)
        for keeper in self._keepers.values():
            keeper.stop()
        for name in self._keepers:
            (self._layout.wanted / name).unlink(missing_ok=True)
        if not self._sockets.is_relative_to(self._layout.root):
            with contextlib.suppress(OSError):  # a socket left in it says that somebody is still there
                self._sockets.rmdir()


def _take_charge(layout: Layout, seconds: float) -> FileLock | None:
    """The guardian's lock. Others look whether it is held by taking it for a moment, so one refusal says nothing yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lock = try_exclusive(layout.guardian_lock)
        if lock is not None:
            return lock
        time.sleep(0.02)
    return None


def main() -> int:
    """Runs the guardian of the data directory named as the only argument."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s")
    logging.Formatter.converter = time.gmtime
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    layout = Layout(Path(sys.argv[1]))
    lock = _take_charge(layout, 2)
    if lock is None:
        return 0
    try:
        guardian = Guardian(layout, lock)
        signal.signal(signal.SIGTERM, guardian.end)
        guardian.run()
    except EmbeddedStartError as error:
        log.error("%s", error)  # noqa: TRY400 - the message is meant for a person; the trace would hide it
        return 1
    finally:
        lock.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
