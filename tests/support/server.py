"""Runs the real program as a child process, with a data directory and a port of its own, and ends it without a trace."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import psycopg

from tests.support.waiting import eventually

PROGRAM = Path(sys.executable).with_name("keepwell")
_PORTS = range(18_000, 30_000)  # below the ports Linux hands out by itself, so that a restart finds its port free
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")


def free_port() -> int:
    """A port nobody listens on at this moment."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


class Server:
    """One `keepwell serve`. `settings` are further KEEPWELL_* variables, named without the prefix, in lower case.

    `superuser` is the URL of a database that is not the embedded one, `zone` the machine's time zone.
    """

    def __init__(
        self,
        directory: Path,
        *,
        workers: int = 1,
        demo: bool = True,
        settings: Mapping[str, str] | None = None,
        superuser: str | None = None,
        zone: str = "UTC",
    ) -> None:
        self.directory = directory.absolute()
        self.workers = workers
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.output = directory.with_name(f"{directory.name}-output")
        self.output.mkdir(parents=True, exist_ok=True)
        self._demo = demo
        self._superuser = superuser
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        given = {f"KEEPWELL_{name.upper()}": value for name, value in (settings or {}).items()}
        self.environment = {**inherited, "TZ": zone, "KEEPWELL_DATA_DIR": str(self.directory), **given}
        self._child: subprocess.Popen[bytes] | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Starts the program and returns at once."""
        options = ["--port", str(self.port), "--workers", str(self.workers), *(["--demo"] if self._demo else [])]
        with (self.output / "stdout.log").open("ab") as out, (self.output / "stderr.log").open("ab") as err:
            self._child = subprocess.Popen(
                [PROGRAM, "serve", *options],
                cwd=self.output,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def start(self, seconds: float = 60, *, failing: Sequence[str] = ()) -> None:
        """Starts the program and returns when it says it is ready, but for the parts that are meant to fail.

        Raises:
            AssertionError: it ended, or is not ready within `seconds`; the message holds what it said last.
        """
        self.launch()
        self.await_ready(seconds, failing=failing)

    def await_ready(self, seconds: float = 60, *, failing: Sequence[str] = ()) -> None:
        """Returns when just the parts named fail. Raises as `start` does."""

        def ready() -> bool:
            assert self.main.poll() is None, f"ended with {self.main.returncode}: {self.said()}"
            return self.failing() == list(failing)

        try:
            eventually(ready, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; failing is {self.failing()}\n{self.said()}") from None

    def failing(self) -> list[str] | None:
        """The parts that do not work, as readiness tells; None when nothing answers."""
        try:
            answer = httpx.get(f"{self.base}/health/ready", timeout=10)
        except httpx.TransportError:
            return None
        return [] if answer.status_code == 200 else answer.json()["failing"]

    def stop(self, number: signal.Signals = signal.SIGINT, seconds: float = 40) -> int:
        """Ends the program as a terminal or a service manager would; its exit status."""
        os.killpg(self.main.pid, number)
        status = self.main.wait(seconds)
        eventually(lambda: not self.processes(), seconds)
        return status

    def kill_main(self) -> None:
        """Kill -9 of the process that was started, and of nothing else."""
        self.main.kill()
        self.main.wait(10)

    def destroy(self) -> None:
        """Ends by force whatever still runs."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
                process.kill()
        psutil.wait_procs(self.processes(), 10)
        if self._child is not None:
            self._child.wait(10)

    @contextlib.contextmanager
    def beside(self, zone: str = "UTC") -> Generator["Beside"]:
        """One more API process of the same installation, on a port of its own and in a time zone of its own."""
        beside = Beside(self, zone)
        beside.start()
        try:
            yield beside
        finally:
            beside.stop()

    # -- parts --------------------------------------------------------------------------------------------------------

    @property
    def started(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def main(self) -> "subprocess.Popen[bytes]":
        assert self._child is not None, "not started"
        return self._child

    def processes(self, name: str | None = None) -> list[psutil.Process]:
        """Everything alive that belongs to this data directory, whoever its parent is; or only what is called `name`."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                called = name is None or process.name() == name
                if called and process.status() != psutil.STATUS_ZOMBIE and self._owns(process):
                    found.append(process)
        return found

    def _owns(self, process: psutil.Process) -> bool:
        directory = str(self.directory)
        if Path(process.cwd()).is_relative_to(self.directory) or directory in process.cmdline():
            return True
        return process.environ().get("KEEPWELL_DATA_DIR") == directory

    def api_processes(self) -> list[psutil.Process]:
        """The processes that answer HTTP, besides the one that was started (which may answer too)."""
        found: list[psutil.Process] = []
        for process in psutil.Process(self.main.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and "keepwell.main.cli" in process.cmdline():
                    found.append(process)
        return found

    def guardian(self) -> psutil.Process:
        """The process that keeps the embedded servers; after the death of one, the next."""

        def look() -> list[psutil.Process]:
            found: list[psutil.Process] = []
            for process in self.processes():
                with contextlib.suppress(psutil.Error):
                    if "keepwell.platform.embedded.guardian" in process.cmdline():
                        found.append(process)
            return found

        return eventually(look)[0]

    def postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.directory / "postgres" / "postmaster.pid").read_text().split()[0]))

    def backends(self) -> list[psutil.Process]:
        """The postmaster's children that serve the program."""
        found: list[psutil.Process] = []
        for process in self.postmaster().children():
            with contextlib.suppress(psutil.Error):
                if "keepwell_app" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def valkey(self) -> psutil.Process:
        return self.processes("valkey-server")[0]

    # -- looking inside -----------------------------------------------------------------------------------------------

    def database_url(self, role: str = "postgres") -> str:
        """Where the embedded database is reached, past the program, as any role; or the other one, as its superuser."""
        if self._superuser is not None:
            return self._superuser
        folder = (self.directory / "sockets").read_text(encoding="utf-8").strip()
        return f"postgresql://{role}@/keepwell?host={quote(folder, safe='')}"

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows as the superuser sees them: past row-level security."""
        with psycopg.connect(self.database_url(), autocommit=True) as connection:
            found = connection.execute(sql.encode(), parameters or None)
            return found.fetchall() if found.description else []

    def cli(self, *words: str, given: str = "", seconds: float = 120) -> "subprocess.CompletedProcess[str]":
        """Runs a command of the program on the same data directory; `given` is its standard input."""
        command: Sequence[str | Path] = (PROGRAM, *words)
        return subprocess.run(
            command,
            cwd=self.output,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def said(self) -> str:
        """The end of everything it wrote."""
        texts = [path.read_text(errors="replace")[-3000:] for path in sorted(self.output.glob("*.log"))]
        return "\n--\n".join(texts)


class Beside:
    """`keepwell api` on the data directory of a server."""

    def __init__(self, server: Server, zone: str = "UTC") -> None:
        self._zone = zone
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self._server = server
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and returns when it serves."""
        with (self._server.output / "beside.log").open("ab") as out:
            self._child = subprocess.Popen(
                [PROGRAM, "api", "--port", str(self.port)],
                cwd=self._server.output,
                env={**self._server.environment, "TZ": self._zone},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        eventually(self._alive, 60)

    def _alive(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, self._server.said()
        try:
            return httpx.get(f"{self.base}/health/live", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Kill -9."""
        assert self._child is not None
        self._child.kill()
        self._child.wait(10)

    def stop(self) -> int:
        """Ends it as a service manager would; its exit status."""
        assert self._child is not None
        self._child.terminate()
        return self._child.wait(40)


@contextlib.contextmanager
def running(directory: Path, *, start: bool = True, **options: Any) -> Generator[Server]:
    """A server, with the options of `Server`; stopped at the end, and that nothing of it survives is asserted.

    Its data directory is removed.
    """
    server = Server(directory, **options)
    try:
        if start:
            server.start()
        yield server
        if server.started:
            server.stop()
        assert not server.processes()
    finally:
        server.destroy()
        shutil.rmtree(directory, ignore_errors=True)
