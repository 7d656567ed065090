"""Sessions that a browser holds in a cookie: nothing to refresh, and no token that a script could read.

The cookie names tenant, session, person and role under a MAC, so that reading one is pure computation; whether the session still
lives is the kernel's question, as for a token. From time to time its use is noted, and the idle limit counts from then on.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from keepwell.domains.identity.models import ContinueSession, Role, SessionLimits, SessionView
from keepwell.domains.identity.rules.people import SCOPES, compartment
from keepwell.domains.identity.service.login import LoggedIn
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Refusal, Refused
from keepwell.kernel.http import CookieSession
from keepwell.kernel.problems import NOT_FOUND, UNAUTHENTICATED

_MAC_KEY = "keepwell session cookie v1"
_PREFIX = "kwc_"
_MAC_BYTES = 32
_LONGEST = 512
_SKEW_SECONDS = 10
_NOTED_IN_IDLE = 4
"""How often at least the use of a session is noted within its idle limit."""


class _Content(msgspec.Struct, frozen=True, array_like=True):
    """`noted` is when its use was noted, `until` when the session ends at the latest, in seconds since 1970."""

    tenant: UUID
    session: UUID
    user: UUID
    role: Role
    noted: int
    until: int


_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_decode = msgspec.msgpack.Decoder(_Content).decode


class CookieService:
    """Makes, reads and renews session cookies. `noted` is after how many seconds at most a use is noted again."""

    def __init__(self, kernel: Kernel, limits: SessionLimits, noted: int) -> None:
        self._kernel = kernel
        self._absolute = limits.absolute
        self.idle = limits.idle
        self._noted = timedelta(seconds=min(noted, limits.idle / _NOTED_IN_IDLE))

    def begin(self, logged_in: LoggedIn) -> str:
        """The cookie of a session that began just now."""
        now = int(self._kernel.clock.now().timestamp())
        user = logged_in.user
        return self._sealed(_Content(logged_in.clinic.id, logged_in.session_id, user.id, user.role, now, now + self._absolute))

    def read(self, value: str) -> CookieSession:
        """The session that a cookie proves.

        Raises:
            Refused: unauthenticated.
        """
        raw = _unarmoured(value)
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise _unauthenticated("The session cookie is not one of ours.")
        content, now = _decode(body), self._kernel.clock.now().timestamp()
        if content.until <= now or content.noted > now + _SKEW_SECONDS:
            raise _unauthenticated("The session is over.")
        return self._presented(content, value)

    async def renew(self, session: CookieSession, origin: Origin) -> CookieSession:
        """Notes that the session is used, with the role that its person has now.

        Raises:
            Refused: `unauthenticated`: it is over, or just ended; or that cannot be noted now.
        """
        actor, until = session.actor, int(session.until.timestamp())
        id_ = actor.credential
        if id_ is None:
            raise _unauthenticated("The session is over.")
        # The cookie itself says who acts: its MAC is ours, and nothing but this one session can be touched with it.
        keeper = Actor(actor.tenant, actor.id, "session", ("system/Session.u",))
        [outcome] = await self._kernel.execute([Envelope(ContinueSession(id_), keeper, origin)])
        if outcome.refusal is not None:
            gone = outcome.refusal.type == NOT_FOUND
            raise _unauthenticated("The session is over.") if gone else Refused(outcome.refusal)
        view = msgspec.json.decode(outcome.body, type=SessionView)
        if view.ended_at is not None:
            raise _unauthenticated("The session is over.")
        noted = int(self._kernel.clock.now().timestamp())
        content = _Content(actor.tenant, id_, actor.id, view.role, noted, until)
        return self._presented(content, self._sealed(content))

    def _presented(self, content: _Content, value: str) -> CookieSession:
        role, user = content.role, content.user
        actor = Actor(content.tenant, user, role, SCOPES[role], content.session, compartment(user, role))
        noted, until = (datetime.fromtimestamp(at, UTC) for at in (content.noted, content.until))
        return CookieSession(actor, value, until, noted + self._noted)

    def _sealed(self, content: _Content) -> str:
        body = _encode(content)
        return _PREFIX + urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._kernel.ring.derive(_MAC_KEY), body, hashlib.sha256)


def _unarmoured(text: str) -> bytes:
    body = text.removeprefix(_PREFIX)
    if len(body) == len(text) or len(body) > _LONGEST or not body.isascii():
        return b""
    try:
        return urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (Base64Error, ValueError):
        return b""


def _unauthenticated(detail: str) -> Refused:
    return Refused(Refusal(UNAUTHENTICATED, detail))
