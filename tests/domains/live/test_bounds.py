"""What one connection may cost, however it behaves: who is slow, silent, hasty, senseless or huge harms nobody else."""

import asyncio
import contextlib
import json
import random
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from keepwell.domains.live import LiveSettings
from keepwell.domains.live.rules import Pace
from keepwell.domains.live.service.member import Member
from tests.domains.live.conftest import MakeNode, Node
from tests.support.forms import item
from tests.support.live import following, speaking
from tests.support.problems import assert_problem
from tests.support.waiting import eventually_async

SMALL = LiveSettings(beat=0.2, seat=2, backlog=8, backlog_bytes=100_000)


def only_member(node: Node) -> Member:
    [member] = node.live._members()
    return member


@pytest.mark.parametrize("door", ["socket", "stream"])
async def test_a_slow_reader_is_given_a_snapshot_for_what_it_missed_and_memory_stays_bounded(make_node: MakeNode, door: str):
    node = await make_node(SMALL)
    id_ = await node.begin(item("a", "text"), item("b", "text"))
    headers = node.people.acting("slow")
    joined = speaking(node.base, id_, headers, max_queue=1) if door == "socket" else following(node.base, id_, headers)
    async with joined as guest:
        await guest.at(1)
        member, large = only_member(node), "x" * 60_000
        async with guest.pause:
            version = 1
            while not member.lagging:
                assert (await node.patch(id_, version, {"a": large + str(version)})).status_code == 200
                version += 1
                assert version < 500
                assert member._bytes <= SMALL.backlog_bytes + 70_000
        await guest.at(version)
        assert guest.of("snapshot")[1:], "it was told where the response stands, not every step on the way"
        assert guest.versions == sorted(set(guest.versions))
        assert guest.copy is not None
        assert guest.copy["answers"]["a"] == large + str(version - 1)
        assert (await node.patch(id_, version, {"b": "y"})).status_code == 200
        await guest.at(version + 1)
        assert guest.of("changed")[-1]["data"]["version"] == version + 1


@pytest.mark.parametrize("door", ["socket", "stream"])
async def test_who_takes_nothing_for_too_long_is_let_go(make_node: MakeNode, door: str):
    node = await make_node(LiveSettings(beat=0.2, seat=2, backlog=4, stall=0.5))
    id_ = await node.begin(item("a", "text"))
    headers = node.people.acting("stuck")
    joined = speaking(node.base, id_, headers, max_queue=1) if door == "socket" else following(node.base, id_, headers)
    async with joined as guest:
        await guest.at(1)
        async with guest.pause:
            version = 1

            async def gone() -> bool:
                nonlocal version
                if node.live._members():
                    assert (await node.patch(id_, version, {"a": "x" * 100_000 + str(version)})).status_code == 200
                    version += 1
                return not node.live._members()

            await eventually_async(gone, 60)


async def test_who_does_not_read_is_not_listened_to_either(make_node: MakeNode):
    node = await make_node(LiveSettings(backlog=8, pace=1e9, stall=60))
    id_ = await node.begin(item("a", "text"))
    async with speaking(node.base, id_, node.people.acting("shouter"), max_queue=1) as guest:
        await guest.at(1)
        member = only_member(node)
        async with guest.pause:
            wrong = {f"nobody-{number}": "x" for number in range(100)}
            sent, long = 0, json.dumps({"type": "patch", "if_match": 1, "answers": wrong}) + " " * 50_000
            with contextlib.suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(1):
                        await guest.connection.send(long)
                    sent += 1
                    assert len(member._outbox) <= 9
            assert sent > 50, "the connection's own buffers take that much"
        await guest.until(lambda one: len(one.of("problem")) == sent, 60)


async def test_who_says_nothing_is_sent_away_and_a_ping_is_enough_to_stay(make_node: MakeNode):
    node = await make_node(LiveSettings(idle=1.5))
    id_ = await node.begin()
    async with (
        speaking(node.base, id_, node.people.acting("silent")) as silent,
        speaking(node.base, id_, node.people.acting("alive")) as alive,
    ):
        await silent.at(1)
        await alive.at(1)

        async def pinging() -> None:
            while silent.code is None:
                assert (await alive.ask("ping"))["data"]["version"] == 1
                await asyncio.wait([asyncio.create_task(silent.closed())], timeout=0.3)

        await asyncio.wait_for(pinging(), 15)
        assert silent.code == 4408
        assert silent.received[-1]["data"]["code"] == "idle"
        assert alive.code is None


