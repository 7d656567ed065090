"""What callers send to the HTTP door of identity, and the lists they get."""

from datetime import datetime
from uuid import UUID

import msgspec

from keepwell.domains.identity.models import Method, Role, UserView
from keepwell.domains.identity.store import LiveSession
from keepwell.kernel.http import USUAL_PAGE, PageLimit
from keepwell.kernel.problems import INVALID_PARAMETER, Fault, Refusal, Refused
from keepwell.kit.ids import parse_id

SMALL = 16_000
"""Bytes that a body of this room may have."""


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


class UserList(msgspec.Struct, frozen=True):
    """Accounts, the oldest first."""

    items: list[UserView]
    next: str | None


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


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
