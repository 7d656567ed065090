"""Two people at one response, on two processes, while processes and parts die: no edit is lost, both see the same at the end."""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.chaos import kill_postmaster, kill_valkey, prove, recovered
from tests.support.forms import form, item
from tests.support.live import Browser, Guest, speaking
from tests.support.load import client_of, history_of, sign_in
from tests.support.server import Beside, Server, running
from tests.support.waiting import eventually_async

ITEMS = tuple(f"item-{number}" for number in range(12))
_chance = random.SystemRandom()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("rooms") / "data") as server:
        yield server


@pytest.fixture
def beside(server: Server) -> Iterator[Beside]:
    with server.beside() as beside:
        yield beside


async def begun(http: httpx.AsyncClient) -> str:
    made = await http.post("/v1/questionnaires", json=form(*map(item, ITEMS), url=f"urn:uuid:{uuid4()}"))
    answer = await http.post("/v1/responses", json={"questionnaire": made.raise_for_status().json()["id"]})
    return answer.raise_for_status().json()["id"]


async def token_of(http: httpx.AsyncClient, email: str) -> str:
    answer = await http.post("/v1/auth/login", json={"email": email, "password": "keepwell-demo-pass"})
    return answer.raise_for_status().json()["access_token"]


async def typing_away(browser: Browser, items: tuple[str, ...], stop: asyncio.Event) -> None:
    """Edits one's own items, one after the other, until told to stop."""
    number = 0
    while not stop.is_set():
        number += 1
        await browser.edit({_chance.choice(items): f"{items[0]} {number}"})


def kill_other(_server: Server, beside: Beside) -> None:
    beside.kill()
    beside.start()


def kill_bus(server: Server, _beside: Beside) -> None:
    kill_valkey(server)
    recovered(server)


def kill_database(server: Server, _beside: Beside) -> None:
    kill_postmaster(server)
    recovered(server)


def kill_first(server: Server, _beside: Beside) -> None:
    server.kill_main()
    server.start()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("trouble", [kill_other, kill_bus, kill_database, kill_first])
async def test_two_people_lose_no_edit_and_see_the_same_in_the_end(
    server: Server, beside: Beside, trouble: Callable[[Server, Beside], None]
):
    async with client_of(server.base) as http:
        id_ = await begun(http)
        ann_token, bob_token = await token_of(http, "clinician@demo.test"), await token_of(http, "admin@demo.test")
        ann = Browser([server.base, beside.base], id_, ann_token)
        bob = Browser([beside.base, server.base], id_, bob_token)
        async with ann, bob:
            stop = asyncio.Event()
            work = [
                asyncio.create_task(typing_away(ann, ITEMS[:6], stop)),
                asyncio.create_task(typing_away(bob, ITEMS[6:], stop)),
            ]
            await eventually_async(lambda: edited(ann, bob, 20), 30)
            await asyncio.to_thread(trouble, server, beside)
            done = len(ann.stored) + len(bob.stored)
            await eventually_async(lambda: edited(ann, bob, done + 20), 60)
            stop.set()
            await asyncio.wait_for(asyncio.gather(*work), 60)
            newest = (await http.get(f"/v1/responses/{id_}")).raise_for_status().json()
            for browser in (ann, bob):
                await browser.at(newest["version"], 30)
                assert browser.copy == {name: newest[name] for name in ("version", "status", "answers", "rows")}
        await every_edit_once(http, id_, ann, bob)
    await prove(server)


async def edited(ann: Browser, bob: Browser, count: int) -> bool:
    return len(ann.stored) + len(bob.stored) >= count


async def every_edit_once(http: httpx.AsyncClient, id_: str, *browsers: Browser) -> None:
    """What each was told is stored is in the history once, and nothing else is."""
    told = [next(iter(answers.values())) for browser in browsers for answers in browser.stored.values()]
    history = [each for each in await history_of(http, id_) if each["type"] == "changed"]
    kept = [value for each in history for value in each["changes"].values()]
    assert sorted(kept) == sorted(told)


async def test_people_on_two_processes_see_each_other(server: Server, beside: Beside):
    async with client_of(server.base) as http:
        id_ = await begun(http)
        ann_token, bob_token = await token_of(http, "clinician@demo.test"), await token_of(http, "admin@demo.test")
        async with (
            speaking(server.base, id_, {"authorization": f"Bearer {ann_token}"}) as ann,
            speaking(beside.base, id_, {"authorization": f"Bearer {bob_token}"}) as bob,
        ):
            for guest in (ann, bob):
                await guest.until(lambda one: one.of("presence") and len(one.of("presence")[-1]["data"]["members"]) == 2)
            assert (await ann.ask("focus", linkId=ITEMS[0]))["type"] == "ack"
            await bob.first("focus", linkId=ITEMS[0])
            assert (await bob.ask("focus", linkId=ITEMS[0]))["data"]["code"] == "focus-held"
            assert (await ann.ask("patch", if_match=1, answers={ITEMS[0]: "x"}))["data"]["version"] == 2
            await bob.at(2)


async def test_a_session_that_is_ended_on_one_process_ends_its_rooms_on_the_other(server: Server, beside: Beside):
    async with client_of(server.base) as http:
        id_ = await begun(http)
        mine = await sign_in(http)
        headers = {"authorization": f"Bearer {mine['access_token']}"}
        async with speaking(beside.base, id_, headers) as here, speaking(server.base, id_, headers) as there:
            await here.at(1)
            await there.at(1)
            assert (await http.delete(f"/v1/auth/sessions/{mine['session_id']}")).status_code == 204
            for guest in (here, there):
                assert await guest.closed() == 4401


async def test_a_process_that_is_told_to_stop_sends_its_people_to_the_next(server: Server, beside: Beside):
    async with client_of(server.base) as http:
        id_ = await begun(http)
        token = await token_of(http, "clinician@demo.test")
        async with Browser([beside.base, server.base], id_, token) as ann:
            await ann.edit({ITEMS[0]: "before"})
            assert await asyncio.to_thread(beside.stop) == 0
            assert restarting(ann)
            assert await ann.edit({ITEMS[0]: "after"}) == 3
            await ann.at(3)
        beside.start()


def restarting(guest: Guest) -> list[dict[str, Any]]:
    return [each for each in guest.of("problem") if each["data"]["code"] == "restarting"]