async def test_who_speaks_too_fast_is_sent_away(node: Node):
    id_ = await node.begin()
    async with (
        speaking(node.base, id_, node.people.acting("hasty")) as hasty,
        speaking(node.base, id_, node.people.acting("calm")) as calm,
    ):
        await hasty.at(1)
        await calm.at(1)
        with contextlib.suppress(ConnectionClosed):
            for number in range(10_000):
                await hasty.say("typing", linkId=f"a{number % 7}")
        assert await hasty.closed() == 4429
        assert hasty.received[-1]["data"]["code"] == "too-fast"
        assert (await calm.ask("patch", if_match=1, answers={"a": "x"}))["type"] == "ack"
        assert len(calm.of("typing")) <= 110


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "malformed-json"),
        ("", "malformed-json"),
        ("[]", "invalid-body"),
        ("{}", "invalid-body"),
        ("null", "invalid-body"),
        ('{"type":"shout"}', "invalid-body"),
        ('{"type":7}', "invalid-body"),
        ('{"type":"patch","if_match":1}', "invalid-body"),
        ('{"type":"patch","if_match":1,"answers":{"a":"x"},"more":1}', "invalid-body"),
        ('{"type":"patch","if_match":-1,"answers":{}}', "invalid-body"),
        ('{"type":"patch","if_match":1,"answers":{"nobody":"x"}}', "invalid-answers"),
        ('{"type":"patch","if_match":1,"answers":{"a":"\\u0000"}}', "invalid-body"),
        ('{"type":"patch","answers":{"a":"x"}}', "precondition-required"),
        ('{"type":"typing"}', "invalid-body"),
        ('{"type":"focus","linkId":""}', "invalid-body"),
        ('{"type":"remove-row","row":"1","if_match":1}', "invalid-body"),
        ('{"type":"auth","token":"of nobody"}', "unauthenticated"),
        ("[" * 200_000, "malformed-json"),
        ('{"type":"patch","if_match":1,"answers":{"a":' + "[" * 150 + "]" * 150 + "}}", "malformed-json"),
        (b"\xff\xfe", "malformed-json"),
        (b'{"type":"ping"}', None),
    ],
)
async def test_what_makes_no_sense_is_answered_with_a_problem_and_the_connection_goes_on(
    node: Node, message: str | bytes, code: str | None
):
    id_ = await node.begin()
    async with speaking(node.base, id_, node.people.acting("confused")) as guest:
        await guest.at(1)
        await guest.connection.send(message)
        await guest.until(lambda one: one.of("problem", "ack"))
        answer = guest.of("problem", "ack")[0]
        assert answer["data"].get("code") == code
        if code is not None:
            assert answer["data"].keys() >= {"type", "title", "status", "detail", "instance", "request_id"}
        assert (await guest.ask("patch", if_match=1, answers={"a": "x"}))["data"]["version"] == 2


async def test_a_huge_message_ends_its_connection_and_no_other(node: Node):
    id_ = await node.begin()
    async with (
        speaking(node.base, id_, node.people.acting("huge")) as huge,
        speaking(node.base, id_, node.people.acting("other")) as other,
    ):
        await huge.at(1)
        await other.at(1)
        with contextlib.suppress(ConnectionClosed):
            await huge.connection.send("x" * 3_000_000)
        assert await huge.closed() == 1009
        assert (await other.ask("ping"))["type"] == "ack"


async def test_whatever_bytes_come_nothing_breaks_and_nothing_leaks(node: Node):
    """Frames of random bytes, cut, repeated, in the wrong order, beside somebody who goes on as if nothing were."""
    id_, elsewhere = await node.begin(answers={"a": "Kwsecretq"}), await node.begin(answers={"a": "Kwelsewhereq"})
    rng = random.Random(4)  # noqa: S311 - the same garbage each time
    async with speaking(node.base, id_, node.people.acting("calm")) as calm:
        await calm.at(1)
        for _ in range(40):
            await throw(node, elsewhere, rng)
        assert (await calm.ask("patch", if_match=1, answers={"b": "x"}))["data"]["version"] == 2
        assert "Kwelsewhereq" not in str(calm.received)

    async def empty() -> bool:
        return not node.live._members()

    await eventually_async(empty)


