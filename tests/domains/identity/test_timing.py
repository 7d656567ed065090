"""Nobody can tell by the time of a refused login whether there is such an account.

Argon2 is set to cost next to nothing, so that what it would hide is seen. Tries of two kinds are made by turns, in pairs, and
compared by rank: how often the one took longer than the other. Even kinds are near one half, whatever else the machine does; the
control shows that two look-ups more would not be.
"""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter

import pytest

from keepwell.domains.identity import DefenceSettings, Settings
from keepwell.domains.identity.errors import INVALID_CREDENTIALS
from keepwell.domains.identity.models import ChangeUser, User
from keepwell.domains.identity.service import hashing
from keepwell.domains.identity.store import Account
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope, Origin, Refused
from keepwell.kit.ids import new_id
from tests.domains.identity.conftest import ORIGIN, PASSWORD, Node, make_node
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls

WRONG = "a wrong password"
PAIRS = 60
BOUND = 0.25
"""How far from one half the share of pairs may lie. By chance alone they stray so far about once in ten thousand times."""

BEST_OF = 3
"""Tries that count as one, the quickest: whatever else the machine does only makes one longer."""

Try = Callable[[], Awaitable[None]]


class Gate:
    """A node in front of which nobody is ever held up, a clinic, and people of every kind."""

    def __init__(self, node: Node, slug: str, other: str) -> None:
        self.node = node
        self.slug = slug
        self.other = other

    def trying(self, name: str, password: str = WRONG, clinic: str | None = None) -> Try:
        """A try that is refused. An unknown address is another one each time."""

        async def attempt() -> None:
            email = f"{name if name != 'unknown' else new_id().hex}@{self.slug}.test"
            computed = self.node.identity.hashing.computed
            with pytest.raises(Refused) as refused:
                await self.node.identity.logins.login(email, password, clinic or self.slug, ORIGIN)
            assert refused.value.refusal.type == INVALID_CREDENTIALS
            assert self.node.identity.hashing.computed == computed + 1

        return attempt


async def populated(node: Node) -> Gate:
    clinic = await node.tenants.ensure(f"c{new_id().hex}", "A clinic", ORIGIN)
    other = await node.tenants.ensure(f"o{new_id().hex}", "Another", ORIGIN)
    gate = Gate(node, clinic.slug, other.slug)
    for name, password in (("known", PASSWORD), ("disabled", PASSWORD), ("passwordless", None)):
        email = f"{name}@{clinic.slug}.test"
        user = await node.identity.users.create_user(clinic.id, email, name, "clinician", password, ORIGIN)
        if name == "disabled":
            change = ChangeUser(user.id, active=False)
            await node.identity.users.change(Envelope(change, operator(clinic.id), ORIGIN, if_match=user.version), change)
    return gate


@pytest.fixture
async def cheap(
    database_urls: DatabaseUrls, manual_clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Awaitable[Node]]]:
    """Makes nodes whose hashes cost next to nothing."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 8)
    monkeypatch.setattr(hashing, "PASSES", 1)
    made: list[Node] = []

    async def make() -> Node:
        made.append(await make_node(database_urls.app, manual_clock, Settings(defence=DefenceSettings(10**6, 10**6))))
        return made[-1]

    yield make
    for node in made:
        await node.close()


@pytest.fixture
async def gate(cheap: Callable[[], Awaitable[Node]]) -> Gate:
    return await populated(await cheap())


async def timed(attempt: Try, times: int = BEST_OF) -> float:
    """Seconds that the quickest took."""
    quickest = float("inf")
    for _ in range(times):
        started = perf_counter()
        await attempt()
        quickest = min(quickest, perf_counter() - started)
    return quickest


async def share_longer(first: Try, second: Try, pairs: int = PAIRS) -> float:
    """In what share of pairs the first kind took longer than the second; their order changes from pair to pair."""
    longer = 0
    gc.collect()
    for number in range(pairs):
        if number % 2:
            other, one = await timed(second), await timed(first)
        else:
            one, other = await timed(first), await timed(second)
        longer += one > other
    return longer / pairs


@pytest.mark.parametrize(
    ("name", "password", "elsewhere"),
    [
        ("unknown", WRONG, False),
        ("known", "", False),
        ("known", PASSWORD, True),
        ("disabled", PASSWORD, False),
        ("passwordless", WRONG, False),
    ],
    ids=["unknown address", "empty password", "another clinic", "disabled", "no password"],
)
async def test_a_refusal_takes_as_long_as_that_of_a_wrong_password(gate: Gate, name: str, password: str, elsewhere: bool):  # noqa: FBT001
    usual = gate.trying("known")
    compared = gate.trying(name, password, gate.other if elsewhere else None)
    for _ in range(10):
        await usual()
        await compared()
    assert abs(await share_longer(usual, compared) - 0.5) < BOUND


async def test_a_process_that_has_never_seen_the_clinic_takes_no_longer_for_who_is_there(
    cheap: Callable[[], Awaitable[Node]],
):
    elsewhere, fresh = await cheap(), await cheap()
    gates = [Gate(fresh, made.slug, made.other) for made in [await populated(elsewhere) for _ in range(60)]]
    await gates[0].trying("unknown")()
    longer = 0
    for number, gate in enumerate(gates):
        kinds = [gate.trying("known"), gates[number - 1].trying("unknown", clinic=gate.slug)]
        if number % 2:
            unknown, known = await timed(kinds[1], 1), await timed(kinds[0], 1)
        else:
            known, unknown = await timed(kinds[0], 1), await timed(kinds[1], 1)
        longer += known > unknown
    assert abs(longer / len(gates) - 0.5) < BOUND + 0.1


async def test_two_look_ups_more_for_who_is_there_would_be_seen(gate: Gate, monkeypatch: pytest.MonkeyPatch):
    logins = gate.node.identity.logins
    look_up = logins._user

    async def thorough(account: Account | None, origin: Origin) -> User | None:
        if account is not None:
            await look_up(account, origin)
            await look_up(account, origin)
        return await look_up(account, origin)

    monkeypatch.setattr(logins, "_user", thorough)
    assert await share_longer(gate.trying("known"), gate.trying("unknown")) > 0.5 + BOUND
