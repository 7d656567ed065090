"""Guessing gets slow and laborious; people get in; nobody can tell which accounts there are, and nobody locks anybody out."""

from asyncio import gather
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import valkey

from keepwell.domains.identity import DefenceSettings, Settings
from keepwell.domains.identity.service.devices import LIFETIME_SECONDS, Devices
from keepwell.kit.ids import new_id
from keepwell.platform.counts import Counts
from keepwell.platform.valkey import Valkey, ValkeySettings
from tests.domains.identity.conftest import ORIGIN, PASSWORD, World, make_node
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.http_server import serving
from tests.support.proxy import Proxy
from tests.support.puzzle import solve
from tests.support.waiting import eventually_async

FREE = 3
WRONG = "a wrong password"


@pytest.fixture
async def cache(valkey_url: str) -> AsyncIterator[Valkey]:
    cache = Valkey(ValkeySettings(valkey_url, timeout=1.0, rest=0.1))
    await cache.open()
    yield cache
    await cache.close()


@pytest.fixture
async def guarded(database_urls: DatabaseUrls, manual_clock: ManualClock, everything: Any, cache: Valkey) -> AsyncIterator[World]:
    """A clinic in front of which few failures are free, and whose addresses are not counted."""
    settings = Settings(defence=DefenceSettings(FREE, 10_000))
    node = await make_node(database_urls.app, manual_clock, settings, Counts(cache))
    clinic = await node.tenants.ensure(f"c{new_id().hex}", "A clinic", ORIGIN)
    async with serving(node.door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        yield World(node, manual_clock, clinic, http, everything)
    await node.close()


async def attempt(world: World, name: str, password: str = WRONG, **more: Any) -> httpx.Response:
    """A try from a device that was never there before."""
    world.http.cookies.clear()
    return await world.login(name, password, **more)


async def held_up(world: World, name: str) -> httpx.Response:
    """The first answer that asks for work, after enough failures."""
    for _ in range(FREE + 3):
        answer = await attempt(world, name)
        if answer.status_code != 401:
            return answer
    raise AssertionError("never held up")


async def test_after_some_failures_a_try_takes_work_or_time(guarded: World):
    await guarded.person("ana")
    for _ in range(FREE):
        assert (await attempt(guarded, "ana")).json()["code"] == "invalid-credentials"
    refused = await held_up(guarded, "ana")
    assert (refused.status_code, refused.json()["code"]) == (429, "challenge-required")
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["challenge"]["parameters"]["algorithm"] == "SHA-256"


async def test_the_right_password_and_the_work_always_get_in(guarded: World):
    await guarded.person("ana")
    for _ in range(3):
        refused = await held_up(guarded, "ana")
        entered = await attempt(guarded, "ana", PASSWORD, challenge=solve(refused.json()["challenge"]))
        assert entered.status_code == 200


async def test_a_solution_lets_one_try_through_and_not_a_second(guarded: World):
    await guarded.person("ana")
    solution = solve((await held_up(guarded, "ana")).json()["challenge"])
    assert (await attempt(guarded, "ana", challenge=solution)).status_code == 401
    assert (await attempt(guarded, "ana", PASSWORD, challenge=solution)).status_code == 429


async def test_each_failure_makes_the_next_puzzle_harder(guarded: World):
    await guarded.person("ana")
    works: list[int] = []
    for _ in range(3):
        challenge = (await held_up(guarded, "ana")).json()["challenge"]
        works.append(challenge["parameters"]["data"]["work"])
        await attempt(guarded, "ana", challenge=solve(challenge))
    assert works == sorted(set(works))


async def test_who_waits_out_the_pause_needs_no_work(guarded: World):
    await guarded.person("ana")
    refused = await held_up(guarded, "ana")

    async def entered() -> bool:
        return (await attempt(guarded, "ana", PASSWORD)).status_code == 200

    await eventually_async(entered, int(refused.headers["retry-after"]) + 5)


async def test_a_success_makes_the_failures_forgotten(guarded: World):
    await guarded.person("ana")
    for _ in range(3):
        for _ in range(FREE - 1):
            assert (await attempt(guarded, "ana")).status_code == 401
        assert (await attempt(guarded, "ana", PASSWORD)).status_code == 200


async def test_a_device_that_was_in_before_is_spared_what_strangers_did(guarded: World):
    await guarded.person("ana")
    device = (await attempt(guarded, "ana", PASSWORD)).cookies["keepwell_device"]
    assert (await held_up(guarded, "ana")).status_code == 429
    guarded.http.cookies.set("keepwell_device", device)
    assert (await guarded.login("ana")).status_code == 200


async def test_a_device_that_fails_itself_is_held_up_like_any(guarded: World):
    await guarded.person("ana")
    await guarded.logged_in("ana")
    codes = [(await guarded.login("ana", WRONG)).status_code for _ in range(FREE + 2)]
    assert codes == [401] * (FREE + 1) + [429], "one try takes the end of the first pause"
    assert (await attempt(guarded, "ana", PASSWORD)).status_code == 200, "the account is not the worse for it"


async def test_a_device_of_one_account_is_unknown_to_another(guarded: World):
    for name in ("ana", "bea"):
        await guarded.person(name)
    assert (await held_up(guarded, "bea")).status_code == 429
    await guarded.logged_in("ana")
    assert (await guarded.login("bea")).status_code == 429


async def test_known_and_unknown_addresses_are_held_up_alike(guarded: World):
    await guarded.person("ana")
    await guarded.person("gone")
    told = {
        name: [
            (answer.status_code, answer.json()["code"], answer.headers.get("retry-after"))
            for answer in [await attempt(guarded, name) for _ in range(FREE + 3)]
        ]
        for name in ("ana", "gone", "nobody")
    }
    assert told["ana"] == told["gone"] == told["nobody"]
    assert told["ana"][-1][1] == "challenge-required"


async def test_an_address_is_one_account_however_it_is_written(guarded: World):
    await guarded.person("ana")
    for number in range(FREE + 1):
        email = guarded.email("ana").upper() if number % 2 else f" {guarded.email('ana')} "
        await guarded.http.post("/v1/auth/login", json={"email": email, "password": WRONG})
    assert (await attempt(guarded, "ana")).status_code == 429


async def test_who_is_held_up_costs_no_hash_and_is_on_record(guarded: World):
    await guarded.person("ana")
    await held_up(guarded, "ana")
    computed = guarded.node.identity.hashing.computed
    assert (await attempt(guarded, "ana", PASSWORD)).status_code == 429
    assert guarded.node.identity.hashing.computed == computed


async def test_who_is_held_up_beyond_a_few_a_second_costs_no_look_at_the_database(guarded: World):
    await guarded.person("ana")
    await held_up(guarded, "ana")
    for _ in range(10):  # so many are looked up, to show the clinic whose account it was
        await attempt(guarded, "ana")
    looks = "SELECT count(*) FROM access_record WHERE action = 'login.clinic'"
    before = await guarded.everything.fetchval(looks)
    assert (await attempt(guarded, "ana", PASSWORD)).json()["code"] == "challenge-required"
    assert await guarded.everything.fetchval(looks) == before


async def test_the_clinic_sees_who_was_held_up(guarded: World):
    ana = await guarded.person("ana")
    await guarded.person("boss", "admin")
    await held_up(guarded, "ana")
    items = (await guarded.get("/v1/audit/logins?outcome=refused", await guarded.logged_in("boss"))).json()["items"]
    assert ("challenge", "challenge-required", str(ana.id)) in {(one["step"], one["reason"], one["user"]) for one in items}


async def test_guesses_under_way_count_once_others_failed(guarded: World):
    await guarded.person("ana")
    assert (await attempt(guarded, "ana")).status_code == 401
    computed = guarded.node.identity.hashing.computed
    answers = await gather(*(guarded.login("ana", WRONG) for _ in range(30)))
    assert {answer.status_code for answer in answers} <= {401, 429}
    assert guarded.node.identity.hashing.computed <= computed + FREE + 3, "what was free, and the ends of pauses"


async def test_many_who_know_the_password_come_in_at_once(guarded: World):
    await guarded.person("ana")
    answers = await gather(*(guarded.login("ana") for _ in range(3 * FREE)))
    assert {answer.status_code for answer in answers} == {200}


async def test_one_address_that_tries_many_accounts_is_held_up_in_all(
    database_urls: DatabaseUrls, manual_clock: ManualClock, everything: Any, cache: Valkey
):
    settings = Settings(defence=DefenceSettings(100, 4))
    node = await make_node(database_urls.app, manual_clock, settings, Counts(cache))
    clinic = await node.tenants.ensure(f"c{new_id().hex}", "A clinic", ORIGIN)
    async with serving(node.door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        world = World(node, manual_clock, clinic, http, everything)
        await world.person("ana")
        device = (await attempt(world, "ana", PASSWORD)).cookies["keepwell_device"]
        codes = [(await attempt(world, f"somebody-{number}")).status_code for number in range(6)]
        assert codes == [401] * 5 + [429]
        beforehand = (await http.get("/v1/auth/challenge")).json()["challenge"]
        assert (await attempt(world, "ana", PASSWORD, challenge=solve(beforehand))).status_code == 200
        again = [(await attempt(world, f"stranger-{number}")).status_code for number in range(4)]
        assert 429 in again, "a success is no reason to forget an address"
        http.cookies.set("keepwell_device", device)
        assert (await world.login("ana")).status_code == 200
    await node.close()


async def test_all_processes_count_together(guarded: World, database_urls: DatabaseUrls, cache: Valkey):
    await guarded.person("ana")
    other = await make_node(database_urls.app, guarded.clock, Settings(defence=DefenceSettings(FREE, 10_000)), Counts(cache))
    async with serving(other.door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
        there = World(other, guarded.clock, guarded.clinic, http, guarded.everything)
        for number in range(FREE + 1):
            await attempt((guarded, there)[number % 2], "ana")
        refused = await attempt(there, "ana")
        assert refused.status_code == 429
        entered = await attempt(guarded, "ana", PASSWORD, challenge=solve(refused.json()["challenge"]))
        assert entered.status_code == 200
        assert (await attempt(there, "ana")).status_code == 401, "forgotten everywhere"
    await other.close()


async def test_with_valkey_away_each_process_goes_on_counting(
    database_urls: DatabaseUrls, manual_clock: ManualClock, everything: Any, valkey_url: str
):
    with Proxy.to_valkey(valkey_url) as proxy:
        away = Valkey(ValkeySettings(proxy.valkey_url(valkey_url), timeout=0.1, rest=0.2))
        await away.open()
        node = await make_node(database_urls.app, manual_clock, Settings(defence=DefenceSettings(FREE, 10_000)), Counts(away))
        clinic = await node.tenants.ensure(f"c{new_id().hex}", "A clinic", ORIGIN)
        async with serving(node.door) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
            world = World(node, manual_clock, clinic, http, everything)
            await world.person("ana")
            proxy.hang()
            refused = await held_up(world, "ana")
            solution = solve(refused.json()["challenge"])
            assert (await attempt(world, "ana", challenge=solution)).status_code == 401
            assert (await attempt(world, "ana", PASSWORD, challenge=solution)).status_code == 429, "good once, here at least"
        await node.close()
        await away.close()


async def test_nothing_in_valkey_says_who_failed(guarded: World, valkey_url: str):
    await guarded.person("ana")
    await held_up(guarded, "ana")
    client: Any = valkey.Valkey.from_url(valkey_url)  # pyright: ignore[reportUnknownMemberType]
    with client:
        found = {key.decode(): client.get(key).decode() for key in client.keys("*")}
        assert all(client.ttl(key) > 0 for key in found)
    assert {key.split(":")[2] for key in found} == {"account", "address"}
    told = " ".join([*found, *found.values()])
    assert "ana" not in told
    assert guarded.clinic.slug not in told
    assert "127.0.0.1" not in told


def test_a_device_is_known_to_its_account_for_a_time(manual_clock: ManualClock):
    devices, others = Devices(lambda _: b"k" * 32, manual_clock), Devices(lambda _: b"o" * 32, manual_clock)
    token = devices.welcome("ana@x.test")
    assert devices.known(token, "ana@x.test")
    assert devices.known(token, "ana@x.test") != devices.known(devices.welcome("ana@x.test"), "ana@x.test")
    assert not devices.known(token, "bea@x.test")
    assert not others.known(token, "ana@x.test")
    for broken in (None, "", "kwd_", token[:-2], token + "AAAA", token.replace("kwd_", "kwd_A"), "kwd_\u00e9", "kwd_ab=c"):
        assert devices.known(broken, "ana@x.test") is None
    manual_clock.advance(seconds=LIFETIME_SECONDS)
    assert not devices.known(token, "ana@x.test")


async def test_the_device_cookie_goes_to_the_login_alone(guarded: World):
    await guarded.person("ana")
    set_cookie = (await attempt(guarded, "ana", PASSWORD)).headers["set-cookie"]
    assert set_cookie.startswith("keepwell_device=kwd_")
    assert "; Path=/v1/auth; " in set_cookie
    assert "HttpOnly; SameSite=Strict" in set_cookie
    assert "set-cookie" not in (await guarded.login("ana")).headers, "it is known now"
