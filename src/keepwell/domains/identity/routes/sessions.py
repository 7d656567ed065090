"""Logging in, and one's own sessions. No answer about them is compressed: they hold credentials, or tell of sessions."""

from keepwell.domains.identity.errors import INVALID_CREDENTIALS, LOGIN_METHOD_NOT_ALLOWED, SECOND_FACTOR_REQUIRED
from keepwell.domains.identity.routes import examples
from keepwell.domains.identity.routes.bodies import SMALL, Login, Paging, Refresh, SessionList, after, session_item
from keepwell.domains.identity.service import Diagnostic, IdentityService, LoggedIn, Me, Pair, PublicKeys, ending
from keepwell.kernel.http import Answer, Call, Endpoint
from keepwell.kernel.problems import NOT_FOUND, UNAUTHENTICATED

_TAG = "Auth"
_KEYS_SECONDS = 60
"""How long others may rely on the keys they were told. Who meets a token of another one asks again."""


class _Sessions:
    def __init__(self, service: IdentityService) -> None:
        self._service = service

    async def login(self, call: Call) -> Answer:
        body: Login = call.body
        logged_in = await self._service.logins.login(body.email, body.password, body.clinic, call.origin)
        return Answer(200, logged_in)

    async def refresh(self, call: Call) -> Answer:
        body: Refresh = call.body
        return Answer(200, await self._service.sessions.refresh(body.refresh_token, call.origin))

    async def logout(self, call: Call) -> Answer:
        await self._service.sessions.end(call.envelope(ending(call.actor, None, "logout")))
        return Answer(204)

    async def sessions(self, call: Call) -> Answer:
        query: Paging = call.query
        live = await self._service.sessions.live(call.actor, call.origin, after(query), query.limit + 1)
        items = [session_item(one, call.actor.credential) for one in live[: query.limit]]
        more = len(live) > query.limit
        return Answer(200, SessionList(items, str(items[-1].id) if more else None))

    async def end(self, call: Call) -> Answer:
        await self._service.sessions.end(call.envelope(ending(call.actor, call.id, "ended-by-user")))
        return Answer(204)

    async def me(self, call: Call) -> Answer:
        return Answer(200, await self._service.sessions.me(call.actor, call.origin))

    async def public_keys(self, _: Call) -> Answer:
        return Answer(200, self._service.tokens.signing.public(), {"cache-control": f"public, max-age={_KEYS_SECONDS}"})

    async def diagnostic(self, call: Call) -> Answer:
        return Answer(200, await self._service.diagnostics.diagnose(call.origin))


def endpoints(service: IdentityService) -> tuple[Endpoint, ...]:
    """Every route for logging in and for sessions."""
    sessions = _Sessions(service)
    return (*_gates(sessions), *_own(sessions))


def _gates(sessions: _Sessions) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/auth/login",
            sessions.login,
            "Log in with address and password",
            _TAG,
            body=Login,
            answers={200: LoggedIn},
            problems=(
                INVALID_CREDENTIALS,
                SECOND_FACTOR_REQUIRED,
                LOGIN_METHOD_NOT_ALLOWED,
                UNAUTHENTICATED,
            ),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
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
            problems=(UNAUTHENTICATED,),
            public=True,
            body_limit=SMALL,
            idempotent=False,
            compressed=False,
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
