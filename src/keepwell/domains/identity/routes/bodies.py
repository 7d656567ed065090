"""What callers send to the HTTP door of identity, and the lists they get."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from keepwell.domains.identity.models import Method, Role, UnusedUser, UserView
from keepwell.domains.identity.service import Person
from keepwell.domains.identity.store import LiveSession
from keepwell.domains.tenants import Clinic
from keepwell.kernel.http import USUAL_PAGE, PageLimit
from keepwell.kernel.problems import INVALID_PARAMETER, Fault, Refusal, Refused
from keepwell.kit.ids import parse_id

SMALL = 16_000
"""Bytes that a body of this room may have."""


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`clinic` is the short name; without one, or with an unknown one, the person's first clinic counts.

    `challenge` is the solution of a puzzle, where one is asked for. `cookies`: for a page of this server; the session comes in a
    cookie, and no tokens do.
    """

    email: str
    password: str
    clinic: str | None = None
    challenge: str | None = None
    cookies: bool = False


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a login. A page that asked for a cookie gets no tokens: a script could give them away.

    `expires_in`: seconds that the access token lives, or that the session of the cookie lives without being used.
    """

    access_token: str | UnsetType = UNSET
    token_type: Literal["Bearer"] | UnsetType = UNSET
    expires_in: int
    refresh_token: str | UnsetType = UNSET
    session_id: UUID
    clinic: Clinic
    user: Person


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The refresh token last given out."""

    refresh_token: str


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password that one logs in with now, and the next one. `challenge` as in a login."""

    current_password: str
    new_password: str
    challenge: str | None = None


class Puzzle(msgspec.Struct, frozen=True):
    """An ALTCHA challenge: `parameters` say what number to find, `signature` that they are ours."""

    challenge: dict[str, Any]


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


class SessionItem(msgspec.Struct, frozen=True):
    """One of the caller's live sessions; `current` is the one that asks, `methods` how its holder proved who they are."""

    id: UUID
    started_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    current: bool
    methods: list[Method] = []


def session_item(session: LiveSession, asking: UUID | None) -> SessionItem:
    """A session as its owner sees it, who asks with the session `asking`."""
    methods = msgspec.convert(session.methods.split(), list[Method])
    current = session.id == asking
    return SessionItem(session.id, session.started_at, session.refreshed_at, session.expires_at, current, methods)


class SessionList(msgspec.Struct, frozen=True):
    """Live sessions, the newest first."""

    items: list[SessionItem]
    next: str | None


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of one's own sessions: the others, or with `all` the one that asks too."""

    all: bool = False


class SessionsEnded(msgspec.Struct, frozen=True):
    """How many sessions were live, and are not any more."""

    ended: int


class UserList(msgspec.Struct, frozen=True):
    """Accounts, the oldest first."""

    items: list[UserView]
    next: str | None


class UnusedUserList(msgspec.Struct, frozen=True):
    """Accounts nobody uses, those that were never used first."""

    items: list[UnusedUser]
    next: str | None


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


class Unused(Paging, frozen=True):
    """As `Paging`; for how many days an account was not used."""

    days: Annotated[int, Meta(ge=1, le=3_650)] = 90


def after(query: Paging) -> UUID | None:
    """The id of the item that the part before ended with.

    Raises:
        Refused: `invalid-parameter`, because no list gave such a cursor.
    """
    if query.cursor is None:
        return None
    found = parse_id(query.cursor)
    if found is None:
        raise Refused(Refusal(INVALID_PARAMETER, faults=(Fault("?cursor", "invalid-cursor", "Send a cursor this list gave."),)))
    return found
