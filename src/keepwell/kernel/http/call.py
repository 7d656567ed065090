"""One request as a handler sees it, and the answer a handler gives."""

from collections.abc import AsyncIterator, Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Actor, Command, Envelope, Origin, Outcome
from keepwell.kernel.http.cookies import CookieSession, require_own_page, setting
from keepwell.kernel.http.headers import authority
from keepwell.kernel.problems import Refused
from keepwell.kit.ids import NIL

if TYPE_CHECKING:
    from keepwell.kernel.service import Kernel

ANONYMOUS = Actor(tenant=NIL, id=NIL, role="anonymous", scopes=())
"""Who calls a public route: nobody, in no clinic, allowed nothing."""


class Call:
    """One request, parsed: everything in it has been checked for form, nothing for permission.

    `id` is the `{id}` of the path (`NIL` on paths without one), `path` every path parameter as text.
    `query` and `body` are instances of the structs the endpoint declares, `pairs` the parameters as sent where it reads them
    itself, and those of a form in the body after them. `tags_known` are the entity tags of what the caller already has, as if
    strong: the door itself turns a match into 304. `session` is what a cookie proved, where one did. `usual_limit` is the bytes
    most bodies may have. `secure`: it came encrypted. `content` is the body as it was sent, where the endpoint says that it is
    signed. `network` is where it comes from: the address, of IPv6 the /64; never stored nor logged.
    `stream` is the body as it comes in and `media` its content type, where the endpoint takes uploads.
    `abort` ends the connection without waiting for anything to get through.
    """

    __slots__ = (
        "abort",
        "actor",
        "body",
        "content",
        "id",
        "idempotency_key",
        "if_match",
        "kernel",
        "media",
        "network",
        "origin",
        "pairs",
        "path",
        "query",
        "raw_headers",
        "secure",
        "session",
        "stream",
        "tags_known",
        "usual_limit",
    )

    def __init__(
        self,
        kernel: "Kernel",
        actor: Actor,
        origin: Origin,
        raw_headers: Mapping[bytes, bytes],
        path: Mapping[str, str],
    ) -> None:
        self.kernel = kernel
        self.actor = actor
        self.origin = origin
        self.raw_headers = raw_headers
        self.path = path
        self.id: UUID = NIL
        self.query: Any = None
        self.pairs: tuple[tuple[str, str], ...] = ()
        self.body: Any = None
        self.content = b""
        self.stream: AsyncIterator[bytes] = _nothing()
        self.media = ""
        self.if_match: int | None = None
        self.tags_known: tuple[str, ...] = ()
        self.idempotency_key: str | None = None
        self.usual_limit = 0
        self.abort: Callable[[], None] = lambda: None
        self.secure = False
        self.session: CookieSession | None = None
        self.network: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The request headers by lower-case name."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.raw_headers.items()}

    @property
    def base(self) -> str:
        """The scheme and authority that the caller addressed, such as `https://clinic.example`; empty where it named none."""
        host = authority(self.raw_headers)
        return "" if host is None else f"{'https' if self.secure else 'http'}://{host.decode('ascii')}"

    def cookie(self, value: str | None) -> dict[str, str]:
        """The header that gives the browser that asks its session, or takes it away.

        Raises:
            Refused: `https-required`; `forbidden`, because a page of another origin asks.
        """
        require_own_page(self.raw_headers, secure=self.secure, safe=True)
        return {"set-cookie": setting(self.raw_headers, secure=self.secure, value=value)}

    def envelope(self, command: Command, *, merge: bool = False) -> Envelope:
        return Envelope(command, self.actor, self.origin, self.if_match, self.idempotency_key, merge)

    async def execute(self, command: Command, *, merge: bool = False) -> Outcome:
        """Runs one command. With `merge`, a change made from an older version is merged, if the command can be.

        Raises:
            Refused: the command was not carried out.
        """
        [outcome] = await self.kernel.execute([self.envelope(command, merge=merge)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal, replayed=outcome.replayed)
        return outcome


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


class Fixed:
    """Bytes that stay the same as long as the process lives: `tag` names them, and each coding of them is made once."""

    __slots__ = ("coded", "content", "tag")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.tag = f'"{sha256(content).hexdigest()[:32]}"'
        self.coded: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self.content)


class Answer(msgspec.Struct):
    """What goes back: a struct is sent as JSON, bytes as they are, an iterator part by part as it comes, None as no body.

    `cookies` are set besides what `headers` may set.
    """

    status: int = 200
    body: bytes | Fixed | msgspec.Struct | AsyncIterator[bytes] | None = None
    headers: dict[str, str] = {}
    content_type: str = "application/json"
    cookies: tuple[str, ...] = ()


def answer(outcome: Outcome, status: int = 200, location: str | None = None) -> Answer:
    """The aggregate an outcome left behind, what the caller is told besides, and its ETag; a replayed outcome says so."""
    headers = {"etag": f'"{outcome.version}"'}
    if location is not None:
        headers["location"] = location
    if outcome.replayed:
        headers["idempotency-replayed"] = "true"
    return Answer(status, outcome.shown, headers)