async def throw(node: Node, response: str, rng: random.Random) -> None:
    """One connection that sends garbage after its handshake, or instead of it."""
    host, port = node.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    token = node.people.acting("thrower")["authorization"]
    lines = [
        f"GET /v1/responses/{response}/room HTTP/1.1",
        f"host: {host}",
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        f"authorization: {token}",
    ]
    if rng.random() < 0.2:
        lines.pop(rng.randrange(1, len(lines)))
    frames = bytearray()
    for _ in range(rng.randint(0, 6)):
        body = rng.choice([b'{"type":"ping"}', b'{"type":"patch"', rng.randbytes(rng.randint(0, 200)), b"x" * 70_000])
        mask = rng.randbytes(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
        head = bytes([rng.choice([0x81, 0x82, 0x01, 0x80, 0x89, 0x8A, 0x88, 0xF1, rng.randrange(256)])])
        size = (
            bytes([0x80 | len(body)])
            if len(body) < 126
            else b"\xfe" + len(body).to_bytes(2, "big")
            if len(body) < 65_536
            else b"\xff" + len(body).to_bytes(8, "big")
        )
        frames += head + size + mask + masked
    frames = frames[: rng.randint(0, len(frames))] if rng.random() < 0.3 else frames
    received = b""
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + frames)
        async with asyncio.timeout(0.2):
            await writer.drain()
            while chunk := await reader.read(65_536):
                received += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.transport.abort()
    assert b"internal-error" not in received
    assert b"Internal Server Error" not in received
    assert b"Kwsecretq" not in received


async def test_a_process_holds_so_many_connections_and_no_more(make_node: MakeNode):
    node = await make_node(LiveSettings(connections=1))
    id_ = await node.begin()
    headers = node.people.acting("ann")
    async with speaking(node.base, id_, headers) as first:
        await first.at(1)
        async with speaking(node.base, id_, headers) as second:
            assert await second.closed() == 1013
            assert second.received[-1]["data"]["code"] == "overloaded"
        async with following(node.base, id_, headers) as third:
            assert_problem(third.answer, 503, "overloaded")


async def test_streams_do_not_count_as_requests_in_flight(node: Node):
    id_ = await node.begin()
    async with following(node.base, id_, node.people.acting("ann")) as ann:
        await ann.at(1)
        head = await node.http.head(f"/v1/responses/{id_}/events")
        assert head.status_code == 200
        assert head.headers["content-type"] == "text/event-stream"

        async def one_left() -> bool:
            return len(node.live._members()) == 1

        await eventually_async(one_left)
        gauge = [line for line in (await metrics()).splitlines() if line.startswith("keepwell_http_requests_in_flight")]
        assert gauge


async def metrics() -> str:
    from prometheus_client import REGISTRY, generate_latest  # noqa: PLC0415 - for this look alone

    return generate_latest(REGISTRY).decode()


@pytest.mark.parametrize(
    ("path", "code", "problems"),
    [
        ("/v1/nothing/room", 4404, []),
        ("/v1/responses/not-an-id/room", 4404, ["not-found"]),
        ("/v1/responses/01a21422-0000-7000-8000-000000000000/room", 4404, ["not-found"]),
        ("/v1/responses/01a21422-0000-7000-8000-000000000000/room?what=1", 1008, ["invalid-parameter"]),
    ],
)
async def test_an_unknown_address_is_said_to_be(node: Node, path: str, code: int, problems: list[str]):
    address, headers = f"{node.base.replace('http', 'ws')}{path}", node.people.acting("ann")
    told: list[Any] = []
    async with connect(address, additional_headers=headers, proxy=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                told += [json.loads(message)]
        assert socket.close_code == code
    assert [each["data"]["code"] for each in told] == problems


async def test_a_room_is_no_page(node: Node):
    id_ = await node.begin()
    plain = await node.http.get(f"/v1/responses/{id_}/room")
    assert_problem(plain, 404, "not-found")
    answer: httpx.Response | Any = None
    try:
        async with connect(
            f"{node.base.replace('http', 'ws')}/v1/responses/{id_}/room",
            origin=None,
            subprotocols=None,
            proxy=None,
            additional_headers={"sec-websocket-version": "12"},
        ):
            pass
    except InvalidStatus as refused:
        answer = refused.response
    assert answer is not None
    assert answer.status_code == 400


def test_pace_lets_a_steady_rate_pass_and_twice_as_many_at_once():
    pace = Pace(10, now=0.0)
    assert [pace.allows(0.0) for _ in range(21)] == [True] * 20 + [False]
    assert [pace.allows(1.0) for _ in range(11)] == [True] * 10 + [False]
    assert all(pace.allows(2.0 + number / 10) for number in range(100))
