"""The door itself: finds the operation, gives every request its ids, turns every failure into a problem, counts and logs."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from keepwell.kernel import seen
from keepwell.kernel.http import observe
from keepwell.kernel.http.body import ClientGoneError
from keepwell.kernel.http.call import Answer
from keepwell.kernel.http.coding import Coder
from keepwell.kernel.http.cookies import Authenticator, Credentials
from keepwell.kernel.http.endpoint import Endpoint, ErrorShape, Operation
from keepwell.kernel.http.exchange import Exchange, InFlight
from keepwell.kernel.http.origins import Origins, preflight
from keepwell.kernel.http.rates import RateLimits
from keepwell.kernel.http.render import problem, send_answer
from keepwell.kernel.http.routing import Paths, Secrets
from keepwell.kernel.http.socket import NOWHERE, OpenSocket, Socket
from keepwell.kernel.problems import INTERNAL, METHOD_NOT_ALLOWED, NOT_FOUND, OVERLOADED, Refusal, Refused

if TYPE_CHECKING:
    from keepwell.kernel.service import Kernel

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]
CLIENT_GONE = 499
"""The status logged when the caller hung up before an answer; nothing is sent."""


class Resource:
    """All operations on one path."""

    def __init__(self, path: str, operations: dict[str, Operation]) -> None:
        self.path = path
        self._operations = operations
        get = operations.get("GET")
        if get is not None:
            operations.setdefault("HEAD", get)
        methods = sorted({*operations, "OPTIONS"})
        self._allow = ", ".join(methods)
        asked = (header.name for operation in operations.values() for header in operation.endpoint.headers)
        self._preflight = preflight(methods, asked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["keepwell.exchange"]
        exchange.route = self.path
        operation = self._operations.get(exchange.method)
        if operation is not None:
            if operation.endpoint.deprecated is not None:
                exchange.more = operation.endpoint.deprecated.headers
            if exchange.shed and not operation.endpoint.vital:
                raise Refused(Refusal(OVERLOADED, retry_after=1))
            await operation(scope, receive, send)
        elif exchange.method == "OPTIONS":
            allowed = exchange.origins is not None and exchange.origins.allows(exchange.headers)
            await send_answer(Answer(204, None, {"allow": self._allow, **(self._preflight if allowed else {})}), send)
        else:
            raise _NotAllowed(self._allow)


class _NotAllowed(Refused):
    """Says which methods would be."""

    def __init__(self, allow: str) -> None:
        super().__init__(Refusal(METHOD_NOT_ALLOWED))
        self.headers = {"allow": allow}


class Limits(msgspec.Struct, frozen=True):
    """Of requests in flight at once, beyond which only vital routes answer; of the usual body, in bytes.

    `origins` are those whose web pages may call, besides the server's own. `rates` is how much callers may ask; None: anything.
    """

    in_flight: int = 1000
    body: int = 1_000_000
    origins: tuple[str, ...] = ()
    rates: RateLimits | None = None


class Door:
    """The ASGI application.

    `outages` maps exceptions that mean "a part we need is down" to the refusal the caller gets; anything else that
    escapes a handler is a bug and becomes 500 `internal-error`. `shapes` maps the beginnings of paths to what makes an answer of
    a refusal there, where that is not a problem document.
    """

    def __init__(
        self,
        kernel: "Kernel",
        credentials: Credentials | Authenticator,
        endpoints: Iterable[Endpoint],
        *,
        outages: Callable[[Exception], Refusal | None] = lambda _: None,
        lifespan: Lifespan | None = None,
        sockets: Iterable[Socket] = (),
        shapes: Mapping[str, ErrorShape] = {},
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self.endpoints = tuple(endpoints)
        self._outages = outages
        self._shapes = tuple(shapes.items())
        self._origins = Origins(limits.origins) if limits.origins else None
        self._kernel = kernel
        self._max_in_flight = limits.in_flight
        self._in_flight = InFlight()
        self._paths = Paths[Resource]()
        coder = Coder()
        credentials = credentials if isinstance(credentials, Credentials) else Credentials(credentials)

        def operation(endpoint: Endpoint) -> Operation:
            return Operation(endpoint, kernel, credentials, coder, limits.body, limits.rates)

        for resource in _resources(self.endpoints, operation):
            self._paths.add(resource.path, resource)
        self._secrets = Secrets((each.path, each.conceals) for each in self.endpoints if each.conceals is not None)
        self._sockets = Paths[OpenSocket]()
        for socket in sockets:
            self._sockets.add(socket.path, OpenSocket(socket, kernel, credentials, limits.rates))
        self._nowhere: tuple[OpenSocket, dict[str, str]] = (OpenSocket(NOWHERE, kernel, credentials), {})
        self._lifespan = Router(lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "websocket":
            socket, path = self._sockets.find(scope["path"]) or self._nowhere
            await socket.serve(scope, path, receive, send)
        elif kind != "http":
            await self._lifespan(scope, receive, send)
        else:
            exchange = scope["keepwell.exchange"] = Exchange(scope, send, self._kernel.positions, self._in_flight)
            exchange.origins = self._origins
            exchange.shed = self._in_flight.count > self._max_in_flight
            observe.begin(exchange)
            flags = seen.begin()
            try:
                await self._answer(exchange, scope, receive)
            finally:
                exchange.leave()
                observe.finish(exchange)
                if flags.seen:
                    flags.tell(self._kernel.tally, failed=exchange.status >= 500)

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        try:
            resource, scope["path_params"] = self._found(scope["path"])
            await resource(scope, receive, exchange.send)
        except Refused as refused:
            headers = {"idempotency-replayed": "true"} if refused.replayed else refused.headers
            await self._refuse(exchange, scope, refused.refusal, headers)
        except ClientGoneError:
            exchange.status = CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - the last place where a bug can become an answer
            refusal = self._outages(error)
            if refusal is None:
                observe.record_bug(exchange.route, exchange.request_id, exchange.trace_id, error)
                refusal = Refusal(INTERNAL)
            await self._refuse(exchange, scope, refusal)

    def _found(self, path: str) -> tuple[Resource, dict[str, str]]:
        found = self._paths.find(path)
        if found is None:
            raise Refused(Refusal(NOT_FOUND))
        return found

    async def _refuse(self, exchange: Exchange, scope: Scope, refusal: Refusal, headers: Mapping[str, str] | None = None) -> None:
        if exchange.status:
            return  # the answer has begun: the server sees that it is not whole and closes the connection
        exchange.close = b"expect" in exchange.headers  # a body we never asked for may or may not follow
        path: str = scope["path"]
        shape = next((shape for prefix, shape in self._shapes if path == prefix or path.startswith(prefix + "/")), problem)
        answer = shape(refusal, self._secrets.concealed(path) or address(scope), exchange.request_id)
        answer.headers.update(headers or {})
        await send_answer(answer, exchange.send)


def address(scope: Scope) -> str:
    """The path as the caller wrote it, percent-encoded, without the query."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw is not None else scope["path"]


def _resources(endpoints: tuple[Endpoint, ...], operation: Callable[[Endpoint], Operation]) -> list[Resource]:
    """One resource a path, with all operations on it."""
    paths: dict[str, dict[str, Operation]] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(endpoint.path, {})
        if endpoint.method in operations:
            raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
        operations[endpoint.method] = operation(endpoint)
    return [Resource(path, operations) for path, operations in paths.items()]
