"""Logging in by a link in a mail. No answer is compressed: they hold credentials."""

from html import escape
from http.cookies import CookieError, SimpleCookie

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, MAIL_NOT_CONFIGURED
from keepwell.domains.factors.routes import examples
from keepwell.domains.factors.routes.bodies import SMALL, LinkAsked, LinkFollowed, LinkRedeemed, LinkSent
from keepwell.domains.factors.service import FactorService
from keepwell.domains.factors.service.links import LINK_SECONDS
from keepwell.domains.identity import (
    INVALID_CREDENTIALS,
    LOGIN_METHOD_NOT_ALLOWED,
    LOGIN_RATE,
    SECOND_FACTOR_REQUIRED,
    Entered,
    entered,
)
from keepwell.kernel.http import FORM, Answer, Call, Endpoint
from keepwell.kernel.http.errors import HTTPS_REQUIRED
from keepwell.kernel.http.safety import PAGE
from keepwell.kernel.problems import FORBIDDEN, UNAUTHENTICATED

_TAG = "Second factors"
_COOKIE = "keepwell_link"
_HTML = "text/html; charset=utf-8"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_REFUSALS = (
    CHALLENGE_EXPIRED,
    INVALID_CREDENTIALS,
    SECOND_FACTOR_REQUIRED,
    LOGIN_METHOD_NOT_ALLOWED,
    UNAUTHENTICATED,
    HTTPS_REQUIRED,
    FORBIDDEN,
)


class _Links:
    def __init__(self, service: FactorService) -> None:
        self._links = service.links
        self._identity = service.identity

    async def ask(self, call: Call) -> Answer:
        body: LinkAsked = call.body
        browser = self._links.ask(body.email, body.clinic, call.origin)
        secure = "; Secure" if call.secure else ""
        cookie = f"{_COOKIE}={browser}; Path=/; Max-Age={LINK_SECONDS}; HttpOnly; SameSite=Lax{secure}"
        return Answer(202, LinkSent(LINK_SECONDS), {"set-cookie": cookie})

    async def page(self, call: Call) -> Answer:
        query: LinkFollowed = call.query
        words = _BUTTON.format(token=escape(query.token)) if self._links.usable(query.token) else _OVER
        headers = {**PAGE, "content-security-policy": _POLICY}
        return Answer(200, _PAGE.format(words=words).encode(), headers, _HTML)

    async def redeem(self, call: Call) -> Answer:
        body: LinkRedeemed = call.body
        return await self._redeemed(call, body.token, cookies=body.cookies)

    async def press(self, call: Call) -> Answer:
        return await self._redeemed(call, dict(call.pairs).get("token", ""), cookies=True)

    async def _redeemed(self, call: Call, token: str, *, cookies: bool) -> Answer:
        if cookies:
            call.cookie(None)  # refused before the link is used up
        logged_in = await self._links.redeem(token, _browser(call), call.origin)
        return await entered(self._identity, call, logged_in, cookies=cookies)


def _browser(call: Call) -> str | None:
    """What the browser remembers of having asked."""
    try:
        found = SimpleCookie(call.headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Log in to Keepwell</title>
<meta name="viewport" content="width=device-width"><style>body{{font:1.1em sans-serif;max-width:30em;margin:3em auto;padding:1em}}
button{{font:inherit;padding:.6em 1.4em}}</style></head><body><main><h1>Log in to Keepwell</h1>{words}</main></body></html>
"""
_BUTTON = """<p>Press the button if you asked to log in just now.</p>
<form method="post" action="/auth/link"><input type="hidden" name="token" value="{token}"><button>Log in</button></form>"""
_OVER = "<p>This link is too old, or not one of ours. Ask for a new one where you log in.</p>"


def endpoints(service: FactorService) -> tuple[Endpoint, ...]:
    """Every route of this file: all are open to who is not logged in yet."""
    routes = _Links(service)
    return (*_asking(routes), *_following(routes))


def _asking(routes: _Links) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/auth/magic-link",
            routes.ask,
            "Have a link to log in sent by mail",
            _TAG,
            body=LinkAsked,
            answers={202: LinkSent},
            problems=(MAIL_NOT_CONFIGURED,),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            rate=LOGIN_RATE,
            example=examples.ASK_LINK,
        ),
        Endpoint(
            "POST",
            "/v1/auth/magic-link/redeem",
            routes.redeem,
            "Log in by what a link carried",
            _TAG,
            body=LinkRedeemed,
            answers={200: Entered},
            problems=_REFUSALS,
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            rate=LOGIN_RATE,
            example=examples.REDEEM_LINK,
        ),
    )


def _following(routes: _Links) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/auth/link",
            routes.page,
            "The page a link leads to: opening it uses nothing up",
            _TAG,
            query=LinkFollowed,
            answers={200: bytes},
            media=_HTML,
            public=True,
            compressed=False,
            example=examples.LINK_PAGE,
        ),
        Endpoint(
            "POST",
            "/auth/link",
            routes.press,
            "Log in by the button of that page, the session in a cookie",
            _TAG,
            body=LinkFollowed,
            takes=FORM,
            pairs=True,
            answers={200: Entered},
            problems=_REFUSALS,
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            rate=LOGIN_RATE,
            example=examples.POST_LINK,
        ),
    )
