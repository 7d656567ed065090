"""Tokens: short-lived signed access tokens that any node verifies by itself, and counted refresh tokens.

An access token is a JWT (RFC 9068 shape, RFC 8725 practice): one algorithm, chosen here and never by the token. A refresh
token names tenant, session, person and generation, authenticated by a MAC: a forged one is refused before any look-up, and
the same generation always gives the same token, so the answer to a lost reply can be given again without storing it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache
from secrets import SystemRandom
from typing import Any
from uuid import UUID

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import GuestProtocol, OKPKey

from keepwell.domains.identity.service.signing import ALGORITHM, SigningKeys
from keepwell.kernel.envelope import Actor
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.problems import UNAUTHENTICATED, Refusal, Refused, UndecidedError
from keepwell.kit.time import Clock

ISSUER = "keepwell"
AUDIENCE = "keepwell"
_TYPE = "at+jwt"
_MOST_CACHED = 10_000
_LONGEST = 4096
_SKEW_SECONDS = 10
_JITTER = 0.05
_MAC_KEY = "keepwell refresh token v1"
_REFRESH_PREFIX = "kwr_"
_REFRESH_FORMAT = b"\x01"
_MAC_BYTES = 32
_BODY_BYTES = 1 + 3 * 16 + 4


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str
    sub: UUID
    iat: int
    exp: int
    sid: UUID
    tenant: UUID
    role: str
    scope: str
    subject: str | None = None
    purpose: str = ""


class RefreshToken(msgspec.Struct, frozen=True):
    """What a genuine refresh token says."""

    tenant: UUID
    session: UUID
    user: UUID
    generation: int


@lru_cache(maxsize=256)
def _scopes(text: str) -> tuple[str, ...]:
    """One tuple for all actors of a role, so that permission look-ups compare by identity."""
    return tuple(text.split())


def _unauthenticated(detail: str) -> Refused:
    return Refused(Refusal(UNAUTHENTICATED, detail))


class Tokens:
    """Makes and checks tokens under keys of the installation. `life` is an access token's in seconds.

    Each life is cut by up to a twentieth at random, so that clients which logged in together do not refresh together.
    `learn` brings the ring up to date, for a token whose key this process has not seen.
    """

    def __init__(self, ring: KeyRing, learn: Callable[[], Awaitable[None]], clock: Clock, *, life: int = 600) -> None:
        self._clock = clock
        self._life = life
        self._random = SystemRandom()
        self._ring = ring
        self._learn = learn
        self.signing = SigningKeys(ring, clock)
        self._verified: OrderedDict[str, tuple[int, Actor]] = OrderedDict()
        self._verified_by = 0

    # -- access tokens

    def access(self, actor: Actor, session_seconds: float) -> tuple[str, int]:
        """A token for this actor and the whole seconds it lives: never longer than its session.

        Raises:
            ValueError: the actor has no session.
        """
        if actor.credential is None:
            raise ValueError("an access token belongs to a session")
        life = int(min(self._life * (1 - self._random.uniform(0, _JITTER)), session_seconds))
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(actor.id),
            "iat": now,
            "exp": now + life,
            "sid": str(actor.credential),
            "tenant": str(actor.tenant),
            "role": actor.role,
            "scope": " ".join(actor.scopes),
        }
        if actor.subject is not None:
            claims["subject"] = actor.subject
        if actor.purpose:
            claims["purpose"] = actor.purpose
        kid, key = self.signing.newest
        return jwt.encode({"alg": ALGORITHM, "kid": kid, "typ": _TYPE}, claims, key, algorithms=[ALGORITHM]), life

    def authenticate(self, authorization: str) -> Actor:
        """The actor that an Authorization header value speaks for. Whether the session still lives is the kernel's question.

        Raises:
            UndecidedError: its key is not known here, and may be known elsewhere.
            Refused: unauthenticated; or no keys were seen yet.
        """
        return self.verify(bearer(authorization))

    def verify(self, token: str) -> Actor:
        """As `authenticate`, for a bare access token. Raises as that does."""
        return self.presented(token)[0]

    def presented(self, token: str) -> tuple[Actor, datetime]:
        """The actor that a bare access token speaks for, and the instant from which it does no more. Raises as `verify` does."""
        now = self._clock.now().timestamp()
        self.signing.look()
        if self._verified_by != self.signing.changes:  # what was verified before may be revoked
            self._verified.clear()
            self._verified_by = self.signing.changes
        known = self._verified.get(token)
        if known is None:
            known = self._check(token, now)
            self._verified[token] = known
            if len(self._verified) > _MOST_CACHED:
                self._verified.popitem(last=False)
        else:
            self._verified.move_to_end(token)
        expires, actor = known
        if expires <= now:
            self._verified.pop(token, None)
            raise _unauthenticated("The access token has expired.")
        return actor, datetime.fromtimestamp(expires, UTC)

    def _check(self, token: str, now: float) -> tuple[int, Actor]:
        if len(token) > _LONGEST:
            raise _unauthenticated("The access token is not one of ours.")
        try:
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
            claims = msgspec.convert(decoded.claims, _Claims)
        except InvalidKeyIdError as error:
            raise UndecidedError(Refusal(UNAUTHENTICATED, "The access token is not one of ours."), self._learn) from error
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise _unauthenticated("The access token is not one of ours.") from error
        ours = decoded.header.get("typ") == _TYPE and claims.iss == ISSUER and claims.aud == AUDIENCE
        if not ours or claims.iat > now + _SKEW_SECONDS:
            raise _unauthenticated("The access token is not one of ours.")
        who = (claims.tenant, claims.sub, claims.role, _scopes(claims.scope), claims.sid, claims.subject, claims.purpose)
        return claims.exp, Actor(*who)

    def _key(self, token: GuestProtocol) -> OKPKey:
        key = self.signing.verifying(str(token.headers().get("kid")))
        if key is None:
            raise InvalidKeyIdError
        return key

    # -- refresh tokens

    def refresh(self, token: RefreshToken) -> str:
        """The text of a refresh token: always the same for the same content."""
        body = b"".join(
            (_REFRESH_FORMAT, token.tenant.bytes, token.session.bytes, token.user.bytes, token.generation.to_bytes(4, "big"))
        )
        return _REFRESH_PREFIX + urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def read_refresh(self, text: str) -> RefreshToken:
        """What a refresh token says, once it is known to be ours.

        Raises:
            Refused: unauthenticated.
        """
        raw = _unarmoured(text)
        body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)) or not body.startswith(_REFRESH_FORMAT):
            raise _unauthenticated("The refresh token is not one of ours.")
        tenant, session, user = (UUID(bytes=body[at : at + 16]) for at in (1, 17, 33))
        return RefreshToken(tenant, session, user, int.from_bytes(body[49:], "big"))

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._ring.derive(_MAC_KEY), body, hashlib.sha256)


def bearer(authorization: str) -> str:
    """The token in the value of an Authorization header (RFC 6750, 2.1).

    Raises:
        Refused: unauthenticated: there is none.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthenticated("The Authorization header must carry a bearer token.")
    return token.strip()


def _unarmoured(text: str) -> bytes:
    body = text.removeprefix(_REFRESH_PREFIX)
    if len(body) == len(text) or len(body) > _LONGEST or not body.isascii():
        return b""
    try:
        return urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (Base64Error, ValueError):
        return b""
