"""A host that watches targets and loses its network: scheduler, worker and targets in one process. Its input says what happens.

python -m tests.support.host_process namespace|blocked URL

In a network namespace of its own it is the loopback interface that goes `down` and comes `up`; where there is none, its targets
are cut off together with the canary that its prober asks. `gone`: the targets alone.
"""

import asyncio
import sys

from keepwell.domains.checks import jobs
from keepwell.kit.time import SystemClock
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.probing import Prober, ProberSettings
from tests.support.check_process import WORKER, repeated
from tests.support.cut_off import switch
from tests.support.watching import service_over

TARGET, CANARY = 18_080, 18_081
"""Ports of 127.0.0.5."""


class Listeners:
    """What answers on this host."""

    def __init__(self) -> None:
        self._servers: dict[int, asyncio.Server] = {}

    async def open(self, *ports: int) -> None:
        for port in ports:
            self._servers[port] = await asyncio.start_server(_answer, "127.0.0.5", port)

    def close(self, *ports: int) -> None:
        for port in ports:
            self._servers.pop(port).close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def told(listeners: Listeners, *, apart: bool) -> None:
    """Does what each line of the input says."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while word := (await lines.readline()).decode().strip():
        match word:
            case "gone":
                listeners.close(TARGET)
            case "down" | "up" if apart:
                switch(up=word == "up")
            case "down":
                listeners.close(TARGET, CANARY)
            case _:
                await listeners.open(TARGET, CANARY)


async def main(kind: str, url: str) -> None:
    apart = kind == "namespace"
    if apart:
        switch(up=True)
    listeners = Listeners()
    await listeners.open(TARGET, CANARY)
    database = Database(PoolSettings(url))
    await database.open()
    service = service_over(database, SystemClock(), by_database=True)
    prober = Prober(ProberSettings(canaries=() if apart else (f"127.0.0.5:{CANARY}",)))
    async with asyncio.TaskGroup() as group:
        group.create_task(jobs.keep_checking(service, prober, WORKER))
        group.create_task(repeated(service.scheduler.tick, jobs.TICK_SECONDS))
        group.create_task(repeated(service.scheduler.judge, 1.0))
        await told(listeners, apart=apart)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
