"""Logging in, and one's own sessions. No answer about them is compressed: they hold credentials, or tell of sessions."""

from keepwell.domains.identity.errors import (
    CHALLENGE_REQUIRED,
    INVALID_CREDENTIALS,
    LOGIN_METHOD_NOT_ALLOWED,
    SECOND_FACTOR_REQUIRED,
    UNSUITABLE_PASSWORD,
    WRONG_PASSWORD,
)
from keepwell.domains.identity.models import LOGIN_RATE, REFRESH_RATE
from keepwell.domains.identity.routes import examples
from keepwell.domains.identity.routes.bodies import (
    SMALL,
    Ending,
    Entered,
    Login,
    Paging,
    PasswordChange,
    Puzzle,
    Refresh,
    SessionList,
    SessionsEnded,
    after,
    session_item,
)
from keepwell.domains.identity.service import (
    DEVICE_LIFETIME_SECONDS,
    Diagnostic,
    IdentityService,
    LoggedIn,
    Me,
    Pair,
    PublicKeys,
    Visit,
    ending,
)
from keepwell.kernel.http import Answer, Call, Endpoint, cookie, page_of
from keepwell.kernel.http.errors import HTTPS_REQUIRED
from keepwell.kernel.problems import CONFLICT, FORBIDDEN, NOT_FOUND, TENANT_DESTROYED, UNAUTHENTICATED

_TAG = "Auth"
_DEVICE = "keepwell_device"


class _Sessions:
    def __init__(self, service: IdentityService) -> None:
        self._service = service

    async def login(self, call: Call) -> Answer:
        body: Login = call.body
        if body.cookies:
            call.cookie(None)  # refused before anything is looked at
        visit = visit_of(call, body.challenge)
        logged_in = await self._service.logins.login(body.email, body.password, body.clinic, call.origin, visit)
        return await entered(self._service, call, logged_in, visit, cookies=body.cookies)

    async def challenge(self, call: Call) -> Answer:
        return Answer(200, Puzzle(await self._service.defence.beforehand(visit_of(call))))

    async def change_password(self, call: Call) -> Answer:
        body: PasswordChange = call.body
        visit = visit_of(call, body.challenge)
        await self._service.passwords.change(call.actor, body.current_password, body.new_password, call.origin, visit)
        return Answer(204)

    async def refresh(self, call: Call) -> Answer:
        body: Refresh = call.body
        return Answer(200, await self._service.sessions.refresh(body.refresh_token, call.origin))

    async def logout(self, call: Call) -> Answer:
        await self._service.sessions.end(call.envelope(ending(call.actor, None, "logout")))
        return Answer(204, None, _without_cookie(call))

    async def sessions(self, call: Call) -> Answer:
        query: Paging = call.query
        live = await self._service.sessions.live(call.actor, call.origin, after(query), query.limit + 1)
        shown, cursor = page_of(live, query.limit, lambda one: one.id)
        return Answer(200, SessionList([session_item(one, call.actor.credential) for one in shown], cursor))

    async def end(self, call: Call) -> Answer:
        await self._service.sessions.end(call.envelope(ending(call.actor, call.id, "ended-by-user")))
        return Answer(204, None, _without_cookie(call) if call.id == call.actor.credential else {})

    async def end_all(self, call: Call) -> Answer:
        query: Ending = call.query
        keep = None if query.all else call.actor.credential
        ended = await self._service.sessions.end_all(call.actor, call.origin, keep=keep)
        return Answer(200, SessionsEnded(ended), _without_cookie(call) if query.all else {})

    async def me(self, call: Call) -> Answer:
        return Answer(200, await self._service.sessions.me(call.actor, call.origin))

    async def public_keys(self, _: Call) -> Answer:
        return Answer(200, self._service.tokens.signing.public())

    async def diagnostic(self, call: Call) -> Answer:
        return Answer(200, await self._service.diagnostics.diagnose(call.origin))


async def entered(
    service: IdentityService, call: Call, logged_in: LoggedIn, visit: Visit | None = None, *, cookies: bool
) -> Answer:
    """The answer to a login that succeeded, whatever the way: failures are forgiven, the device is known from now on.

    Raises:
        Refused: the session was asked for in a cookie, and may not be given in one.
    """
    device = await service.defence.succeeded(logged_in.user.email, visit or visit_of(call))
    answer = _in_browser(service, call, logged_in) if cookies else Answer(200, logged_in)
    if device is not None:
        answer.cookies = (_device_cookie(device, secure=call.secure),)
    return answer


