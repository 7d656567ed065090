"""Kill -9 of the whole program while batches run: every person once, every row told of, nothing changed by another run."""

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.support import crowd
from tests.support.chaos import prove
from tests.support.load import client_of
from tests.support.server import Server, running
from tests.support.waiting import eventually_async

LONG_ROWS = int(os.environ.get("KEEPWELL_ENROLLMENT_ROWS", "1000000"))
MOST_MEMORY = 300_000_000
"""Bytes that a process may take above what it takes when idle."""
_ENDED = ("completed", "failed", "cancelled", "rolled-back")
_chance = random.SystemRandom()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("enrollment") / "data", settings={"access_token_lifetime_s": "7200"}) as server:
        yield server


@pytest.mark.timeout(300)
async def test_kills_in_the_middle_of_a_batch_enroll_everybody_once(server: Server):
    await kill_and_reckon(server, rows=12_000, kills=3, pause=(0.0, 0.3))
    await prove(server)


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_a_million_rows_and_twenty_kills_enroll_everybody_once(server: Server):
    async with watched(server) as memory:
        await kill_and_reckon(server, rows=LONG_ROWS, kills=20, pause=(0.5, 6.0))
    for name, (idle, most) in memory.items():
        sys.stdout.write(f"\n{name}: {most / 1e6:.0f} MB at most, {idle / 1e6:.0f} MB idle")
    assert all(most - idle <= MOST_MEMORY for idle, most in memory.values()), memory


async def kill_and_reckon(server: Server, rows: int, kills: int, pause: tuple[float, float]) -> None:
    clock = asyncio.get_running_loop().time
    faults = crowd.faulty(rows)
    dead = sum(fault.outcome == "dead" for fault in faults.values())
    wanted = {"total": rows, "refused": 0, "dead": dead, "conflict": len(faults) - dead}
    people = rows - len(faults)
    async with client_of(server.base, seconds=300) as http:
        program = (await http.get("/v1/programs")).json()["items"][0]["id"]
        began = clock()
        batch = await upload(http, program, rows)
        interrupted = 0
        for _ in range(kills):
            await moved(server)
            await asyncio.sleep(_chance.uniform(*pause))
            await asyncio.to_thread(server.kill_main)
            interrupted += server.query("SELECT status FROM batch") == [("running",)]
            await asyncio.to_thread(server.start)
        assert interrupted, "it was never in the middle"
        first = await ended(http, batch)
        assert first["status"] == "completed"
        assert first["rows"] == {**wanted, "enrolled": people, "unchanged": 0, "updated": 0}
        assert await told(http, batch) == {row: (fault.outcome, fault.reason) for row, fault in faults.items()}
        reckon(server, people)
        enrolled = clock()
        again = await ended(http, await upload(http, program, rows))
        assert again["rows"] == {**wanted, "enrolled": 0, "unchanged": people, "updated": 0}
        reckon(server, people)
    seconds = f"{enrolled - began:.0f} s with {interrupted} kills in the middle, again {clock() - enrolled:.0f} s"
    sys.stdout.write(f"\n{rows} rows: {seconds}; {first['rate']:.0f} and {again['rate']:.0f} rows/s from start to end")


async def upload(http: httpx.AsyncClient, program: str, rows: int) -> str:
    answer = await http.post(f"/v1/programs/{program}/batches", content=crowd.file(rows), headers={"content-type": "text/csv"})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def moved(server: Server) -> None:
    """Returns when more rows are settled than now, or the batch has ended."""

    def state() -> tuple[Any, ...]:
        return server.query("SELECT b.status, (SELECT count(*) FROM batch_part) FROM batch b")[0]

    begun = await asyncio.to_thread(state)

    async def on() -> bool:
        seen = await asyncio.to_thread(state)
        return seen[0] in _ENDED or seen[1] > begun[1]

    await eventually_async(on, 180)


async def ended(http: httpx.AsyncClient, batch: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def over() -> bool:
        seen.update((await http.get(f"/v1/batches/{batch}")).json())
        return seen["status"] in _ENDED

    await eventually_async(over, 3600)
    return seen


async def told(http: httpx.AsyncClient, batch: str) -> dict[int, tuple[str, str]]:
    """What is said of the rows that did not come through."""
    found: dict[int, tuple[str, str]] = {}
    for outcome in ("dead", "conflict", "refused"):
        cursor = ""
        while cursor is not None:
            query = {"outcome": outcome, "limit": "1000", **({"cursor": cursor} if cursor else {})}
            page = (await http.get(f"/v1/batches/{batch}/rows", params=query)).json()
            found |= {one["row"]: (one["outcome"], one["reason"]) for one in page["items"]}
            cursor = page["next"]
    return found


def reckon(server: Server, people: int) -> None:
    """Each person has one record, and it was journaled once."""
    with psycopg.connect(server.database_url()) as connection:
        counted = connection.execute(
            "SELECT count(*), count(DISTINCT id), max(version) FROM journal_entry WHERE kind = 'participant'"
        )
        assert counted.fetchone() == (people, people, 1)
        stored = connection.execute("SELECT count(*) FROM participant WHERE active")
        assert stored.fetchone() == (people,)


@contextlib.asynccontextmanager
async def watched(server: Server) -> AsyncGenerator[dict[str, tuple[int, int]]]:
    """What the largest process of each name takes for itself, in bytes: when nothing was to be done, and at most."""
    memory: dict[str, tuple[int, int]] = {}
    for name, own in (await asyncio.to_thread(taken, server)).items():
        memory[name] = (own, own)

    async def keep_looking() -> None:
        while True:
            for name, own in (await asyncio.to_thread(taken, server)).items():
                idle, most = memory.get(name, (own, own))
                memory[name] = (idle, max(most, own))
            await asyncio.sleep(0.5)

    looking = asyncio.create_task(keep_looking())
    try:
        yield memory
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def taken(server: Server) -> dict[str, int]:
    """By name of process, what the largest takes for itself: what it shares with others is not counted."""
    found: dict[str, int] = {}
    for process in server.processes():
        with contextlib.suppress(psutil.Error):
            name, own = process.name(), process.memory_full_info().uss
            found[name] = max(own, found.get(name, 0))
    return found
