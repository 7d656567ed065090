"""Kill -9 of the whole program while batches run: every person once, every row told of, nothing changed by another run."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.chaos import prove
from tests.support.load import client_of
from tests.support.server import Server, running
from tests.support.waiting import eventually_async

HEADER = "external_id,given_name,family_name,birth_date,email\n"
LONG_ROWS = int(os.environ.get("KEEPWELL_ENROLLMENT_ROWS", "1000000"))
_ENDED = ("completed", "failed", "cancelled", "rolled-back")
_chance = random.SystemRandom()
_FAULTS = (
    ",Given{number},Family,1970-01-01,\n",
    "E-{number},Given,Family,1970-13-01,\n",
    "E-{before},Another,Family,,\n",
    "E-{number}," + 600 * "x" + ",Family,,\n",
    "E-{number},,,," + 300 * "x" + "\n",
)
"""Rows that do not come through, in turn."""


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("enrollment") / "data", settings={"access_token_lifetime_s": "7200"}) as server:
        yield server


def line(number: int) -> str:
    if number % 100 == 50:
        return _FAULTS[number // 100 % len(_FAULTS)].format(number=number, before=number - 1)
    return f"E-{number},Given{number},Family{number % 977},{1930 + number % 80}-0{number % 9 + 1}-17,p{number}@example.org\n"


async def file(rows: int) -> AsyncIterator[bytes]:
    yield HEADER.encode()
    for start in range(1, rows + 1, 1000):
        yield "".join(map(line, range(start, min(start + 1000, rows + 1)))).encode()


@pytest.mark.timeout(300)
async def test_kills_in_the_middle_of_a_batch_enroll_everybody_once(server: Server):
    await kill_and_reckon(server, rows=6_000, kills=3, pause=(0.3, 1.2))


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_a_million_rows_and_twenty_kills_enroll_everybody_once(server: Server):
    await kill_and_reckon(server, rows=LONG_ROWS, kills=20, pause=(3.0, 12.0))


async def kill_and_reckon(server: Server, rows: int, kills: int, pause: tuple[float, float]) -> None:
    async with client_of(server.base, seconds=300) as http:
        program = (await http.get("/v1/programs")).json()["items"][0]["id"]
        batch = await upload(http, program, rows)
        interrupted = 0
        for _ in range(kills):
            await asyncio.sleep(_chance.uniform(*pause))
            await asyncio.to_thread(server.kill_main)
            interrupted += server.query("SELECT status FROM batch") == [("running",)]
            await asyncio.to_thread(server.start)
        assert interrupted, "it was never in the middle"
        first = await ended(http, batch)
        faults = rows // 100 if rows % 100 < 50 else rows // 100 + 1
        wanted = {"total": rows, "enrolled": rows - faults, "unchanged": 0, "updated": 0}
        assert first["status"] == "completed"
        assert {name: first["rows"][name] for name in wanted} == wanted
        reckon(server, rows - faults)
        again = await ended(http, await upload(http, program, rows))
        assert again["rows"] == {**first["rows"], "enrolled": 0, "unchanged": rows - faults}
        reckon(server, rows - faults)
    if rows < 100_000:
        await prove(server)


async def upload(http: httpx.AsyncClient, program: str, rows: int) -> str:
    answer = await http.post(f"/v1/programs/{program}/batches", content=file(rows), headers={"content-type": "text/csv"})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def ended(http: httpx.AsyncClient, batch: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def over() -> bool:
        seen.update((await http.get(f"/v1/batches/{batch}")).json())
        return seen["status"] in _ENDED

    await eventually_async(over, 3600)
    return seen


def reckon(server: Server, people: int) -> None:
    """Each person has one record, and it was journaled once."""
    with psycopg.connect(server.database_url()) as connection:
        counted = connection.execute(
            "SELECT count(*), count(DISTINCT id), max(version) FROM journal_entry WHERE kind = 'participant'"
        )
        assert counted.fetchone() == (people, people, 1)
        stored = connection.execute("SELECT count(*) FROM participant WHERE active")
        assert stored.fetchone() == (people,)
