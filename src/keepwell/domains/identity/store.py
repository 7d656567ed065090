"""Where accounts and sessions are found: their look-up tables, and the directory of accounts over all clinics."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.identity.errors import EMAIL_TAKEN
from keepwell.domains.identity.models import Session, User
from keepwell.domains.identity.rules.sessions import expires_at
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_ACCOUNTS = "SELECT tenant_id, id, active FROM directory_accounts($1)"
_USERS = "SELECT id FROM user_account WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
_UNUSED = """
    SELECT u.id, max(s.refreshed_at) AS last_at FROM user_account u
    LEFT JOIN user_session s ON s.tenant_id = u.tenant_id AND s.user_id = u.id
    WHERE u.tenant_id = $1 AND u.active GROUP BY u.id
    HAVING max(s.refreshed_at) IS NULL OR max(s.refreshed_at) <= $2 ORDER BY last_at NULLS FIRST, u.id
"""
_LIVE_SESSIONS = """
    SELECT id, started_at, refreshed_at, expires_at, methods FROM user_session
    WHERE tenant_id = $1 AND user_id = $2 AND expires_at > $3 AND ended_at IS NULL AND ($4::uuid IS NULL OR id < $4)
    ORDER BY id DESC LIMIT $5
"""
_ANY_SESSION = "SELECT 1 FROM user_session WHERE tenant_id = $1 LIMIT 1"


class Account(msgspec.Struct, frozen=True):
    """One of a person's accounts as the directory knows it."""

    tenant: UUID
    user: UUID
    active: bool


class LiveSession(msgspec.Struct, frozen=True):
    """A session that may still be used."""

    id: UUID
    started_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    methods: str = ""


def _user_row(snapshot: Snapshot, _blind: Callable[[str], bytes]) -> tuple[bytes, str, bool]:
    user: User = snapshot.state
    return (user.email_index, user.role, user.active)


def _session_row(
    snapshot: Snapshot, _blind: Callable[[str], bytes]
) -> tuple[UUID, datetime, datetime, datetime, datetime | None, str]:
    session: Session = snapshot.state
    methods = " ".join(session.methods)
    return (session.user, session.started_at, session.refreshed_at, expires_at(session), session.ended_at, methods)


USERS = Lookup(
    table="user_account",
    columns={"email_index": "bytea", "role": "text", "active": "boolean"},
    row=_user_row,
    violations={"user_account_email_key": EMAIL_TAKEN},
)
SESSIONS = Lookup(
    table="user_session",
    columns={
        "user_id": "uuid",
        "started_at": "timestamptz",
        "refreshed_at": "timestamptz",
        "expires_at": "timestamptz",
        "ended_at": "timestamptz",
        "methods": "text",
    },
    row=_session_row,
)


async def accounts(connection: Any, email_index: bytes) -> list[Account]:
    """A person's accounts over all clinics, active ones first, then the oldest."""
    rows = await connection.fetch(_ACCOUNTS, email_index)
    return [Account(row["tenant_id"], row["id"], row["active"]) for row in rows]


async def user_page(connection: Any, tenant: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Ids of the clinic's accounts, the oldest first, from behind `after`."""
    return [row["id"] for row in await connection.fetch(_USERS, tenant, after, limit)]


async def unused_users(connection: Any, tenant: UUID, since: datetime) -> list[tuple[UUID, datetime | None]]:
    """Ids of active accounts without a session after `since`, and when the last one was used: those that never had one first."""
    return [(row["id"], row["last_at"]) for row in await connection.fetch(_UNUSED, tenant, since)]


async def live_sessions(
    connection: Any, tenant: UUID, user: UUID, now: datetime, before: UUID | None = None, limit: int = 1000
) -> list[LiveSession]:
    """The person's sessions that may still be used, the newest first, from behind `before`."""
    rows = await connection.fetch(_LIVE_SESSIONS, tenant, user, now, before, limit)
    return [LiveSession(*row) for row in rows]


async def session_store_answers(connection: Any, tenant: UUID) -> bool:
    """Whether sessions can be looked up now; raises whatever the database raises."""
    await connection.fetchval(_ANY_SESSION, tenant)
    return True
