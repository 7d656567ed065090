"""The door itself: finds the operation, gives every request its ids, turns every failure into a problem, counts and logs."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Router
from starlette.types import Receive, Scope, Send

from keepwell.kernel.http import observe
from keepwell.kernel.http.body import ClientGoneError
from keepwell.kernel.http.call import Answer
from keepwell.kernel.http.endpoint import Authenticator, Endpoint, Operation
from keepwell.kernel.http.exchange import Exchange
from keepwell.kernel.http.render import problem, send_answer
from keepwell.kernel.http.routing import Paths
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
        self._allow = ", ".join(sorted({*operations, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["keepwell.exchange"]
        exchange.route = self.path
        operation = self._operations.get(exchange.method)
        if operation is not None:
            if exchange.shed and not operation.endpoint.vital:
                raise Refused(Refusal(OVERLOADED, retry_after=1))
            await operation(scope, receive, send)
        elif exchange.method == "OPTIONS":
            await send_answer(Answer(204, None, {"allow": self._allow}), send)
        else:
            refused = problem(Refusal(METHOD_NOT_ALLOWED), address(scope), exchange.request_id)
            refused.headers["allow"] = self._allow
            await send_answer(refused, send)


class Door:
    """The ASGI application. At most `max_in_flight` requests are served at once; beyond that only vital routes answer.

    `body_limit` is the usual one, in bytes. `mounts` are further applications, such as sockets, behind all endpoints.
    `outages` maps exceptions that mean "a part we need is down" to the refusal the caller gets; anything else that
    escapes a handler is a bug and becomes 500 `internal-error`.
    """

    def __init__(
        self,
        kernel: "Kernel",
        authenticate: Authenticator,
        endpoints: Iterable[Endpoint],
        *,
        outages: Callable[[Exception], Refusal | None] = lambda _: None,
        lifespan: Lifespan | None = None,
        mounts: Sequence[BaseRoute] = (),
        max_in_flight: int = 1000,
        body_limit: int = 1_000_000,
    ) -> None:
        self.endpoints = tuple(endpoints)
        self._outages = outages
        self._positions = kernel.positions
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._paths = Paths[Resource]()
        for resource in _resources(self.endpoints, lambda endpoint: Operation(endpoint, kernel, authenticate, body_limit)):
            self._paths.add(resource.path, resource)
        self._router = Router(mounts, redirect_slashes=False, default=_nothing_here, lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        exchange = scope["keepwell.exchange"] = Exchange(scope, send, self._positions)
        exchange.shed = self._in_flight >= self._max_in_flight
        self._in_flight += 1
        observe.begin(exchange)
        try:
            await self._answer(exchange, scope, receive)
        finally:
            self._in_flight -= 1
            observe.finish(exchange)

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        try:
            found = self._paths.find(scope["path"])
            if found is not None:
                resource, scope["path_params"] = found
                await resource(scope, receive, exchange.send)
            else:
                await self._router(scope, receive, exchange.send)
        except Refused as refused:
            await _refuse(exchange, scope, refused.refusal, replayed=refused.replayed)
        except ClientGoneError:
            exchange.status = CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - the last place where a bug can become an answer
            refusal = self._outages(error)
            if refusal is None:
                observe.record_bug(exchange, error)
                refusal = Refusal(INTERNAL)
            await _refuse(exchange, scope, refusal)


def address(scope: Scope) -> str:
    """The path as the caller wrote it, percent-encoded, without the query."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw is not None else scope["path"]


async def _refuse(exchange: Exchange, scope: Scope, refusal: Refusal, *, replayed: bool = False) -> None:
    if exchange.status:
        return  # the answer has begun: the server sees that it is not whole and closes the connection
    exchange.close = b"expect" in exchange.headers  # a body we never asked for may or may not follow
    answer = problem(refusal, address(scope), exchange.request_id)
    if replayed:
        answer.headers["idempotency-replayed"] = "true"
    await send_answer(answer, exchange.send)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4404})
        return
    raise Refused(Refusal(NOT_FOUND))


def _resources(endpoints: tuple[Endpoint, ...], operation: Callable[[Endpoint], Operation]) -> list[Resource]:
    """One resource a path, with all operations on it."""
    paths: dict[str, dict[str, Operation]] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(endpoint.path, {})
        if endpoint.method in operations:
            raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
        operations[endpoint.method] = operation(endpoint)
    return [Resource(path, operations) for path, operations in paths.items()]
