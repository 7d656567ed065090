"""Other routes while log-ins are tried by the hundred: beside the same routes without the flood, and beside the same flood when
it goes to a process that refuses and does nothing else, which no server on the machine could be better than.

The flood comes from a process of its own, so that it does not slow the clock it is timed by.
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import msgspec

from bench.effort import so_far
from bench.stage import Server

PER_SECOND = 200
_LENGTH = re.compile(rb"content-length: *([0-9]+)")
AIM = 1.5
Send = Callable[[str, str, float], Awaitable[dict[int, int]]]


class Round(msgspec.Struct, frozen=True):
    """p95 of the other route in milliseconds: quiet, while the flood goes to who only refuses, and while it comes to us."""

    quiet: float
    elsewhere: float
    here: float


async def p95(url: str, token: str, seconds: float) -> float:
    """Milliseconds that 95 % of the answers to `GET /v1/auth/me` took at most, one after the other."""
    times: list[float] = []
    until = perf_counter() + seconds
    async with httpx.AsyncClient(base_url=url, timeout=30, headers={"authorization": f"Bearer {token}"}) as http:
        while perf_counter() < until:
            started = perf_counter()
            (await http.get("/v1/auth/me")).raise_for_status()
            times.append((perf_counter() - started) * 1000)
    return quantiles(times, n=20)[-1]


class _Connections:
    """Connections to one server, for bytes made beforehand: who floods from elsewhere takes no processor from it."""

    def __init__(self, url: str, body: bytes) -> None:
        self._at = urlsplit(url)
        head = f"POST /v1/auth/login HTTP/1.1\r\nhost: {self._at.netloc}\r\ncontent-type: application/json\r\n"
        self._request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self) -> int:
        """One request; the status of its answer."""
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(self._at.hostname, self._at.port)
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        found = _LENGTH.search(head)
        await reader.readexactly(int(found[1]) if found else 0)
        self._idle.append((reader, writer))
        return int(head[9:12])

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def wrong_log_ins(url: str, email: str, seconds: float) -> dict[int, int]:
    """So many wrong log-ins a second, whatever becomes of them, by status."""
    connections = _Connections(url, msgspec.json.encode({"email": email, "password": "a wrong password"}))
    started, sent = perf_counter(), list[asyncio.Task[int]]()
    while (passed := perf_counter() - started) < seconds:
        sent += [asyncio.create_task(connections.send()) for _ in range(int(passed * PER_SECOND) - len(sent))]
        await asyncio.sleep(1 / PER_SECOND)
    statuses = Counter(await asyncio.gather(*sent))
    connections.close()
    return dict(statuses)


def _apart(url: str, email: str, seconds: float) -> dict[int, int]:
    return asyncio.run(wrong_log_ins(url, email, seconds))


@asynccontextmanager
async def flooding() -> AsyncGenerator[Send]:
    """What sends the flood, from a process that is there already."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        await loop.run_in_executor(apart, os.getpid)

        async def send(url: str, email: str, seconds: float) -> dict[int, int]:
            return await loop.run_in_executor(apart, _apart, url, email, seconds)

        yield send


async def effort(send: Send, server: Server, data: Path, email: str, seconds: float) -> str:
    """Processor time a log-in of the flood, with nobody else there."""
    before = so_far(data, server.pids)
    statuses = await send(server.url, email, seconds)
    taken = so_far(data, server.pids).since(before, sum(statuses.values()))
    return f"{taken['cpu_us_server']} us of processor a wrong log-in, and {taken['cpu_us_postgres']} of PostgreSQL ({statuses})"


async def one_round(send: Send, url: str, refusing: str, token: str, seconds: float) -> tuple[Round, dict[int, int]]:
    """The three times, and how the log-ins that came to us were answered: on an account nobody tried before, as floods begin."""
    email = f"{uuid4()}@bench.test"
    quiet = await p95(url, token, seconds)
    elsewhere, _ = await asyncio.gather(p95(url, token, seconds), send(refusing, email, seconds))
    here, statuses = await asyncio.gather(p95(url, token, seconds), send(url, email, seconds))
    return Round(quiet, elsewhere, here), statuses


def told(rounds: list[Round]) -> str:
    """What the rounds say together."""
    ratio = median(each.here / each.quiet for each in rounds)
    limit = median(each.elsewhere / each.quiet for each in rounds)
    ours = median(each.here / each.elsewhere for each in rounds)
    return (
        f"p95 of another route, under flood / quiet: {ratio:.2f} (aim: at most {AIM}); "
        f"flood on who only refuses / quiet: {limit:.2f}; ours / that: {ours:.2f}"
    )
