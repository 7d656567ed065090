"""One request and its answer on the wire: ids, timing, and the headers every answer carries."""

from time import perf_counter

from starlette.types import Message, Scope, Send

from keepwell.kernel.http import headers as header
from keepwell.kernel.http.origins import Origins
from keepwell.kernel.http.safety import SAFETY, SAFETY_NAMES, SAFETY_OVER_TLS
from keepwell.kernel.position import Positions


class InFlight:
    """How many requests are being served, those that go on for as long as their caller wants not counted."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Exchange:
    """What is known about one request while it is served. `route` is the template, never the address with its values.

    `shed`: more is in flight than the process can carry. `close`: the connection ends after the answer.
    `leave` stops counting it among those in flight. `more` are headers that every answer of the operation carries.
    `positions` makes the tokens that sessions carry, where replicas may answer them; `position` is this session's.
    `origins` are those whose pages may call, where there are any. `address` is the caller's, as trusted proxies tell it.
    """

    __slots__ = (
        "_in_flight",
        "_send",
        "address",
        "close",
        "headers",
        "method",
        "more",
        "named_itself",
        "origins",
        "position",
        "positions",
        "request_id",
        "route",
        "secure",
        "shed",
        "started",
        "status",
        "traceparent",
    )

    def __init__(self, scope: Scope, send: Send, positions: Positions | None = None, in_flight: InFlight | None = None) -> None:
        self._send = send
        self._in_flight = in_flight
        if in_flight is not None:
            in_flight.count += 1
        self.started = perf_counter()
        self.method: str = scope["method"]
        self.address: str = (scope.get("client") or ("",))[0]
        self.headers = header.scan(scope["headers"])
        self.named_itself = b"x-request-id" in self.headers
        self.request_id = header.request_id(self.headers)
        self.traceparent = header.traceparent(self.headers)
        self.route = "unmatched"
        self.status = 0
        self.shed = False
        self.close = False
        self.more: tuple[tuple[bytes, bytes], ...] = ()
        self.origins: Origins | None = None
        self.secure = scope.get("scheme") == "https"
        self.positions = positions
        self.position = None if positions is None else positions.read(header.positions(self.headers))

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return perf_counter() - self.started

    def leave(self) -> None:
        """It is not, or no longer, one of those in flight."""
        if self._in_flight is not None:
            self._in_flight.count -= 1
            self._in_flight = None

    async def send(self, message: Message) -> None:
        """Passes a message on; the first one gets the headers that every answer carries."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[tuple[bytes, bytes]] = message["headers"]
            own = {name for name, _ in headers} & SAFETY_NAMES
            headers.append((b"x-request-id", self.request_id.encode("ascii")))
            safety = SAFETY_OVER_TLS if self.secure else SAFETY
            headers.extend(safety if not own else (pair for pair in safety if pair[0] not in own))
            headers.extend(self.more)
            if self.origins is not None:
                headers.extend(self.origins.answer(self.headers))
            if self.positions is not None and self.position is not None and self.position.touched:
                headers.extend(header.position(self.positions.token(self.position), secure=self.secure))
            if self.close:
                headers.append((b"connection", b"close"))
        await self._send(message)
