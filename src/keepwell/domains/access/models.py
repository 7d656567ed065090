"""One time of emergency access: who, why, until when, and what a reviewer found."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

EndReason = Literal["ended", "expired"]


class Review(msgspec.Struct, frozen=True):
    """What somebody else found: whether it was justified, and in words."""

    justified: bool
    finding: str
    by: UUID
    at: datetime


class EmergencyAccess(msgspec.Struct, frozen=True):
    """`session` is the credential it consists of: it begins and ends with that. `patient` is whom it is said to be for."""

    user: UUID
    role: str
    reason: str
    session: UUID
    started_at: datetime
    expires_at: datetime
    patient: str | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    review: Review | None = None


class StartEmergency(Command, frozen=True):
    """Somebody needs more than their role allows, now."""

    reason: str
    minutes: int
    session: UUID
    patient: str | None = None


class EndEmergency(Command, frozen=True):
    """It is over."""

    reason: EndReason


class ReviewEmergency(Command, frozen=True):
    """Somebody else has looked into it."""

    justified: bool
    finding: str


class EmergencyStarted(msgspec.Struct, frozen=True, tag="emergency-started"):
    """The first entry (DCM 110127)."""

    user: UUID
    role: str
    reason: str
    session: UUID
    expires_at: datetime
    at: datetime
    patient: str | None = None


class EmergencyEnded(msgspec.Struct, frozen=True, tag="emergency-ended"):
    """It is over (DCM 110138). `at` is when it was, also where that was noticed later."""

    reason: EndReason
    at: datetime


class EmergencyReviewed(msgspec.Struct, frozen=True, tag="emergency-reviewed"):
    """Somebody else has looked into it."""

    justified: bool
    finding: str
    by: UUID
    at: datetime


EmergencyEvent = EmergencyStarted | EmergencyEnded | EmergencyReviewed


class EmergencyView(msgspec.Struct, frozen=True):
    """Emergency access as callers see it. `reviewed` is what is left to do about it."""

    id: UUID
    user: UUID
    role: str
    reason: str
    purpose: str
    patient: str | None
    session_id: UUID
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: EndReason | None
    reviewed: bool
    review: Review | None
    version: int
