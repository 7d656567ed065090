"""WebSockets at the door: found by path like any operation, with the same ids, counted and logged the same way.

A refusal is told after the handshake, by a close code: a browser shows its page nothing of a handshake that was refused.
"""

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from starlette.types import Receive, Scope, Send

from keepwell.kernel.envelope import Actor, Origin
from keepwell.kernel.http import headers as header
from keepwell.kernel.http import observe
from keepwell.kernel.http.call import ANONYMOUS
from keepwell.kernel.http.cookies import CookieSession, Credentials
from keepwell.kernel.http.query import QueryReader
from keepwell.kernel.http.rates import USUAL, RateLimits, network
from keepwell.kernel.http.routing import path_id
from keepwell.kernel.problems import NOT_FOUND, Refusal, Refused
from keepwell.kit.ids import NIL

if TYPE_CHECKING:
    from keepwell.kernel.service import Kernel

GONE = 1006
"""What is logged as close code of a connection that ended without one (RFC 6455, 7.4.1)."""
INTERNAL = 1011
ABORT = "keepwell.abort"
"""Where the server puts what ends a connection at once."""
NOTHING_HERE = 4404


class DisconnectedError(Exception):
    """The other side is gone, or we closed."""


class SocketCall:
    """One connection, accepted. `id` is the `{id}` of the path; `query` an instance of the struct that the socket declares.

    `session` is what a cookie proved, where one did.
    """

    def __init__(
        self,
        kernel: "Kernel",
        credentials: Credentials,
        scope: Scope,
        path: Mapping[str, str],
        door: str,
        receive: Receive,
        send: Send,
        rates: RateLimits | None = None,
    ) -> None:
        self.kernel = kernel
        self.session: CookieSession | None = None
        self._credentials = credentials
        self.path = path
        self.headers = header.scan(scope["headers"])
        self.address: str = (scope.get("client") or ("",))[0]
        self.secure: bool = scope.get("scheme") == "wss"
        self.request_id = header.request_id(self.headers)
        self.traceparent = header.traceparent(self.headers)
        self.id: UUID = NIL
        self.query: Any = None
        self.code = GONE
        self.abort: Callable[[], None] = scope.get(ABORT, _nothing)
        """Ends the connection without waiting for anything to get through."""
        self._door = door
        self._rates = rates
        self._receive = receive
        self._send = send
        self._closed = False

    @property
    def origin(self) -> Origin:
        """Where what is asked through this connection comes from."""
        return Origin(self._door, self.request_id, self.traceparent, address=self.address)

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    async def count(self, actor: Actor, network: str | None = None) -> None:
        """Counts one request against the limits of this actor, and of this network.

        Raises:
            Refused: `rate-limited`.
        """
        if self._rates is not None:
            standing = await self._rates.spend(USUAL, network, actor)
            if standing.refusal is not None:
                raise Refused(standing.refusal)

    async def accept(self) -> None:
        """Finishes the handshake.

        Raises:
            DisconnectedError: the other side has gone already.
        """
        await self._receive()
        try:
            await self._send({"type": "websocket.accept", "headers": [(b"x-request-id", self.request_id.encode("ascii"))]})
        except OSError:
            raise DisconnectedError from None

    def in_browser(self) -> CookieSession | None:
        """The session that a page of this server opened it with; from then on `session`. Raises `Refused`: unauthenticated."""
        self.session = self._credentials.in_socket(self.headers, secure=self.secure)
        return self.session

    async def note_use(self) -> None:
        """Notes that the session is used, where a cookie proved it and that was not noted for a while.

        Raises:
            Refused: it is over, or that cannot be noted now.
        """
        cookies = self._credentials.cookies
        if cookies is not None and self.session is not None and self.kernel.clock.now() >= self.session.renew_at:
            self.session = await cookies.renew(self.session, self.origin)

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            DisconnectedError: there will be none.
        """
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            if not self._closed:
                self.code = message.get("code") or GONE
                self._closed = True
            raise DisconnectedError
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def send(self, text: str) -> None:
        """Sends one message; waits while the other side does not read.

        Raises:
            DisconnectedError: nobody is there to read it.
        """
        if self._closed:
            raise DisconnectedError
        try:
            await self._send({"type": "websocket.send", "text": text})
        except OSError:
            raise DisconnectedError from None

    async def close(self, code: int, reason: str = "") -> None:
        """Ends the connection, if it is open. `reason` is at most 123 bytes long (RFC 6455, 5.5)."""
        if self._closed:
            return
        self._closed, self.code = True, code
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError:
            return


def _nothing() -> None:
    """Where there is no connection of ours below."""


class Socket(msgspec.Struct, frozen=True):
    """One kind of connection. `path` is as that of an endpoint, `query` a struct that forbids unknown fields.

    `refuse` tells a refusal of the door's own to the other side, and closes.
    """

    path: str
    handler: Callable[[SocketCall], Awaitable[None]]
    refuse: Callable[[SocketCall, Refusal], Awaitable[None]]
    summary: str
    query: type[Any] | None = None
    door: str = "websocket"


class OpenSocket:
    """A socket ready to serve."""

    def __init__(self, socket: Socket, kernel: "Kernel", credentials: Credentials, rates: RateLimits | None = None) -> None:
        self.socket = socket
        self._kernel = kernel
        self._credentials = credentials
        self._rates = rates
        self._query = QueryReader(socket.query)
        self._has_id = "{id}" in socket.path

    async def serve(self, scope: Scope, path: Mapping[str, str], receive: Receive, send: Send) -> None:
        """Serves one connection to its end. Whatever escapes the handler is a bug: logged, and closed with 1011."""
        call = SocketCall(self._kernel, self._credentials, scope, path, self.socket.door, receive, send, self._rates)
        started = perf_counter()
        observe.begin_socket(call.request_id, call.trace_id)
        try:
            await call.accept()
            await self._converse(call, scope)
        except DisconnectedError:
            pass
        except Exception as error:  # noqa: BLE001 - the last place where a bug can become an end in order
            observe.record_bug(self.socket.path, call.request_id, call.trace_id, error)
            await call.close(INTERNAL, "internal-error")
        finally:
            observe.finish_socket(self.socket.path, call.code, perf_counter() - started, call.request_id, call.trace_id)

    async def _converse(self, call: SocketCall, scope: Scope) -> None:
        client: tuple[str, int] | None = scope.get("client")
        try:
            await call.count(ANONYMOUS, None if client is None else network(client[0]))
            if self._has_id:
                call.id = path_id(call.path)
            call.query = self._query.read(scope["query_string"])
        except Refused as refused:
            await self.socket.refuse(call, refused.refusal)
            return
        await self.socket.handler(call)


async def _nothing_here(call: SocketCall, _: Refusal | None = None) -> None:
    await call.close(NOTHING_HERE, NOT_FOUND.code)


NOWHERE = Socket("unmatched", _nothing_here, _nothing_here, "What answers where there is no socket")
