"""The further API processes of one `keepwell serve`: started, restarted when they die, ended with their parent.

A child's standard input is a pipe from the parent: it ends when the parent does, however the parent ends, and then the
child stops too. On its standard output it says one line when it serves. While it does not, the parent takes its connections.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0
READY_LINE = b"ready\n"
_log = structlog.stdlib.get_logger("keepwell.serve")


StandIn = Callable[[], Awaitable[asyncio.AbstractServer | None]]
"""Begins to serve a child's connections in the parent, until the result is closed; None when the parent cannot either."""


class Child:
    """One further process, serving on the socket `listener` (a file descriptor). `environment` is what it has besides ours."""

    def __init__(
        self, name: str, listener: int, folder: Path, stand_in: StandIn, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._listener = listener
        self._folder = folder
        self._stand_in = stand_in
        self._environment = {**os.environ, **(environment or {})}
        self._standing: asyncio.AbstractServer | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Keeps the process alive until `stop`: after a death it is started again, later each time it dies young."""
        pause = _FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began = loop.time()
            status = await self._once()
            if self._stopping:
                return
            if loop.time() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE
            _log.error("serve.child-died", process=self.name, status=status, restart_in_s=pause)
            if self._standing is None:
                self._standing = await self._stand_in()
            if self._stopping:
                self._stand_back()
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def let_go(self) -> None:
        """Asks the process to finish, and does not start another."""
        self._stopping = True
        self._stand_back()
        if self._process is not None:
            _close_input(self._process)

    async def stop(self, seconds: float) -> None:
        """Lets go of the process and waits for its end; ends it by force after `seconds`."""
        self.let_go()
        process = self._process
        if process is None or process.returncode is not None:
            return
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _once(self) -> int:
        options = ["api", "--fd", str(self._listener), "--name", self.name, "--siblings", str(self._folder)]
        command: Sequence[str] = (sys.executable, "-m", "keepwell.main.cli", *options)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(self._listener,),
                env=self._environment,
            )
        except OSError as error:  # no memory, or no process left, just now
            return error.errno or -1
        self._process = process
        if self._stopping:
            _close_input(process)
        if process.stdout is not None and await process.stdout.readline() == READY_LINE:
            self.ready.set()
            self._stand_back()
        return await process.wait()

    def _stand_back(self) -> None:
        if self._standing is not None:
            self._standing.close()
            self._standing = None


def _close_input(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


async def parent_gone() -> None:
    """Returns when standard input ends: in a child, when its parent lets it go or dies."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
