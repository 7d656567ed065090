"""PostgreSQL slow, silent and gone: bounded waits, 503 with Retry-After, no pile-up, and recovery by itself."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from tests.chaos.conftest import BOUND, Surrounded
from tests.support.chaos import prove, reckon, told_off
from tests.support.load import CLINICIAN, Client, Ledger, Load, Response, client_of, simple_questionnaire
from tests.support.waiting import eventually_async

CROWD = 100
GROWTH = 150_000_000
"""Bytes that a process may grow by under a crowd and keep: buffers of connections, not a pile of waiting work."""


@dataclass
class Answers:
    """What a crowd was answered: how often each status, and how long the slowest took."""

    counts: Counter[int] = field(default_factory=Counter[int])
    slowest: float = 0.0

    async def take(self, request: Awaitable[httpx.Response]) -> None:
        started = time.monotonic()
        answer = await request
        self.slowest = max(self.slowest, time.monotonic() - started)
        self.counts[answer.status_code] += 1
        if answer.status_code == 503:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) >= 1


@dataclass
class Crowd:
    """Many clients, a response each, in a ledger of their own."""

    http: httpx.AsyncClient
    ledger: Ledger
    responses: list[Response]

    async def ask(self, answers: Answers) -> None:
        """Everyone asks once, all at the same time."""
        asked = [self.http.get(f"/v1/responses/{each.id}") for each in self.responses]
        await asyncio.gather(*map(answers.take, asked))

    async def log_in(self, answers: Answers) -> None:
        """Some want to log in."""
        asked = [self.http.post("/v1/auth/login", json={"email": CLINICIAN, "password": "wrong"}) for _ in range(4)]
        await asyncio.gather(*map(answers.take, asked))


@pytest.fixture
async def crowd(surrounded: Surrounded) -> AsyncIterator[Crowd]:
    async with client_of(surrounded.server.base, seconds=30) as http:
        ledger = Ledger(await simple_questionnaire(http))
        client = Client(http, ledger)
        responses = [await client.create() for _ in range(20)]
        yield Crowd(http, ledger, [responses[number % 20] for number in range(CROWD)])
        await reckon(surrounded.server, http, ledger)


def resident(surrounded: Surrounded) -> int:
    return psutil.Process(surrounded.server.main.pid).memory_info().rss


async def gauge(http: httpx.AsyncClient, name: str) -> float:
    """The sum of a metric over its labels."""
    text = (await http.get("/metrics")).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))


async def at_rest(http: httpx.AsyncClient) -> None:
    """Nothing is waiting or being served any more, but the question itself."""

    async def look() -> bool:
        waiting = await gauge(http, "keepwell_lane_queued")
        return waiting == 0 and await gauge(http, "keepwell_http_requests_in_flight") <= 1

    await eventually_async(look, 20)


async def test_a_slow_database_is_not_waited_for_without_end(surrounded: Surrounded, crowd: Crowd):
    await crowd.ask(Answers())
    before, answers = resident(surrounded), Answers()
    surrounded.postgres.slow_down(0.15)
    for _ in range(3):
        await crowd.ask(answers)
    assert answers.counts.keys() == {200, 503}, answers
    assert answers.slowest < BOUND, answers
    surrounded.postgres.resume()
    await at_rest(crowd.http)
    assert resident(surrounded) - before < GROWTH
    assert (await crowd.http.get(f"/v1/responses/{crowd.responses[0].id}")).status_code == 200


@pytest.mark.parametrize("trouble", ["hang", "cut"])
async def test_a_database_that_is_away_is_answered_for_in_time(surrounded: Surrounded, crowd: Crowd, trouble: str):
    await crowd.ask(Answers())
    before, answers, logins = resident(surrounded), Answers(), Answers()
    {"hang": surrounded.postgres.hang, "cut": surrounded.postgres.cut}[trouble]()
    for _ in range(3):
        await crowd.ask(answers)
        assert (await crowd.http.get("/health/live", timeout=2)).status_code == 200
    await crowd.log_in(logins)
    assert answers.counts.keys() == logins.counts.keys() == {503}
    assert answers.slowest < BOUND, answers
    assert logins.slowest < 2 * BOUND, logins  # the failure is recorded, or that is tried
    surrounded.server.await_ready(10, failing=["database", "migrations"])
    surrounded.postgres.resume()
    surrounded.server.await_ready(20)
    await at_rest(crowd.http)
    assert resident(surrounded) - before < GROWTH
    assert (await crowd.http.get(f"/v1/responses/{crowd.responses[0].id}")).status_code == 200
    assert connections(surrounded) <= 10


def connections(surrounded: Surrounded) -> int:
    """How many the process holds at the server."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'keepwell%'"
    return surrounded.server.query(asked)[0][0]


@pytest.mark.parametrize("trouble", ["hang", "cut", "reset", "slow"])
async def test_writes_survive_a_database_in_trouble(surrounded: Surrounded, trouble: str):
    """With the same keys, sent again until they are settled: all there, none twice."""
    postgres = surrounded.postgres
    troubles: dict[str, Callable[[], None]] = {
        "hang": postgres.hang,
        "cut": postgres.cut,
        "reset": postgres.reset,
        "slow": lambda: postgres.slow_down(0.1),
    }
    async with client_of(surrounded.server.base, seconds=30) as http:
        ledger = Ledger(await simple_questionnaire(http))
        load = Load(http, ledger, await Client(http, ledger).create(large=True))
        load.start(16)
        try:
            await ledger.after(150)
            troubles[trouble]()
            if trouble in ("hang", "cut"):
                await eventually_async(lambda: told_off(ledger, 8), 20)
            else:
                await ledger.after(100)
            postgres.resume()
            await ledger.after(150)
            await load.stop()
        finally:
            await load.abandon()
        await reckon(surrounded.server, http, ledger)
        assert ledger.slowest < BOUND, ledger.summary()
    if trouble == "hang":
        await prove(surrounded.server)
