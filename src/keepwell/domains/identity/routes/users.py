"""Accounts of a clinic."""

from keepwell.domains.identity.errors import EMAIL_TAKEN, INVALID_USER, OWN_ACCOUNT, UNSUITABLE_PASSWORD
from keepwell.domains.identity.models import ChangeUser, UserView
from keepwell.domains.identity.routes import examples
from keepwell.domains.identity.routes.bodies import (
    SMALL,
    Paging,
    SessionsEnded,
    Unused,
    UnusedUserList,
    UserChange,
    UserCreation,
    UserList,
    after,
)
from keepwell.domains.identity.service import IdentityService, NewUser
from keepwell.kernel.http import Answer, Call, Endpoint, answer, page_of, part_of
from keepwell.kernel.problems import STEP_UP_REQUIRED

_TAG = "Users"


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
        users = await self._users.page(call.actor, call.origin, after(query), query.limit + 1)
        return Answer(200, UserList(*page_of(users, query.limit, lambda user: user.id)))

    async def unused(self, call: Call) -> Answer:
        query: Unused = call.query
        found = await self._users.unused(call.actor, call.origin, query.days)
        return Answer(200, UnusedUserList(*part_of(found, lambda unused: unused.user.id, query.limit, after(query))))

    async def show(self, call: Call) -> Answer:
        user = await self._users.get(call.actor, call.id, call.origin)
        return Answer(200, user, {"etag": f'"{user.version}"'})

    async def change(self, call: Call) -> Answer:
        body: UserChange = call.body
        change = ChangeUser(call.id, body.name, body.role, body.active)
        return answer(await self._users.change(call.envelope(change), change))

    async def end_sessions(self, call: Call) -> Answer:
        return Answer(200, SessionsEnded(await self._users.end_sessions(call.actor, call.id, call.origin)))


def endpoints(service: IdentityService) -> tuple[Endpoint, ...]:
    """Every route for accounts."""
    users = _Users(service)
    return (*_kept(users), *_changed(users))


def _kept(users: _Users) -> tuple[Endpoint, ...]:
    return (
        *_reports(users),
        Endpoint(
            "POST",
            "/v1/users",
            users.create,
            "Make an account in one's clinic",
            _TAG,
            body=UserCreation,
            answers={201: UserView},
            problems=(
                EMAIL_TAKEN,
                INVALID_USER,
                UNSUITABLE_PASSWORD,
                STEP_UP_REQUIRED,
            ),
            body_limit=SMALL,
            etag=True,
            compressed=True,
            example=examples.CREATE,
        ),
        Endpoint(
            "GET",
            "/v1/users",
            users.page,
            "List the clinic's accounts",
            _TAG,
            query=Paging,
            answers={200: UserList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/users/{id}",
            users.show,
            "Show an account",
            _TAG,
            answers={200: UserView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
    )


def _changed(users: _Users) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "PATCH",
            "/v1/users/{id}",
            users.change,
            "Rename, disable, enable an account or change its role",
            _TAG,
            body=UserChange,
            answers={200: UserView},
            problems=(
                INVALID_USER,
                OWN_ACCOUNT,
                STEP_UP_REQUIRED,
            ),
            body_limit=SMALL,
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.CHANGE,
        ),
        Endpoint(
            "DELETE",
            "/v1/users/{id}/sessions",
            users.end_sessions,
            "End every session of a person",
            _TAG,
            answers={200: SessionsEnded},
            idempotent=False,
            compressed=False,
            example=examples.ENDED,
        ),
    )


def _reports(users: _Users) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/users/unused",
            users.unused,
            "List accounts that may log in and that nobody has used for days",
            _TAG,
            query=Unused,
            answers={200: UnusedUserList},
            compressed=True,
            example=examples.UNUSED,
        ),
    )
