"""Limits on how much callers ask: told, held, shared by all processes, and kept up alone while Valkey is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from time import monotonic
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
import valkey
from hypothesis import given
from hypothesis import strategies as st

from keepwell.kernel.envelope import Actor
from keepwell.kernel.http import USUAL, Answer, Call, Door, Endpoint, Limits, Pages, Policy, RateLimits
from keepwell.kernel.http import rates as module
from keepwell.kernel.http.rates import SHARE, network
from keepwell.kit.gcra import SECOND, Rate
from keepwell.kit.ids import new_id
from keepwell.platform.allowances import Allowances
from keepwell.platform.valkey import Valkey, ValkeySettings
from tests.kernel.http.conftest import USER, Held, authenticate
from tests.support.http_server import serving
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async

KEY = b"k" * 32
SLOW = Rate.of(0.01, 40)
"""Forty at once, and then none for a minute and more: what fills up meanwhile does not count in a test."""
NETWORK = "192.0.2.1"


def person(tenant: UUID | None = None) -> Actor:
    return Actor(tenant or new_id(), new_id(), "clinician", ())


class Nodes:
    """Processes that share one Valkey."""

    def __init__(self, stack: AsyncExitStack, url: str) -> None:
        self._stack = stack
        self.url = url

    async def add(self, policy: Policy, url: str = "", **changes: Any) -> RateLimits:
        given: dict[str, Any] = {"timeout": 1.0, "rest": 0.05, **changes}
        cache = Valkey(ValkeySettings(url or self.url, **given))
        await cache.open()
        self._stack.push_async_callback(cache.close)
        node = RateLimits({USUAL: policy}, KEY, Allowances(cache))
        self._stack.push_async_callback(node.close)
        return node


@pytest.fixture
async def nodes(valkey_url: str) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        yield Nodes(stack, valkey_url)


async def let_through(limits: RateLimits, count: int, actor: Actor, where: str | None = NETWORK) -> int:
    """How many of so many requests pass."""
    return sum([(await limits.spend(USUAL, where, actor)).refusal is None for _ in range(count)])


# -- at the door


def limited(rates: RateLimits) -> Door:
    async def done(_: Call) -> Answer:
        return Answer(204)

    def endpoint(path: str, *, public: bool = False, rate: str | None = USUAL) -> Endpoint:
        return Endpoint("GET", path, done, "Do", "Things", answers={204: None}, public=public, rate=rate)

    table = (endpoint("/private"), endpoint("/public", public=True), endpoint("/free", public=True, rate=None))
    return Door(cast("Any", Held()), authenticate, Pages(table, (), "1").endpoints, limits=Limits(rates=rates))


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    policy = Policy(address=Rate.of(0.01, 6), user=Rate.of(0.01, 3), tenant=Rate.of(0.01, 100))
    async with serving(limited(RateLimits({USUAL: policy}, KEY))) as base, httpx.AsyncClient(base_url=base) as client:
        yield client


GOOD = {"authorization": "Bearer good"}


async def test_answers_tell_the_limits_and_what_is_left(http: httpx.AsyncClient):
    first, second = [await http.get("/private", headers=GOOD) for _ in range(2)]
    assert first.headers["ratelimit-policy"] == '"address";q=6;w=600, "user";q=3;w=300, "tenant";q=100;w=10000'
    assert first.headers["ratelimit"] == '"user";r=2;t=100'
    assert second.headers["ratelimit"] == '"user";r=1;t=200'
    assert "ratelimit" not in (await http.get("/free")).headers


async def test_one_too_many_is_told_when_to_come_back(http: httpx.AsyncClient):
    for _ in range(3):
        assert (await http.get("/private", headers=GOOD)).status_code == 204
    refused = await http.get("/private", headers=GOOD)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
    assert 99 <= int(refused.headers["retry-after"]) <= 100
    assert refused.headers["ratelimit"].startswith('"user";r=0;t=')
    assert (await http.get("/public")).status_code == 204, "the limit of the person is not that of the address"


async def test_asking_on_does_not_make_the_wait_longer(http: httpx.AsyncClient):
    for _ in range(3):
        await http.get("/private", headers=GOOD)
    waits = [int((await http.get("/private", headers=GOOD)).headers["retry-after"]) for _ in range(20)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] <= 100


async def test_credentials_that_are_none_count_against_their_address(http: httpx.AsyncClient):
    answers = [await http.get("/private", headers={"authorization": "Bearer bad"}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 6 + [429]
    assert (await http.get("/free")).status_code == 204


async def test_a_class_of_operations_has_buckets_of_its_own():
    limits = RateLimits({USUAL: Policy(address=Rate(SECOND, 1)), "login": Policy(address=Rate(SECOND, 1))}, KEY)
    for policy in (USUAL, "login"):
        assert (await limits.spend(policy, NETWORK, USER)).refusal is None
        assert (await limits.spend(policy, NETWORK, USER)).refusal is not None
    with pytest.raises(KeyError):
        await limits.spend("unknown", NETWORK, USER)


async def test_a_clinic_may_have_another_limit_than_the_others():
    usual, large, unlimited = (new_id() for _ in range(3))
    policy = Policy(tenant=Rate.of(0.01, 2), tenants={large: Rate.of(0.01, 5), unlimited: None})
    limits = RateLimits({USUAL: policy}, KEY)
    passed = {
        tenant: sum([await let_through(limits, 1, person(tenant)) for _ in range(9)]) for tenant in (usual, large, unlimited)
    }
    assert passed == {usual: 2, large: 5, unlimited: 9}


async def test_what_one_limit_refuses_takes_nothing_from_the_others(nodes: Nodes):
    policy = Policy(user=Rate.of(0.01, 1), tenant=Rate.of(0.01, 4))
    for limits in (RateLimits({USUAL: policy}, KEY), await nodes.add(policy)):
        tenant, greedy = new_id(), new_id()
        assert await let_through(limits, 20, Actor(tenant, greedy, "clinician", ())) == 1
        assert sum([await let_through(limits, 1, person(tenant)) for _ in range(5)]) == 3


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_what_one_household_has(host: str, counted: str):
    assert network(host) == counted


async def test_strangers_by_the_thousand_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MOST_BUCKETS", 10)
    limits = RateLimits({USUAL: Policy(address=SLOW)}, KEY)
    for number in range(1000):
        await limits.spend(USUAL, str(number), USER)
    assert len(limits._buckets) == 10


# -- one process beside a model


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2 * SECOND)), max_size=120))
def test_each_caller_is_held_to_their_own_limit_and_all_to_that_of_the_clinic(asked: Sequence[tuple[int, int]]):
    now, tenant = 1, new_id()
    people = [Actor(tenant, new_id(), "clinician", ()) for _ in range(4)]
    user, clinic = Rate(SECOND, 3), Rate(SECOND // 2, 8)
    levels = {**{one.id: float(user.window) for one in people}, tenant: float(clinic.window)}
    limits = RateLimits({USUAL: Policy(user=user, tenant=clinic)}, KEY, now=lambda: now)

    async def play() -> None:
        nonlocal now
        for who, pause in asked:
            now += pause
            for id_, level in levels.items():
                levels[id_] = min((clinic if id_ == tenant else user).window, level + pause)
            one = people[who]
            expected = levels[one.id] >= user.interval and levels[tenant] >= clinic.interval
            assert ((await limits.spend(USUAL, None, one)).refusal is None) == expected
            if expected:
                levels[one.id] -= user.interval
                levels[tenant] -= clinic.interval

    asyncio.run(play())


# -- many processes


async def test_a_small_allowance_is_shared_to_the_last_one(nodes: Nodes):
    policy = Policy(address=Rate.of(0.01, SHARE - 1))
    both, actor = [await nodes.add(policy) for _ in range(2)], person()
    passed = await asyncio.gather(*(let_through(both[number % 2], 1, actor) for number in range(60)))
    assert sum(passed) == SHARE - 1


async def test_processes_share_an_allowance_but_for_a_small_share_each(nodes: Nodes):
    several, actor = [await nodes.add(Policy(user=SLOW)) for _ in range(3)], person()
    passed = sum([await let_through(several[number % 3], 1, actor) for number in range(300)])
    assert SLOW.burst <= passed <= SLOW.burst + 3 * (SLOW.burst // SHARE)


async def test_what_one_process_let_through_the_others_hear_of(nodes: Nodes):
    here, there, actor = await nodes.add(Policy(user=SLOW)), await nodes.add(Policy(user=SLOW)), person()
    assert await let_through(here, 100, actor) == SLOW.burst

    async def refused_there() -> bool:
        return await let_through(there, 1, actor) == 0

    await eventually_async(refused_there)


async def test_a_usual_request_asks_nobody(nodes: Nodes):
    limits, actor = await nodes.add(Policy(user=Rate.of(100, 1000), address=Rate.of(500, 5000))), person()
    asked: Any = module.SETTLEMENTS.labels("shared")
    before = asked._value.get()
    for _ in range(1000 // SHARE - 1):
        spending = limits.spend(USUAL, NETWORK, actor)
        with pytest.raises(StopIteration):
            spending.send(None)  # ends without ever having waited
    assert asked._value.get() == before


async def test_nothing_in_valkey_says_who_asked(nodes: Nodes, valkey_url: str):
    limits, actor = await nodes.add(Policy(user=Rate.of(0.01, 2), address=Rate.of(0.01, 2), tenant=Rate.of(0.01, 2))), person()
    await let_through(limits, 1, actor)
    client: Any = valkey.Valkey.from_url(valkey_url)  # pyright: ignore[reportUnknownMemberType]
    with client:
        keys = [key.decode() for key in client.keys("*")]
        values = [client.get(key).decode() for key in keys]
        lifetimes = [client.ttl(key) for key in keys]
    assert len(keys) == 3
    told = " ".join(keys + values)
    assert not any(secret in told for secret in (NETWORK, str(actor.id), actor.id.hex, str(actor.tenant), actor.tenant.hex))
    assert all(0 < lifetime <= 200 for lifetime in lifetimes)


# -- without Valkey


@pytest.mark.parametrize("trouble", [Proxy.cut, Proxy.hang, Proxy.refuse], ids=["cut", "hang", "refuse"])
async def test_with_valkey_away_each_process_holds_the_limit_alone_and_at_once(nodes: Nodes, valkey_url: str, trouble: Any):
    with Proxy.to_valkey(valkey_url) as proxy:
        limits = await nodes.add(Policy(user=SLOW), proxy.valkey_url(valkey_url), timeout=0.1, rest=0.3)
        actor = person()
        assert await let_through(limits, 10, actor) == 10
        trouble(proxy)
        before = monotonic()
        assert await let_through(limits, 200, actor) == SLOW.burst - 10
        assert monotonic() - before < 1, "each request waited for the same nothing"
        proxy.resume()

        async def shared_again() -> bool:
            newcomer, other = person(), await nodes.add(Policy(user=Rate.of(0.01, 1)))
            tight = RateLimits({USUAL: Policy(user=Rate.of(0.01, 1))}, KEY, limits._allowances)
            return await let_through(tight, 1, newcomer) == 1 and await let_through(other, 1, newcomer) == 0

        await eventually_async(shared_again)
        assert await let_through(limits, 5, actor) == 0, "what was taken alone is not given again"


async def test_clocks_that_differ_make_no_difference(nodes: Nodes):
    ahead, actor = await nodes.add(Policy(user=SLOW)), person()
    behind = RateLimits({USUAL: Policy(user=SLOW)}, KEY, ahead._allowances, now=lambda: 5)
    passed = sum([await let_through((ahead, behind)[number % 2], 1, actor) for number in range(200)])
    await behind.close()
    assert SLOW.burst <= passed <= SLOW.burst + 2 * (SLOW.burst // SHARE)
