"""The HTTP/1.1 connection under the door: uvicorn's, with bounds on what a caller may send before it is understood."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from keepwell.kernel.http import observe
from keepwell.kernel.http.call import Answer
from keepwell.kernel.http.errors import BAD_REQUEST, HEADERS_TOO_LARGE, REQUEST_TIMEOUT
from keepwell.kernel.http.render import problem
from keepwell.kernel.http.safety import SAFETY
from keepwell.kernel.http.socket import ABORT
from keepwell.kernel.problems import ProblemType, Refusal
from keepwell.kit.ids import new_id

HEAD_BYTES = 32_768
HEAD_SECONDS = 15.0
BODY_SECONDS = 20.0
BODY_BYTES = 40_000
DISCARD_BYTES = 64_000_000
DISCARD_SECONDS = 30.0
SOCKET_MESSAGE_BYTES = 1_000_000


class Together:
    """One request's side of a transport: lets the head of the answer wait for the first part of the body.

    uvicorn writes them one after the other; together they take one system call, one segment, and one waking of the caller.
    A head whose body does not follow at once leaves at the next turn of the loop.
    """

    __slots__ = ("_began", "_head", "_loop", "_sending", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._began = False
        self._head = b""
        self._sending: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
            self._transport.writelines((self._head, data))
        elif self._began or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        else:
            self._began = True
            self._head = data
            self._sending = self._loop.call_soon(self._send)

    def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send(self) -> None:
        self._sending = None
        self._transport.write(self._head)


class Connection(HttpToolsProtocol):
    """One connection. A head (request line and headers) is at most `HEAD_BYTES` and takes at most `HEAD_SECONDS`.
    Of a body at least `BODY_BYTES` come in every `BODY_SECONDS`, unless it is we who do not read on.

    What still arrives of a body after its request was answered is thrown away, so that the caller can read the answer
    (closing at once would reset the connection under it), but only `DISCARD_BYTES` of it and for `DISCARD_SECONDS`.
    """

    _in_head = False
    _in_body = False
    _head_bytes = 0
    _discarded = 0
    _body_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._arm(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._head_bytes = len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            if self._head_bytes > HEAD_BYTES:
                self._refuse(HEADERS_TOO_LARGE)
            elif self._deadline is None:
                self._arm(HEAD_SECONDS, self._too_slow)
        elif self._in_body and self._deadline is None:
            self._arm(BODY_SECONDS, self._watch_body)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._disarm()
        if self._head_bytes > HEAD_BYTES and len(self.url) + sum(len(n) + len(v) for n, v in self.headers) > HEAD_BYTES:
            self._refuse(HEADERS_TOO_LARGE)
            return
        self._in_body = True
        earlier = self.cycle
        super().on_headers_complete()
        if self.cycle is not earlier:  # made just now, its task has not run yet; an upgrade makes none
            self.cycle.scope[ABORT] = self.transport.abort  # pyright: ignore[reportGeneralTypeIssues] - a key of ours
            self.cycle.transport = Together(self.transport, self.loop)  # pyright: ignore[reportAttributeAccessIssue]

    def on_body(self, body: bytes) -> None:
        if self.transport.is_closing():
            return
        if self.cycle.response_complete:
            self._discard(len(body))
            return
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.transport.is_closing():
            return
        self._in_body = False
        self._discarded = self._body_bytes = 0
        if self._deadline is not None:
            self._disarm()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's words may quote what was sent
        if not self.transport.is_closing():
            self._refuse(BAD_REQUEST)

    def _discard(self, size: int) -> None:
        if self._discarded == 0:
            self._disarm()
            self._arm(DISCARD_SECONDS, self.transport.close)
        self._discarded += size
        if self._discarded > DISCARD_BYTES:
            self.transport.close()

    def _too_slow(self) -> None:
        """Ends a head that does not end, or a connection nobody ever used."""
        self.transport.close()

    def _watch_body(self) -> None:
        """Looks back on the last `BODY_SECONDS` of a body."""
        enough = self._body_bytes >= BODY_BYTES or self.flow.read_paused
        self._body_bytes = 0
        if enough:
            self._arm(BODY_SECONDS, self._watch_body)
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._refuse(REQUEST_TIMEOUT)

    def _arm(self, seconds: float, then: Callable[[], object]) -> None:
        self._deadline = self.loop.call_later(seconds, then)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, kind: ProblemType) -> None:
        """Answers what cannot become a request, and ends the connection."""
        request_id = str(new_id())
        observe.count_unreadable(kind.status, request_id)
        self.transport.write(_raw(problem(Refusal(kind), "/", request_id), request_id, self.server_state.default_headers))
        self.transport.close()


class SocketConnection(WebSocketsSansIOProtocol):
    """One WebSocket connection (RFC 6455): uvicorn's, which can also be ended without waiting for what does not get through."""

    async def run_asgi(self) -> None:
        self.scope[ABORT] = self.transport.abort  # pyright: ignore[reportGeneralTypeIssues] - a key of ours
        await super().run_asgi()


def configured(app: Any, **more: Any) -> uvicorn.Config:
    """How any server of ours is set up: with these connections, without words of uvicorn's own in answers and logs.

    A WebSocket message has at most `SOCKET_MESSAGE_BYTES`. Messages are never compressed: one connection carries what several
    people write, in one context, which besides would take some hundred kilobytes for each of them.
    """
    return uvicorn.Config(
        app,
        http=Connection,
        ws=SocketConnection,
        ws_max_size=SOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        **more,
    )


def _raw(answer: Answer, request_id: str, usual: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of an answer that no request led to. `usual` is what the server puts on every answer, such as the date."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    own = (
        (b"content-type", answer.content_type.encode("ascii")),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("ascii")),
        (b"connection", b"close"),
    )
    head = b"".join(b"%s: %s\r\n" % pair for pair in (*usual, *own, *SAFETY))
    return STATUS_LINE[answer.status] + head + b"\r\n" + body
