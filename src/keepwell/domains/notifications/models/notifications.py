"""A notification: what is told on one channel, once, and what came of trying."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.domains.incidents import Severity
from keepwell.kernel.envelope import Command

Status = Literal["waiting", "sent", "dead"]
Happened = Literal["opened", "escalated", "acknowledged", "severity-changed", "resolved"]


class Item(msgspec.Struct, frozen=True):
    """What happened to an incident, and how bad that was then. What the incident is called is looked up when it is told."""

    incident: UUID
    happened: Happened
    severity: Severity
    at: datetime


class Notification(msgspec.Struct, frozen=True):
    """Its id stays the same however often it is sent, so that who gets it twice can tell. So does what it says, once tried.

    `grouped`: it gathers until it is due. `after`: another one on the same channel that goes first. `since`: when it began to be
    tried; `error`: the word for what went wrong last.
    """

    channel: UUID
    items: tuple[Item, ...]
    created_at: datetime
    due_at: datetime
    grouped: bool
    after: UUID | None
    since: datetime
    status: Status = "waiting"
    attempts: int = 0
    error: str | None = None
    sent_at: datetime | None = None


class PlanNotification(Command, frozen=True):
    """Something is to be told."""

    channel: UUID
    items: tuple[Item, ...]
    due_at: datetime
    grouped: bool = False
    after: UUID | None = None


class JoinNotification(Command, frozen=True):
    """Something more is to be told with it."""

    items: tuple[Item, ...]


class BeginAttempt(Command, frozen=True):
    """It is about to be sent."""


class RecordSent(Command, frozen=True):
    """It was taken at the other end."""


class RecordFailure(Command, frozen=True):
    """The attempt failed; `final`: another would too."""

    attempt: int
    error: str
    final: bool = False


class RedriveNotification(Command, frozen=True):
    """Somebody wants it tried again."""


class NotificationPlanned(msgspec.Struct, frozen=True, tag="notification-planned"):
    """The first entry."""

    channel: UUID
    items: tuple[Item, ...]
    due_at: datetime
    grouped: bool
    after: UUID | None
    at: datetime


class NotificationJoined(msgspec.Struct, frozen=True, tag="notification-joined"):
    """It tells more."""

    items: tuple[Item, ...]


class AttemptBegun(msgspec.Struct, frozen=True, tag="notification-attempt-begun"):
    """It may have been sent from now on."""

    attempt: int


class NotificationSent(msgspec.Struct, frozen=True, tag="notification-sent"):
    """It was sent, once or more."""

    at: datetime


class AttemptFailed(msgspec.Struct, frozen=True, tag="notification-attempt-failed"):
    """It was not taken; `dead`: it is not tried again by itself."""

    attempt: int
    error: str
    dead: bool


class NotificationRedriven(msgspec.Struct, frozen=True, tag="notification-redriven"):
    """It is tried again."""

    at: datetime


NotificationEvent = (
    NotificationPlanned | NotificationJoined | AttemptBegun | NotificationSent | AttemptFailed | NotificationRedriven
)


class NotificationView(msgspec.Struct, frozen=True):
    """A notification as callers see it."""

    id: UUID
    channel: UUID
    status: Status
    incidents: tuple[Item, ...]
    attempts: int
    error: str | None
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    version: int
