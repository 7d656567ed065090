"""Other routes while log-ins are tried by the hundred: beside the same routes without the flood, and beside the same flood when
it goes to a process that refuses and does nothing else, which no server on the machine could be better than.

The flood comes from a process of its own, so that it does not slow the clock it is timed by.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import httpx
import msgspec

from bench.effort import so_far

PER_SECOND = 200
AIM = 1.5
Send = Callable[[str, float], Awaitable[dict[int, int]]]


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


async def wrong_log_ins(url: str, email: str, seconds: float) -> dict[int, int]:
    """So many wrong log-ins a second, whatever becomes of them, by status."""
    statuses: dict[int, int] = {}
    body = {"email": email, "password": "a wrong password"}
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=400)) as http:

        async def one() -> None:
            status = (await http.post("/v1/auth/login", json=body)).status_code
            statuses[status] = statuses.get(status, 0) + 1

        started, sent = perf_counter(), list[asyncio.Task[None]]()
        while (passed := perf_counter() - started) < seconds:
            sent += [asyncio.create_task(one()) for _ in range(int(passed * PER_SECOND) - len(sent))]
            await asyncio.sleep(0.02)
        await asyncio.gather(*sent)
    return statuses


def _apart(url: str, email: str, seconds: float) -> dict[int, int]:
    return asyncio.run(wrong_log_ins(url, email, seconds))


@asynccontextmanager
async def flooding(email: str) -> AsyncGenerator[Send]:
    """What sends the flood, from a process that is there already."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        await loop.run_in_executor(apart, os.getpid)

        async def send(url: str, seconds: float) -> dict[int, int]:
            return await loop.run_in_executor(apart, _apart, url, email, seconds)

        yield send


async def effort(send: Send, url: str, pid: int, data: Path, seconds: float) -> str:
    """Processor time a log-in of the flood, with nobody else there."""
    before = so_far(data, [pid])
    statuses = await send(url, seconds)
    taken = so_far(data, [pid]).since(before, sum(statuses.values()))
    told = " ".join(f"{part} {taken[f'cpu_us_{part}']}" for part in ("server", "postgres"))
    return f"us of processor a wrong log-in: {told} ({statuses})"


async def one_round(send: Send, url: str, refusing: str, token: str, seconds: float) -> tuple[Round, dict[int, int]]:
    """The three times, and how the log-ins that came to us were answered."""
    quiet = await p95(url, token, seconds)
    elsewhere, _ = await asyncio.gather(p95(url, token, seconds), send(refusing, seconds))
    here, statuses = await asyncio.gather(p95(url, token, seconds), send(url, seconds))
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
