"""The table of the HTTP door: one `Endpoint` says all about one operation; server and document are both made from it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.types import Receive, Scope, Send

from keepwell.kernel.envelope import Actor, Origin
from keepwell.kernel.http import headers as header
from keepwell.kernel.http.body import check_form_type, check_media_type, check_upload_type, decode, read_body, stream_body
from keepwell.kernel.http.call import ANONYMOUS, Answer, Call
from keepwell.kernel.http.coding import Coder, negotiated
from keepwell.kernel.http.cookies import CookieSession, Credentials, carried
from keepwell.kernel.http.deprecation import Deprecation
from keepwell.kernel.http.exchange import Exchange
from keepwell.kernel.http.query import QueryReader, parse_pairs
from keepwell.kernel.http.rates import USUAL, RateLimits, network
from keepwell.kernel.http.render import finish, not_modified, send_answer, send_head, send_while_wanted
from keepwell.kernel.http.routing import path_id
from keepwell.kernel.http.socket import ABORT
from keepwell.kernel.problems import ProblemType, Refusal, Refused, decided

if TYPE_CHECKING:
    from keepwell.kernel.service import Kernel


class RequestHeader(msgspec.Struct, frozen=True):
    """A header that an operation reads besides the usual ones, for the document. `pattern` is empty where anything goes."""

    name: str
    description: str
    pattern: str = ""


class Example(msgspec.Struct, frozen=True):
    """What the document shows of an operation: a body that can be sent, and what its first success carries, or any like it.

    `problems` are refusals whose documents hold more than every problem does.
    """

    body: Any = None
    answer: Any = None
    problems: tuple[Refusal, ...] = ()


ErrorShape = Callable[[Refusal, str, str], Answer]
"""Makes an answer of a refusal, the path as the caller wrote it, and the request's id."""


class RefusalForm(msgspec.Struct, frozen=True):
    """What an operation's refusals look like in the document: content type, shape, and who makes them."""

    media: str
    shape: type[Any]
    made: ErrorShape


FORM = "application/x-www-form-urlencoded"
"""The content type of bodies that are parameters, as in a query string."""


class Endpoint(msgspec.Struct, frozen=True):
    """One operation of the HTTP door.

    `path` may hold parameters as whole segments, such as `/v1/responses/{id}`; `{id}` has to be a UUID and arrives as `Call.id`.
    `body` and `query` are structs that forbid unknown fields; without `body_required`, no body at all is an empty object.
    `answers` maps each status of success to what it carries.
    `problems` lists the types beyond those that every route of its shape can have.
    `public`: works without credentials. `guarded`: `If-Match` is required. `idempotent`: the write takes `Idempotency-Key`.
    `etag`: the answer carries its version; of a read, `If-None-Match` turns an equal one into 304.
    `parts`: the body keeps parts raw, and the handler decodes each by itself. `signed`: the handler checks a signature over the
    body as it was sent, and finds it in `Call.content`.
    `hot` marks what most requests ask for. `vital` keeps it answering while others are shed under overload.
    `body_limit` is in bytes; None: the door's usual one. `media` is the content type of answers that are not JSON, `takes` that
    of bodies.
    `uploads` are the content types of bodies that the handler takes from `Call.stream` as they come in, in place of `body`.
    `conceals` names the parameter of the path that is a credential: no problem tells it.
    `door` is what journal and access records call the way in. `pairs`: parameters may be repeated and carry modifiers, so the
    handler reads them itself from `Call.pairs`; `query` then only describes them, and so does `body` where the operation takes a
    `FORM`. `streams`: the answer goes on until its caller leaves; its body is closed (`aclose`) then, whether it was begun or
    not. `headers` are read besides the usual ones. `deprecated`: every answer says until when it will be there, and what
    replaces it.
    `compressed`: its answers may be, because they hold no credential, and no text of people who need no account to write it
    (docs/decisions/0012). None: nobody has decided, and they are not.
    `rate` is the policy of limits that requests count under; None: they are not limited.
    `example` is for the document, which has one wherever something is carried. `refused_as`: see `RefusalForm`; who makes them so
    is the door's `shapes`.
    """

    method: str
    path: str
    handler: Callable[[Call], Awaitable[Answer]]
    summary: str
    tag: str
    body: type[Any] | None = None
    body_required: bool = True
    query: type[Any] | None = None
    answers: Mapping[int, Any] = msgspec.field(default_factory=lambda: {200: None})
    problems: tuple[ProblemType, ...] = ()
    public: bool = False
    body_limit: int | None = None
    hot: bool = False
    etag: bool = False
    idempotent: bool = True
    guarded: bool = False
    vital: bool = False
    parts: bool = False
    signed: bool = False
    media: str = "application/json"
    takes: str = "application/json"
    uploads: tuple[str, ...] = ()
    conceals: str | None = None
    door: str = "http"
    pairs: bool = False
    streams: bool = False
    headers: tuple[RequestHeader, ...] = ()
    deprecated: Deprecation | None = None
    compressed: bool | None = None
    rate: str | None = USUAL
    example: Example = Example()
    refused_as: RefusalForm | None = None

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")