def _in_browser(service: IdentityService, call: Call, logged_in: LoggedIn) -> Answer:
    """The answer to a login of a page of this server: the session in a cookie, and no tokens."""
    cookies, who = service.cookies, logged_in
    entered = Entered(expires_in=cookies.idle, session_id=who.session_id, clinic=who.clinic, user=who.user)
    return Answer(200, entered, call.cookie(cookies.begin(logged_in)))


def _without_cookie(call: Call) -> dict[str, str]:
    return {} if call.session is None else call.cookie(None)


def visit_of(call: Call, solution: str | None = None) -> Visit:
    """Where a try comes from, with the solution of a puzzle if one came along."""
    return Visit(call.network, cookie(call.raw_headers, _DEVICE), solution)


def _device_cookie(token: str, *, secure: bool) -> str:
    attributes = f"Path=/v1/auth; Max-Age={DEVICE_LIFETIME_SECONDS}; HttpOnly; SameSite=Strict"
    return f"{_DEVICE}={token}; {attributes}{'; Secure' if secure else ''}"


def endpoints(service: IdentityService) -> tuple[Endpoint, ...]:
    """Every route for logging in and for sessions."""
    sessions = _Sessions(service)
    return (*_gates(sessions), *_proofs(sessions), *_own(sessions))


def _gates(sessions: _Sessions) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/auth/login",
            sessions.login,
            "Log in with address and password",
            _TAG,
            body=Login,
            answers={200: Entered},
            problems=(
                INVALID_CREDENTIALS,
                SECOND_FACTOR_REQUIRED,
                LOGIN_METHOD_NOT_ALLOWED,
                CHALLENGE_REQUIRED,
                UNAUTHENTICATED,
                HTTPS_REQUIRED,
                FORBIDDEN,
            ),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            rate=LOGIN_RATE,
            example=examples.LOGIN,
        ),
        Endpoint(
            "POST",
            "/v1/auth/refresh",
            sessions.refresh,
            "Exchange a refresh token for the next pair of tokens",
            _TAG,
            body=Refresh,
            answers={200: Pair},
            problems=(UNAUTHENTICATED, TENANT_DESTROYED),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            rate=REFRESH_RATE,
            example=examples.REFRESH,
        ),
        Endpoint(
            "GET",
            "/.well-known/jwks.json",
            sessions.public_keys,
            "Tell the keys that access tokens can be verified with",
            _TAG,
            answers={200: PublicKeys},
            public=True,
            compressed=True,
            example=examples.PUBLIC_KEYS,
        ),
        Endpoint(
            "GET",
            "/v1/auth/login/diagnostic",
            sessions.diagnostic,
            "Try what logging in needs, step by step",
            _TAG,
            answers={200: Diagnostic},
            public=True,
            vital=True,
            compressed=False,
            example=examples.DIAGNOSTIC,
        ),
    )


def _proofs(sessions: _Sessions) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/auth/challenge",
            sessions.challenge,
            "Take a puzzle whose solution a login may be asked for",
            _TAG,
            answers={200: Puzzle},
            public=True,
            compressed=False,
            example=examples.CHALLENGE,
        ),
        Endpoint(
            "PUT",
            "/v1/auth/password",
            sessions.change_password,
            "Change one's own password; all one's other sessions end",
            _TAG,
            body=PasswordChange,
            answers={204: None},
            problems=(WRONG_PASSWORD, CHALLENGE_REQUIRED, UNSUITABLE_PASSWORD, CONFLICT),
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
            example=examples.PASSWORD,
        ),
    )


def _own(sessions: _Sessions) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST", "/v1/auth/logout", sessions.logout, "End the session that asks", _TAG, answers={204: None}, idempotent=False
        ),
        Endpoint(
            "GET",
            "/v1/auth/sessions",
            sessions.sessions,
            "List one's own live sessions",
            _TAG,
            query=Paging,
            answers={200: SessionList},
            compressed=False,
            example=examples.SESSIONS,
        ),
        Endpoint(
            "DELETE",
            "/v1/auth/sessions",
            sessions.end_all,
            "End all one's other sessions, or every one",
            _TAG,
            query=Ending,
            answers={200: SessionsEnded},
            idempotent=False,
            compressed=False,
            example=examples.ENDED,
        ),
        Endpoint(
            "DELETE",
            "/v1/auth/sessions/{id}",
            sessions.end,
            "End one of one's own sessions",
            _TAG,
            answers={204: None},
            problems=(NOT_FOUND,),
            idempotent=False,
        ),
        Endpoint(
            "GET",
            "/v1/auth/me",
            sessions.me,
            "Say who asks, in which clinic, with which scopes",
            _TAG,
            answers={200: Me},
            problems=(NOT_FOUND,),
            compressed=False,
            example=examples.ME,
        ),
    )
