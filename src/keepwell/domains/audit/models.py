"""What an audit shows: one item for each change, read and refusal."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

LoginOutcome = Literal["ok", "refused"]


class AuditedEntity(msgspec.Struct, frozen=True):
    """What was changed or seen. `id` is null when many were, as in a search; `version` is null when there was none."""

    kind: str
    id: UUID | None
    version: int | None


class AuditItem(msgspec.Struct, frozen=True):
    """One thing somebody did, or was refused.

    For a change, `action` and `command` are the command's name, `event` is what happened and `outcome` is `stored`.
    For a read or a refusal, `command` and `event` are null; `outcome` is `ok` or the code of the problem answered.
    """

    at: datetime
    action: str
    command: str | None
    event: str | None
    outcome: str
    entity: AuditedEntity
    actor: UUID
    role: str
    door: str
    request_id: str
    purpose: str


class AuditPage(msgspec.Struct, frozen=True):
    """A part of the audit, the newest first."""

    items: list[AuditItem]
    next: str | None


class LoginAttempt(msgspec.Struct, frozen=True):
    """One attempt to get in, or to stay in: `attempt` is `login`, `refresh` and so on.

    One that succeeded began a session: `outcome` is `ok`, `step` and `reason` are null. One that failed did so at `step`, for
    `reason`; `user` is null when the address has no account, `session` when there was none.
    """

    at: datetime
    attempt: str
    outcome: LoginOutcome
    step: str | None
    reason: str | None
    user: UUID | None
    session: UUID | None
    door: str
    request_id: str
    tries: int
    since: datetime


class LoginPage(msgspec.Struct, frozen=True):
    """A part of the attempts, the newest first."""

    items: list[LoginAttempt]
    next: str | None


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where an item stands: the audit goes from the highest position to the lowest. Callers send it back, so it is bounded."""

    at: Annotated[datetime, Meta(tz=True)]
    source: Annotated[int, Meta(ge=0, le=1)]
    id: UUID
    version: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    kind: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{0,64}$")]


class AuditFilter(msgspec.Struct, frozen=True):
    """Which items. `kinds` None means all; `since` and `until` are inclusive; `before` is where the last page ended.

    `logins`: only attempts to get in; `person` is then whose, `login_outcome` how they ended.
    """

    kinds: tuple[str, ...] | None = None
    entity: UUID | None = None
    actor: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: Position | None = None
    logins: bool = False
    person: UUID | None = None
    login_outcome: LoginOutcome | None = None
