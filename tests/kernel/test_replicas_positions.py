"""The token by which a session carries what it has seen: authentic or ignored, and never less than the session's last answers."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from keepwell.kernel.http import headers
from keepwell.kernel.http.exchange import Exchange
from keepwell.kernel.position import Position, Positions
from tests.support.clock import ManualClock

KEY = bytes(range(32))
NOW = 1_000_000


def made(reached: int, positions: Positions) -> str:
    return positions.token(Position(reached))


@given(st.integers(0, 2**63 - 1))
def test_a_token_brings_its_position_back(reached: int):
    positions = Positions(lambda: KEY, ManualClock())
    assert positions.read([made(reached, positions)]).reached == reached


def test_of_several_the_furthest_and_the_youngest_count(manual_clock: ManualClock):
    positions = Positions(lambda: KEY, manual_clock, timedelta(seconds=10))
    old = made(500, positions)
    manual_clock.advance(seconds=20)
    young = made(300, positions)
    read = positions.read([young, old])
    assert (read.reached, read.settled) == (500, False)
    assert positions.read([old]).settled


def test_without_a_token_only_the_newest_will_do(manual_clock: ManualClock):
    position = Positions(lambda: KEY, manual_clock).read([])
    assert position.floor(NOW) == NOW


def test_a_young_token_may_not_be_the_last_one_so_only_the_newest_will_do(manual_clock: ManualClock):
    """Two answers on their way at once can arrive in the other order, and a cookie keeps only the last to arrive."""
    positions = Positions(lambda: KEY, manual_clock, timedelta(seconds=10))
    token = made(500, positions)
    manual_clock.advance(seconds=9)
    assert positions.read([token]).floor(NOW) == NOW
    manual_clock.advance(seconds=2)
    assert positions.read([token]).floor(NOW) == 500


def test_a_token_from_the_future_is_young(manual_clock: ManualClock):
    """Another machine's clock may be ahead."""
    positions = Positions(lambda: KEY, manual_clock, timedelta(seconds=10))
    manual_clock.advance(seconds=60)
    token = made(500, positions)
    manual_clock.advance(seconds=-60)
    assert not positions.read([token]).settled


def test_after_the_log_went_back_nobody_waits_for_what_is_no_more(manual_clock: ManualClock):
    """A failover or a restore: the primary's log is shorter than what the session saw before."""
    positions = Positions(lambda: KEY, manual_clock, timedelta(seconds=10))
    token = made(2 * NOW, positions)
    manual_clock.advance(seconds=11)
    assert positions.read([token]).floor(NOW) == NOW


@given(st.integers(0, 39), st.sampled_from("ABCabc012-_="))
def test_an_altered_token_is_no_token(place: int, letter: str):
    positions = Positions(lambda: KEY, ManualClock())
    token = made(12345, positions)
    altered = token[:place] + letter + token[place + 1 :]
    if altered != token:
        assert positions.read([altered]).reached == 0


@given(st.text(max_size=60))
def test_anything_else_is_no_token(text: str):
    assert Positions(lambda: KEY, ManualClock()).read([text]).reached == 0


def test_a_token_of_another_installation_is_no_token(manual_clock: ManualClock):
    token = made(500, Positions(lambda: bytes(32), manual_clock))
    assert Positions(lambda: KEY, manual_clock).read([token]).reached == 0


def test_a_position_only_moves_on():
    position = Position(10)
    assert not position.touched
    position.saw(5)
    assert (position.reached, position.touched) == (10, True)
    position.saw(15)
    assert position.reached == 15


@pytest.mark.parametrize(
    ("given_headers", "tokens"),
    [
        ({}, []),
        ({b"x-keepwell-position": b"abc"}, ["abc"]),
        ({b"x-keepwell-position": b"abc, def"}, ["abc", "def"]),
        ({b"cookie": b"a=b; keepwell_position=abc; c=d"}, ["abc"]),
        ({b"cookie": b"keepwell_position=abc, keepwell_position=def"}, ["abc", "def"]),
        ({b"cookie": b"not_keepwell_position=abc; keepwell_position"}, []),
        ({b"x-keepwell-position": b"abc", b"cookie": b"keepwell_position=def"}, ["abc", "def"]),
    ],
)
def test_tokens_come_in_the_header_and_in_the_cookie(given_headers: dict[bytes, bytes], tokens: list[str]):
    assert headers.positions(given_headers) == tokens


async def answered(positions: Positions | None, *, moved: bool) -> set[bytes]:
    """The names of the headers of an answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    exchange = Exchange({"type": "http", "method": "GET", "headers": []}, send, positions)
    if moved and exchange.position is not None:
        exchange.position.saw(NOW)
    await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
    return {name for name, _ in sent[0]["headers"]}


async def test_an_answer_carries_a_token_where_replicas_answer_and_something_was_seen(manual_clock: ManualClock):
    positions = Positions(lambda: KEY, manual_clock)
    token = {b"x-keepwell-position", b"set-cookie"}
    assert await answered(positions, moved=True) >= token
    assert not await answered(positions, moved=False) & token
    assert not await answered(None, moved=True) & token


@pytest.mark.parametrize("secure", [False, True])
def test_a_token_goes_out_in_both(secure: bool):  # noqa: FBT001 - a case of the test
    sent = dict(headers.position("abc", secure=secure))
    assert sent[b"x-keepwell-position"] == b"abc"
    name, *attributes = sent[b"set-cookie"].split(b"; ")
    assert name == b"keepwell_position=abc"
    assert {b"HttpOnly", b"SameSite=Strict", b"Path=/"} <= set(attributes)
    assert (b"Secure" in attributes) is secure
