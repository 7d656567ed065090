"""How far an incident was followed: who was told of it, and when it is somebody else's turn."""

from datetime import datetime
from uuid import UUID

import msgspec

from keepwell.domains.incidents import Severity
from keepwell.kernel.envelope import Command


class Told(msgspec.Struct, frozen=True):
    """A channel that is told of the incident, and the newest notification by which."""

    channel: UUID
    notification: UUID


class Alert(msgspec.Struct, frozen=True):
    """One an incident, under its id. `followed` is the version of the incident up to which it is decided who is told what.

    `next_at`: when channels are told that wait for nobody to acknowledge it; None: no more of them.
    """

    followed: int
    severity: Severity
    told: tuple[Told, ...] = ()
    next_at: datetime | None = None


class FollowIncident(Command, frozen=True):
    """Goes on to a version of the incident. Whoever was faster has moved the alert's own version meanwhile."""

    followed: int
    severity: Severity
    told: tuple[Told, ...]
    next_at: datetime | None


class IncidentFollowed(msgspec.Struct, frozen=True, tag="incident-followed"):
    """It is decided who is told of all that happened up to this version."""

    followed: int
    severity: Severity
    told: tuple[Told, ...]
    next_at: datetime | None


AlertEvent = IncidentFollowed


class AlertView(msgspec.Struct, frozen=True):
    """How far an incident was followed."""

    id: UUID
    followed: int
    next_at: datetime | None
    version: int
