"""Kill -9 of every part at random moments under load: nothing acknowledged is lost, nothing done twice, every read recorded."""

import asyncio
import os
import random
import time
from collections.abc import Iterator, Sequence

import httpx
import pytest

from tests.support.chaos import VICTIMS, prove, reckon, recovered, stopped, told_off
from tests.support.load import Client, Ledger, Load, client_of, sign_in, simple_questionnaire
from tests.support.server import Server, running
from tests.support.waiting import eventually, eventually_async

CLIENTS = 12
ROUNDS = int(os.environ.get("KEEPWELL_CHAOS_ROUNDS", "50"))
_chance = random.SystemRandom()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("kills") / "data", workers=2, settings={"statement_timeout_s": "2"}) as server:
        yield server


@pytest.mark.timeout(300)
async def test_kills_at_random_moments_lose_nothing_and_double_nothing(server: Server):
    await kill_and_reckon(server, _chance.sample(sorted(VICTIMS), len(VICTIMS)))


@pytest.mark.long
@pytest.mark.timeout(120 + 60 * ROUNDS)
async def test_many_kills_at_random_moments_lose_nothing_and_double_nothing(server: Server):
    every = sorted(VICTIMS) * (ROUNDS // len(VICTIMS) + 1)
    await kill_and_reckon(server, _chance.sample(every, ROUNDS))


async def test_servers_that_stop_dead_and_go_on_again_lose_nothing(server: Server):
    async with client_of(server.base) as http:
        ledger = Ledger(await simple_questionnaire(http))
        load = Load(http, ledger, await Client(http, ledger).create(large=True))
        load.start(CLIENTS)
        try:
            await ledger.after(100)
            with stopped(server.valkey()):
                await ledger.after(200)
            assert ledger.refused == 0
            with stopped(*server.processes("postgres")):
                await eventually_async(lambda: told_off(ledger, 8), 20)
            await ledger.after(100)
            await load.stop()
        finally:
            await load.abandon()
        assert ledger.slowest < 10, ledger.summary()
        await reckon(server, http, ledger)


async def test_nobody_waits_for_a_worker_that_keeps_dying(server: Server):
    """Its place among those that take connections is filled at once, however long it stays away."""
    await asyncio.to_thread(recovered, server)
    for _ in range(6):  # each return takes twice as long as the one before: 6.4 seconds in the end
        worker = await asyncio.to_thread(eventually, server.api_processes)
        worker[0].kill()
        await asyncio.to_thread(eventually, lambda: not server.api_processes())
    asked = time.monotonic()
    await asyncio.gather(*(asyncio.to_thread(ask_once, server.base) for _ in range(24)))
    assert time.monotonic() - asked < 5


def ask_once(base: str) -> None:
    """On a connection of its own, so that any process may get it; one that had just been taken by the dead is asked again."""
    for _ in range(3):
        try:
            assert httpx.get(f"{base}/health/live", timeout=10).status_code == 200
        except (httpx.ReadError, httpx.RemoteProtocolError):
            continue
        return


async def kill_and_reckon(server: Server, victims: Sequence[str]) -> None:
    """One round a victim: load, the kill, recovery under load, the end of the load, the reckoning."""
    async with client_of(server.base) as http:
        ledger = Ledger(await simple_questionnaire(http))
        shared = await Client(http, ledger).create(large=True)
        for number, victim in enumerate(victims, start=1):
            await sign_in(http)
            load = Load(http, ledger, shared)
            load.start(CLIENTS)
            try:
                await ledger.after(_chance.randint(40, 300))
                await asyncio.to_thread(VICTIMS[victim], server)
                await asyncio.to_thread(recovered, server)
                await ledger.after(100)
                await load.stop()
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"after the kill of {victim}: {error}; {ledger.odd[:5]}\n{server.said()}") from error
            finally:
                await load.abandon()
            await reckon(server, http, ledger)
            if number % 10 == 0 or number == len(victims):
                await prove(server)
            print(victim, ledger.summary())  # noqa: T201 - shown when the test fails, and with -s
    assert ledger.unanswered > 0
