"""The HTTP door of identity: logging in, sessions, accounts."""

from datetime import datetime
from uuid import UUID

import msgspec

from keepwell.domains.identity.errors import EMAIL_TAKEN, INVALID_CREDENTIALS, INVALID_USER, OWN_ACCOUNT, UNSUITABLE_PASSWORD
from keepwell.domains.identity.models import ChangeUser, Role, UserView
from keepwell.domains.identity.service import Diagnostic, IdentityService, LoggedIn, Me, NewUser, Pair, ending
from keepwell.kernel.http import USUAL_PAGE, Answer, Call, Endpoint, PageLimit, answer
from keepwell.kernel.problems import INVALID_PARAMETER, NOT_FOUND, UNAUTHENTICATED, Fault, Refusal, Refused
from keepwell.kit.ids import parse_id

_NO_STORE = {"cache-control": "no-store"}  # RFC 6749, 5.1: answers that carry tokens are kept by nobody
_SMALL = 16_000


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`clinic` is the short name; without one, or with an unknown one, the person's first clinic counts."""

    email: str
    password: str
    clinic: str | None = None


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The refresh token last given out."""

    refresh_token: str


class UserCreation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new account. Without a password nobody can log in to it yet."""

    email: str
    name: str
    role: Role
    password: str | None = None


class UserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given changes, the rest stays."""

    name: str | None = None
    role: Role | None = None
    active: bool | None = None


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


class SessionItem(msgspec.Struct, frozen=True):
    """One of the caller's live sessions; `current` is the one that asks."""

    id: UUID
    started_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    current: bool


class SessionList(msgspec.Struct, frozen=True):
    """Live sessions, the newest first."""

    items: list[SessionItem]
    next: str | None


class UserList(msgspec.Struct, frozen=True):
    """Accounts, the oldest first."""

    items: list[UserView]
    next: str | None


def _cursor(query: Paging) -> UUID | None:
    if query.cursor is None:
        return None
    found = parse_id(query.cursor)
    if found is None:
        raise Refused(Refusal(INVALID_PARAMETER, faults=(Fault("?cursor", "invalid-cursor", "Send a cursor this list gave."),)))
    return found


class _Sessions:
    def __init__(self, service: IdentityService) -> None:
        self._service = service

    async def login(self, call: Call) -> Answer:
        body: Login = call.body
        logged_in = await self._service.logins.login(body.email, body.password, body.clinic, call.origin)
        return Answer(200, logged_in, dict(_NO_STORE))

    async def refresh(self, call: Call) -> Answer:
        body: Refresh = call.body
        return Answer(200, await self._service.sessions.refresh(body.refresh_token, call.origin), dict(_NO_STORE))

    async def logout(self, call: Call) -> Answer:
        await self._service.sessions.end(call.envelope(ending(call.actor, None, "logout")))
        return Answer(204)

    async def sessions(self, call: Call) -> Answer:
        query: Paging = call.query
        live = await self._service.sessions.live(call.actor, call.origin, _cursor(query), query.limit + 1)
        items = [
            SessionItem(one.id, one.started_at, one.refreshed_at, one.expires_at, one.id == call.actor.credential)
            for one in live[: query.limit]
        ]
        more = len(live) > query.limit
        return Answer(200, SessionList(items, str(items[-1].id) if more else None))

    async def end(self, call: Call) -> Answer:
        await self._service.sessions.end(call.envelope(ending(call.actor, call.id, "ended-by-user")))
        return Answer(204)

    async def me(self, call: Call) -> Answer:
        return Answer(200, await self._service.sessions.me(call.actor, call.origin), dict(_NO_STORE))

    async def diagnostic(self, call: Call) -> Answer:
        return Answer(200, await self._service.diagnostics.diagnose(call.origin), dict(_NO_STORE))


class _Users:
    def __init__(self, service: IdentityService) -> None:
        self._users = service.users

    async def create(self, call: Call) -> Answer:
        body: UserCreation = call.body
        new = NewUser(body.email, body.name, body.role, body.password)
        outcome = await call.execute(await self._users.creation(call.actor, new, call.origin))
        return answer(outcome, 201, f"/v1/users/{outcome.id}")

    async def page(self, call: Call) -> Answer:
        query: Paging = call.query
        users = await self._users.page(call.actor, call.origin, _cursor(query), query.limit + 1)
        items = users[: query.limit]
        more = len(users) > query.limit
        return Answer(200, UserList(items, str(items[-1].id) if more else None))

    async def show(self, call: Call) -> Answer:
        user = await self._users.get(call.actor, call.id, call.origin)
        return Answer(200, user, {"etag": f'"{user.version}"'})

    async def change(self, call: Call) -> Answer:
        body: UserChange = call.body
        change = ChangeUser(call.id, body.name, body.role, body.active)
        return answer(await self._users.change(call.envelope(change), change))


def endpoints(service: IdentityService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    return (*_session_endpoints(_Sessions(service)), *_user_endpoints(_Users(service)))


def _session_endpoints(sessions: _Sessions) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/auth/login",
            sessions.login,
            "Log in with address and password",
            "Auth",
            body=Login,
            answers={200: LoggedIn},
            problems=(INVALID_CREDENTIALS, UNAUTHENTICATED),
            public=True,
            body_limit=_SMALL,
            idempotent=False,
        ),
        Endpoint(
            "POST",
            "/v1/auth/refresh",
            sessions.refresh,
            "Exchange a refresh token for the next pair of tokens",
            "Auth",
            body=Refresh,
            answers={200: Pair},
            problems=(UNAUTHENTICATED,),
            public=True,
            body_limit=_SMALL,
            idempotent=False,
        ),
        Endpoint(
            "POST", "/v1/auth/logout", sessions.logout, "End the session that asks", "Auth", answers={204: None}, idempotent=False
        ),
        Endpoint(
            "GET",
            "/v1/auth/sessions",
            sessions.sessions,
            "List one's own live sessions",
            "Auth",
            query=Paging,
            answers={200: SessionList},
        ),
        Endpoint(
            "DELETE",
            "/v1/auth/sessions/{id}",
            sessions.end,
            "End one of one's own sessions",
            "Auth",
            answers={204: None},
            problems=(NOT_FOUND,),
            idempotent=False,
        ),
        Endpoint(
            "GET",
            "/v1/auth/me",
            sessions.me,
            "Say who asks, in which clinic, with which scopes",
            "Auth",
            answers={200: Me},
            problems=(NOT_FOUND,),
        ),
        Endpoint(
            "GET",
            "/v1/auth/login/diagnostic",
            sessions.diagnostic,
            "Try what logging in needs, step by step",
            "Auth",
            answers={200: Diagnostic},
            public=True,
            vital=True,
        ),
    )


def _user_endpoints(users: _Users) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/users",
            users.create,
            "Make an account in one's clinic",
            "Users",
            body=UserCreation,
            answers={201: UserView},
            problems=(EMAIL_TAKEN, INVALID_USER, UNSUITABLE_PASSWORD),
            body_limit=_SMALL,
        ),
        Endpoint("GET", "/v1/users", users.page, "List the clinic's accounts", "Users", query=Paging, answers={200: UserList}),
        Endpoint("GET", "/v1/users/{id}", users.show, "Show an account", "Users", answers={200: UserView}, etag=True),
        Endpoint(
            "PATCH",
            "/v1/users/{id}",
            users.change,
            "Rename, disable, enable an account or change its role",
            "Users",
            body=UserChange,
            answers={200: UserView},
            problems=(INVALID_USER, OWN_ACCOUNT),
            body_limit=_SMALL,
            guarded=True,
        ),
    )
