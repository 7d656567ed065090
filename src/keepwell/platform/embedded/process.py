"""One server process, whether this guardian started it or found it running."""

import contextlib
import importlib.util
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

from keepwell.platform.embedded.account import Account

_LOG_LIMIT = 16 * 1024 * 1024


class ServerProcess:
    """A running server. Its log is appended to, and cut when it grows too long."""

    def __init__(self, process: psutil.Process, child: subprocess.Popen[bytes] | None = None) -> None:
        self._process = process
        self._child = child
        self.pid = process.pid

    @classmethod
    def start(cls, command: Sequence[str], account: Account, *, folder: Path, log: Path) -> "ServerProcess":
        """Starts `command` in `folder` as `account`, in a session of its own, knowing nothing of our environment."""
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            log.chmod(0o600)
            child = subprocess.Popen(  # noqa: S603 - binaries of our own wheels
                command,
                cwd=folder,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
                user=account.uid if account.switch else None,
                group=account.gid if account.switch else None,
                extra_groups=[] if account.switch else None,
            )
        return cls(psutil.Process(child.pid), child)

    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if the very same process is still there."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.send_signal(number)

    def succeeded(self, seconds: float) -> bool:
        """For a process that has an end: whether it came within `seconds`, with status 0."""
        return self.wait(seconds) and self._child is not None and self._child.returncode == 0

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`."""
        try:
            if self._child is not None:
                self._child.wait(seconds)
            else:
                self._process.wait(seconds)
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            return not self.alive()
        return True


def installed(package: str) -> Path:
    """Where `package` is installed, without running any of its code.

    Raises:
        FileNotFoundError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(package)
    return Path(spec.submodule_search_locations[0])


def processes_in(folder: Path, *names: str) -> list[psutil.Process]:
    """Live processes called so that work in `folder`: those of one server, whoever their parent is."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() in names and process.cwd() == str(folder.resolve()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_all(processes: Sequence[psutil.Process], gently: signal.Signals, seconds: float) -> None:
    """Ends processes that have lost their server: asks, waits, then kills."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(gently)
    _, remaining = psutil.wait_procs(list(processes), timeout=seconds)
    for process in remaining:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(remaining, timeout=seconds)
