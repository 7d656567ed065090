"""Logging in by a link in a mail. No answer is compressed: they hold credentials."""

from html import escape
from http.cookies import CookieError, SimpleCookie

from keepwell.domains.factors.errors import CHALLENGE_EXPIRED, MAIL_NOT_CONFIGURED
from keepwell.domains.factors.routes import examples
from keepwell.domains.factors.routes.bodies import SMALL, LinkAsked, LinkFollowed, LinkSent
from keepwell.domains.factors.service import Links
from keepwell.domains.factors.service.links import LINK_SECONDS
from keepwell.domains.identity import INVALID_CREDENTIALS, LOGIN_METHOD_NOT_ALLOWED, SECOND_FACTOR_REQUIRED, LoggedIn
from keepwell.kernel.http import FORM, Answer, Call, Endpoint
from keepwell.kernel.http.safety import PAGE
from keepwell.kernel.problems import UNAUTHENTICATED

_TAG = "Second factors"
_COOKIE = "keepwell_link"
_HTML = "text/html; charset=utf-8"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_REFUSALS = (CHALLENGE_EXPIRED, INVALID_CREDENTIALS, SECOND_FACTOR_REQUIRED, LOGIN_METHOD_NOT_ALLOWED, UNAUTHENTICATED)


class _Links:
    def __init__(self, links: Links) -> None:
        self._links = links

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
        body: LinkFollowed = call.body
        return Answer(200, await self._links.redeem(body.token, _browser(call), call.origin))

    async def press(self, call: Call) -> Answer:
        token = dict(call.pairs).get("token", "")
        return Answer(200, await self._links.redeem(token, _browser(call), call.origin))


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


def endpoints(links: Links) -> tuple[Endpoint, ...]:
    """Every route of this file: all are open to who is not logged in yet."""
    routes = _Links(links)
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
            example=examples.ASK_LINK,
        ),
        Endpoint(
            "POST",
            "/v1/auth/magic-link/redeem",
            routes.redeem,
            "Log in by what a link carried",
            _TAG,
            body=LinkFollowed,
            answers={200: LoggedIn},
            problems=_REFUSALS,
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
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
            "What the button of that page sends",
            _TAG,
            body=LinkFollowed,
            takes=FORM,
            pairs=True,
            answers={200: LoggedIn},
            problems=_REFUSALS,
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            example=examples.POST_LINK,
        ),
    )
