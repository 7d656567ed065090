"""WebSockets at the door, spoken to by a client that is not ours."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import structlog
from prometheus_client import REGISTRY
from websockets.asyncio.client import ClientConnection, connect

from keepwell.kernel.http import Credentials, DisconnectedError, Door, Socket, SocketCall, connection
from keepwell.kernel.problems import Refusal
from tests.kernel.http.conftest import ENDPOINTS, Filter, Held, authenticate
from tests.support.http_server import serving
from tests.support.waiting import eventually_async

ROUTE = "/v1/things/{id}/room"
ROOM = "/v1/things/01890a5d-ac96-774b-bcce-b302099a8057/room"
SECRET = "secret-canary-value"


async def echo(call: SocketCall) -> None:
    """Says what it knows, then everything it hears."""
    await call.send(f"{call.id} {call.query.limit} {call.origin.door} {call.request_id}")
    while True:
        said = await call.receive()
        if said == "explode":
            raise KeyError(SECRET)
        if said == "enough":
            await call.close(1000, "as you wish")
        await call.send(said if isinstance(said, str) else str(len(said)))


async def flood(call: SocketCall) -> None:
    """Sends for as long as somebody takes it, and counts."""
    held = cast("Any", call.kernel)
    while True:
        await call.send("x" * 100_000)
        held.sent += 1


async def refuse(call: SocketCall, refusal: Refusal) -> None:
    await call.close(4000 + refusal.type.status, refusal.code)


SOCKETS = (
    Socket(ROUTE, echo, refuse, "A room that answers", query=Filter),
    Socket("/v1/flood", flood, refuse, "A room that does not stop"),
)


class Sent(Held):
    sent = 0


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
async def url(sent: Sent) -> AsyncIterator[str]:
    async with serving(Door(cast("Any", sent), authenticate, ENDPOINTS, sockets=SOCKETS)) as base:
        yield base.replace("http", "ws")


def talk(address: str, **more: Any) -> connect:
    return connect(address, proxy=None, **more)


async def end(socket: ClientConnection) -> tuple[int | None, str | None]:
    """The code and reason that the server closes with; 1006 when it only breaks."""
    async with asyncio.timeout(5):
        await socket.wait_closed()
    return socket.close_code, socket.close_reason


def closed(route: str, *codes: object) -> float:
    """How many connections have ended with one of these codes."""
    name = "keepwell_http_sockets_closed_total"
    return sum(REGISTRY.get_sample_value(name, {"route": route, "code": str(code)}) or 0 for code in codes)


async def counted(count: float, route: str, *codes: object) -> None:
    """Waits until so many have."""

    async def reached() -> bool:
        return closed(route, *codes) == count

    await eventually_async(reached)


async def test_a_handler_gets_id_query_and_ids_and_the_handshake_tells_the_request_id(url: str):
    async with talk(f"{url}{ROOM}?limit=7", additional_headers={"X-Request-ID": "room-1"}) as socket:
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "room-1"
        assert "server" not in socket.response.headers
        assert await socket.recv() == "01890a5d-ac96-774b-bcce-b302099a8057 7 websocket room-1"
        await socket.send("hello")
        assert await socket.recv() == "hello"
        await socket.send(b"bytes")
        assert await socket.recv() == "5"


async def test_a_request_id_that_is_none_is_replaced(url: str):
    async with talk(f"{url}{ROOM}", additional_headers={"X-Request-ID": "not one"}) as socket:
        assert socket.response is not None
        assert len(socket.response.headers["x-request-id"]) == 36


@pytest.mark.parametrize(
    "path", ["/", "/v1/things", ROOM + "/more", "/v1/things/01890a5d-ac96-774b-bcce-b302099a8057", "/v1//room"]
)
async def test_where_nothing_is_the_handshake_succeeds_and_the_close_says_so(url: str, path: str):
    before = closed("unmatched", 4404)
    async with talk(f"{url}{path}") as socket:
        assert socket.response is not None
        assert len(socket.response.headers["x-request-id"]) == 36
        assert await end(socket) == (4404, "not-found")
    await counted(before + 1, "unmatched", 4404)


@pytest.mark.parametrize(
    ("path", "end_of_it"),
    [
        ("/v1/things/zebra/room", (4404, "not-found")),
        (f"{ROOM}?limi=3", (4400, "invalid-parameter")),
        (f"{ROOM}?limit=0", (4400, "invalid-parameter")),
        (f"{ROOM}?cursor=%ff", (4400, "invalid-parameter")),
    ],
)
async def test_what_the_door_refuses_the_socket_tells_in_its_own_way(url: str, path: str, end_of_it: tuple[int, str]):
    async with talk(f"{url}{path}") as socket:
        assert await end(socket) == end_of_it


async def test_a_bug_closes_with_1011_and_tells_only_the_log_where(url: str):
    before = closed(ROUTE, 1011)
    with structlog.testing.capture_logs() as lines:
        async with talk(f"{url}{ROOM}", additional_headers={"X-Request-ID": "room-2"}) as socket:
            await socket.send("explode")
            assert await end(socket) == (1011, "internal-error")
        await counted(before + 1, ROUTE, 1011)
    bug = next(line for line in lines if line["event"] == "http.bug")
    assert (bug["error"], bug["route"], bug["request_id"]) == ("KeyError", ROUTE, "room-2")
    assert SECRET not in str(lines)


async def test_each_end_is_counted_by_its_code_and_logged_without_the_address(url: str):
    before = closed(ROUTE, 1000), closed(ROUTE, 1001)
    with structlog.testing.capture_logs() as lines:
        async with talk(f"{url}{ROOM}?cursor=zebra", additional_headers={"X-Request-ID": "room-3"}) as socket:
            assert REGISTRY.get_sample_value("keepwell_http_sockets") == 1
            await socket.send("enough")
            assert await end(socket) == (1000, "as you wish")
        async with talk(f"{url}{ROOM}") as socket:
            await socket.close(1001)
        await counted(before[1] + 1, ROUTE, 1001)
    assert closed(ROUTE, 1000) == before[0] + 1
    line = next(line for line in lines if line["event"] == "http.socket")
    assert (line["route"], line["status"], line["request_id"], len(line["trace_id"])) == (ROUTE, 1000, "room-3", 32)
    assert "zebra" not in str(lines)
    assert REGISTRY.get_sample_value("keepwell_http_sockets") == 0


async def test_what_anybody_may_invent_as_a_code_is_one_series(url: str):
    before = closed(ROUTE, "other")
    for code in (3999, 4999):
        async with talk(f"{url}{ROOM}") as socket:
            await socket.close(code)
    await counted(before + 2, ROUTE, "other")


async def test_a_message_of_a_million_bytes_is_taken_and_a_larger_one_ends_the_connection(url: str):
    async with talk(f"{url}{ROOM}", max_size=None) as socket:
        await socket.recv()
        await socket.send(b"x" * 1_000_000)
        assert await socket.recv() == "1000000"
        await socket.send(b"x" * 1_000_001)
        code, _ = await end(socket)
        assert code == 1009


async def test_messages_are_never_compressed_however_much_a_client_would_like_it(url: str):
    async with talk(f"{url}{ROOM}") as socket:
        assert socket.request is not None
        assert socket.response is not None
        assert "permessage-deflate" in socket.request.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


async def test_a_connection_may_be_silent_for_longer_than_a_request(url: str, monkeypatch: pytest.MonkeyPatch):
    for name in ("HEAD_SECONDS", "BODY_SECONDS"):
        monkeypatch.setattr(connection, name, 0.05)
    async with talk(f"{url}{ROOM}") as socket:
        await socket.recv()
        await asyncio.sleep(0.2)  # the silence itself, not a wait for anything
        await socket.send("still here")
        assert await socket.recv() == "still here"


async def test_who_does_not_read_is_not_sent_more_than_the_wire_holds(url: str, sent: Sent):
    """And its end is seen although it reads nothing."""
    before = closed("/v1/flood", 1005, 1006)
    host, port = url.removeprefix("ws://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1)
    head = "GET /v1/flood HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    writer.write(f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    still = -1
    async with asyncio.timeout(10):
        while sent.sent == 0 or still != sent.sent:
            still = sent.sent
            await asyncio.sleep(0.1)  # the time in which it would have sent more
    assert 0 < still < 1000
    writer.transport.abort()
    await counted(before + 1, "/v1/flood", 1005, 1006)


async def test_a_disconnected_call_can_be_closed_and_sent_to_no_more() -> None:
    """As the server tells it: the closing handshake was the other side's."""
    messages: list[Any] = [{"type": "websocket.disconnect", "code": 1001}]
    told: list[Any] = []

    async def receive() -> Any:
        return messages.pop()

    async def send(message: Any) -> None:
        told.append(message)

    scope: dict[str, Any] = {"headers": [], "scheme": "wss"}
    call = SocketCall(cast("Any", Held()), Credentials(authenticate), scope, {}, "websocket", receive, send)
    assert call.secure
    with pytest.raises(DisconnectedError):
        await call.receive()
    with pytest.raises(DisconnectedError):
        await call.send("too late")
    await call.close(1000)
    assert (told, call.code) == ([], 1001)
