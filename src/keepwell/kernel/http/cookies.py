"""Session cookies: what a browser carries by itself, whoever makes it ask. So one speaks only for pages of this very server.

The browser is told never to send it along from another site (`SameSite=Strict`), and what it says of where a request comes from
is checked besides. Programs send tokens, and none of this concerns them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from keepwell.kernel.envelope import Actor, Origin
from keepwell.kernel.http.errors import HTTPS_REQUIRED
from keepwell.kernel.http.headers import authority
from keepwell.kernel.problems import FORBIDDEN, UNAUTHENTICATED, Refusal, Refused

OVER_TLS = "__Host-keepwell"
"""The prefix makes browsers refuse it from anywhere but this host, over TLS, for all paths."""
ON_LOOPBACK = "keepwell-session"
"""Where there is no TLS, on the machine itself: browsers would not take the other name."""
_LOOPBACK = re.compile(rb"(?:(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?", re.IGNORECASE)

Headers = Mapping[bytes, bytes]
Authenticator = Callable[[str], Actor]
"""The value of an Authorization header to the actor it proves; raises `Refused(UNAUTHENTICATED)`. Pure computation.

Where this process may know too little of keys, it raises `UndecidedError`, and is asked again."""


class CookieSession(msgspec.Struct, frozen=True):
    """A session that a cookie proves: until when at the latest, and from when on its use is to be noted."""

    actor: Actor
    value: str
    until: datetime
    renew_at: datetime


class CookieSessions(Protocol):
    """Who knows what cookies mean."""

    def read(self, value: str) -> CookieSession:
        """Raises `Refused`: unauthenticated. Pure computation."""
        ...

    async def renew(self, session: CookieSession, origin: Origin) -> CookieSession:
        """Notes that the session is used, and gives its cookie from now on.

        Raises:
            Refused: it is over, or that cannot be noted now.
        """
        ...


class Credentials:
    """How requests say who makes them. A token counts before a cookie: whoever sends one did so on purpose.

    Without `cookies` none is looked at.
    """

    def __init__(self, authenticate: Authenticator, cookies: CookieSessions | None = None) -> None:
        self._authenticate = authenticate
        self.cookies = cookies

    def presented(self, headers: Headers, *, secure: bool, safe: bool) -> Actor | CookieSession:
        """Who makes a request. `secure`: it came encrypted; `safe`: it changes nothing.

        Raises:
            UndecidedError: as the authenticator.
            Refused: unauthenticated; `forbidden`, because a page of another origin made the browser ask.
        """
        authorization = headers.get(b"authorization")
        if authorization is not None:
            return self._authenticate(authorization.decode("latin-1"))
        value = None if self.cookies is None else carried(headers, secure=secure)
        if self.cookies is None or value is None:
            raise Refused(Refusal(UNAUTHENTICATED))
        require_own_page(headers, secure=secure, safe=safe)
        return self.cookies.read(value)

    def in_socket(self, headers: Headers, *, secure: bool) -> CookieSession | None:
        """The session of a connection that a page of this server opens. From elsewhere a cookie counts as none.

        Raises:
            Refused: unauthenticated.
        """
        value = None if self.cookies is None else carried(headers, secure=secure)
        if self.cookies is None or value is None or not _says_own_origin(headers, secure=secure):
            return None
        return self.cookies.read(value)


def require_own_page(headers: Headers, *, secure: bool, safe: bool) -> None:
    """By what the browser says of the page that asks. One too old to say anything has to be asked by script to change something:
    no form can send a header of its own, and pages of other origins may not.

    Raises:
        Refused: `forbidden`.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        own = site == b"same-origin" or (safe and site == b"none")
    elif b"origin" in headers:
        own = _says_own_origin(headers, secure=secure)
    else:
        own = safe or b"x-requested-with" in headers
    if not own:
        raise Refused(Refusal(FORBIDDEN, "A session cookie speaks only for pages of this server."))


def _says_own_origin(headers: Headers, *, secure: bool) -> bool:
    site, own = headers.get(b"sec-fetch-site", b"same-origin"), authority(headers)
    scheme = b"https://" if secure else b"http://"
    return site == b"same-origin" and own is not None and headers.get(b"origin", b"").lower() == scheme + own.lower()


def carried(headers: Headers, *, secure: bool) -> str | None:
    """The value of the session cookie. Of the other name nothing is believed: anybody on the way could have set it."""
    name = _name(headers, secure=secure)
    return next((value for each, value in _pairs(headers) if each == name), None)


def setting(headers: Headers, *, secure: bool, value: str | None) -> str:
    """The `Set-Cookie` that gives a browser its session, or takes it away. It lasts as long as the browser is open.

    Raises:
        Refused: `https-required`.
    """
    name = _name(headers, secure=secure)
    if name is None:
        raise Refused(Refusal(HTTPS_REQUIRED))
    tls = "; Secure" if secure else ""
    gone = "; Max-Age=0" if value is None else ""
    return f"{name}={value or ''}; Path=/; HttpOnly; SameSite=Strict{tls}{gone}"


def _name(headers: Headers, *, secure: bool) -> str | None:
    if secure:
        return OVER_TLS
    return ON_LOOPBACK if _LOOPBACK.fullmatch(authority(headers) or b"") else None


def _pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    for pair in headers.get(b"cookie", b"").replace(b",", b";").split(b";"):
        name, _, value = pair.strip().decode("latin-1").partition("=")
        yield name, value
