"""What a bench runs on: servers of its own in a temporary folder, and the product's processes as an operator starts them."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.master_key import make_master_key

PROCESSES = 2
_CONNECTIONS = 200
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
UNLIMITED = {f"KEEPWELL_RATE_{name}": "0" for name in ("ADDRESS", "USER", "TENANT", "LOGIN", "REFRESH")}
"""Settings under which callers may ask as much as they can: a bench is one address and few people."""


class NotReadyError(Exception):
    """A server process ended, or did not answer in time."""


class Server:
    """One address and the processes behind it."""

    def __init__(self, url: str, processes: Sequence[subprocess.Popen[bytes]], log: Path) -> None:
        self.url = url
        self._processes = processes
        self._log = log

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self._processes)

    async def ready(self, path: str) -> None:
        """Waits until `path` answers below 500.

        Raises:
            NotReadyError: it does not; the message ends with the log's last words.
        """
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        async with httpx.AsyncClient(base_url=self.url) as client:
            while asyncio.get_running_loop().time() < deadline:
                if any(process.poll() is not None for process in self._processes):
                    break
                try:
                    if (await client.get(path)).status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(_POLL_SECONDS)
        raise NotReadyError(f"{self.url}{path} does not answer: {self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Ends the processes: asks, waits, kills."""
        for process in self._processes:
            process.send_signal(signal.SIGINT)
        for process in self._processes:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def databases(data: Path) -> Generator[EmbeddedServers]:
    """The embedded servers as the product sets them up, but with room for pgbench beside all pools that are open."""
    make_master_key(data)
    with EmbeddedServers.attach(data, valkey=False) as servers, psycopg.connect(servers.postgres_url("postgres")) as connection:
        connection.autocommit = True
        connection.execute(sql.SQL("ALTER SYSTEM SET max_connections = {}").format(_CONNECTIONS))
    with EmbeddedServers.attach(data) as servers:
        yield servers


@contextmanager
def keepwell(
    folder: Path, *, gather: bool = True, processes: int = PROCESSES, settings: Mapping[str, str] | None = None
) -> Generator[Server]:
    """`keepwell serve` on the data directory in `folder`, its log written to a file as in production.

    Without `settings` callers are not limited.
    """
    program = shutil.which("keepwell", path=str(Path(sys.executable).parent))
    if program is None:
        raise NotReadyError("keepwell is not installed in this environment")
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("KEEPWELL_")},
        "KEEPWELL_DATA_DIR": str(folder / "data"),
        "KEEPWELL_GATHER": "true" if gather else "false",
        "KEEPWELL_ACCESS_TOKEN_LIFETIME_S": "3600",
        "KEEPWELL_ROOM_IDLE_S": "3600",
        **(UNLIMITED if settings is None else settings),
    }
    log = folder / f"keepwell-{port}.log"
    command = [program, "serve", "--port", str(port), "--workers", str(processes)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    server = Server(f"http://127.0.0.1:{port}", [process], log)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def bare(folder: Path, *arguments: str, module: str = "bench.bare", processes: int = PROCESSES) -> Generator[Server]:
    """As many processes of a bare handler, on one socket."""
    log = folder / f"{module}.log"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        number = listening.fileno()
        command = [sys.executable, "-m", module, str(number), *arguments]
        with log.open("wb") as output:
            started = [
                subprocess.Popen(
                    command, cwd=Path(__file__).parents[1], pass_fds=[number], stdout=output, stderr=subprocess.STDOUT
                )
                for _ in range(processes)
            ]
        server = Server(f"http://127.0.0.1:{listening.getsockname()[1]}", started, log)
        try:
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answers(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