class Operation:
    """An endpoint ready to serve: an ASGI application with its decoders made beforehand.

    It raises `Refused` for whatever it refuses; the door around it makes the problem document.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        kernel: "Kernel",
        credentials: Credentials,
        coder: Coder,
        usual_limit: int,
        rates: RateLimits | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._kernel = kernel
        self._credentials = credentials
        self._coder = coder
        self._rates = rates
        self._compresses = endpoint.compressed and not endpoint.streams
        self._query = QueryReader(None if endpoint.pairs else endpoint.query)
        self._takes_form = endpoint.takes == FORM
        takes_json = endpoint.body is not None and not self._takes_form
        self._decoder = msgspec.json.Decoder(endpoint.body) if takes_json else None
        self._body_limit = endpoint.body_limit or usual_limit
        self._usual_limit = usual_limit
        self._has_id = "{id}" in endpoint.path
        self._takes_key = endpoint.writes and endpoint.idempotent
        self._refuses_body = endpoint.writes and endpoint.body is None and not endpoint.uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope["keepwell.exchange"]
        origin = Origin(
            self.endpoint.door, exchange.request_id, exchange.traceparent, position=exchange.position, address=exchange.address
        )
        actor, session = await self._admitted(exchange, scope, origin)
        call = Call(self._kernel, actor, origin, exchange.headers, scope["path_params"])
        call.session = session
        await self._read(call, scope, receive)
        answer = await self.endpoint.handler(call)
        if call.session is not None and "set-cookie" not in answer.headers:
            answer.headers = {**answer.headers, **_handed_on(call, call.session)}
        coding = negotiated(answer, call.raw_headers) if self._compresses else None
        if call.tags_known and not_modified(answer, call.tags_known):
            answer = Answer(304, None, answer.headers, cookies=answer.cookies)
        elif coding is not None:
            await self._coder.compress(answer, coding)
        if self.endpoint.streams:
            await self._stream(answer, scope, receive, send)
        else:
            await send_answer(answer, send)

    async def _stream(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        scope["keepwell.exchange"].leave()
        try:
            if scope["method"] == "HEAD":
                await send_head(answer, send)
                await send({"type": "http.response.body", "body": b""})
            else:
                await send_while_wanted(answer, receive, send)
        finally:
            if isinstance(answer.body, AsyncIterator):
                await finish(answer.body)

    async def _admitted(self, exchange: Exchange, scope: Scope, origin: Origin) -> tuple[Actor, CookieSession | None]:
        """Who asks, counted against the limits, and the session of theirs that a cookie proved, where one did.

        Credentials that are none count too: against their address.
        """
        try:
            who = await self._presented(exchange)
        except Refused:
            await self._count(exchange, scope, ANONYMOUS)
            raise
        actor = who if isinstance(who, Actor) else who.actor
        await self._count(exchange, scope, actor)
        return actor, None if isinstance(who, Actor) else await self._noted(who, origin)

    async def _count(self, exchange: Exchange, scope: Scope, actor: Actor) -> None:
        if self._rates is None or self.endpoint.rate is None:
            return
        standing = await self._rates.spend(self.endpoint.rate, caller(scope), actor)
        exchange.more += standing.headers
        if standing.refusal is not None:
            raise Refused(standing.refusal)

    async def _read(self, call: Call, scope: Scope, receive: Receive) -> None:
        """Everything else that the request says."""
        exchange: Exchange = scope["keepwell.exchange"]
        headers = exchange.headers
        call.usual_limit = self._usual_limit
        call.abort = scope.get(ABORT, call.abort)
        call.secure = exchange.secure
        call.network = caller(scope)
        if self._has_id:
            call.id = path_id(call.path)
        if self.endpoint.pairs:
            call.pairs = parse_pairs(scope["query_string"])
        else:
            call.query = self._query.read(scope["query_string"])
        if b"if-match" in headers:
            call.if_match = header.if_match(headers)
        if b"if-none-match" in headers and not self.endpoint.writes:
            call.tags_known = header.if_none_match(headers)
        if self._takes_key:
            call.idempotency_key = header.idempotency_key(headers)
        await self._take_body(call, headers, receive)

    async def _take_body(self, call: Call, headers: Mapping[bytes, bytes], receive: Receive) -> None:
        if self._decoder is not None:
            call.body, content = await self._body(headers, receive, self._decoder)
            if self.endpoint.signed:
                call.content = content
        elif self._takes_form:
            call.pairs += await self._form(headers, receive)
        elif self.endpoint.uploads:
            call.media = check_upload_type(headers, self.endpoint.uploads)
            call.stream = stream_body(receive, headers, self._body_limit)
        elif self._refuses_body and (b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"):
            await self._nothing(headers, receive)

    async def _presented(self, exchange: Exchange) -> Actor | CookieSession:
        """What the request proves of who asks."""
        if self.endpoint.public:
            return ANONYMOUS
        safe = not self.endpoint.writes
        return await decided(partial(self._credentials.presented, exchange.headers, secure=exchange.secure, safe=safe))

    async def _noted(self, session: CookieSession, origin: Origin) -> CookieSession:
        """The session, its use noted where it was not for a while."""
        cookies = self._credentials.cookies
        due = cookies is not None and self._kernel.clock.now() >= session.renew_at
        return await cookies.renew(session, origin) if cookies is not None and due else session

    async def _body(
        self, headers: Mapping[bytes, bytes], receive: Receive, decoder: msgspec.json.Decoder[Any]
    ) -> tuple[Any, bytes]:
        typed = b"content-type" in headers
        if typed:
            check_media_type(headers)
        body = await read_body(receive, headers, self._body_limit)
        if body and not typed:
            check_media_type(headers)
        if not body and not self.endpoint.body_required:
            body = b"{}"
        return decode(body, decoder, parts=self.endpoint.parts), body

    async def _form(self, headers: Mapping[bytes, bytes], receive: Receive) -> tuple[tuple[str, str], ...]:
        body = await read_body(receive, headers, self._body_limit)
        if body:
            check_form_type(headers)
        return parse_pairs(body)

    async def _nothing(self, headers: Mapping[bytes, bytes], receive: Receive) -> None:
        """Takes no body or an empty object: what somebody says in another one must not be lost without a word."""
        body = await read_body(receive, headers, self._body_limit)
        if body:
            check_media_type(headers)
            decode(body, _NOTHING)


def _handed_on(call: Call, session: CookieSession) -> dict[str, str]:
    """The header for the browser whose session was just noted as used: its cookie says so from now on."""
    return {} if session.value == carried(call.raw_headers, secure=call.secure) else call.cookie(session.value)


def caller(scope: Scope) -> str | None:
    """The network a request comes from, by the trusted proxies where it came through any; None where there is none."""
    client: tuple[str, int] | None = scope.get("client")
    return None if client is None else network(client[0])


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


_NOTHING = msgspec.json.Decoder(_Nothing)
