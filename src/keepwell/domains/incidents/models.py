"""An incident: what it is about, how bad it is, and everything that was done about it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

Severity = Literal["critical", "warning", "info"]
Status = Literal["open", "acknowledged", "resolved"]
Happening = Literal["opened", "acknowledged", "note", "resolved"]


class TimelineEntry(msgspec.Struct, frozen=True):
    """One thing that happened: when, what, by whom, and what they said."""

    at: datetime
    type: Happening
    by: UUID
    text: str


class Incident(msgspec.Struct, frozen=True):
    """`subject` is a kind from the program and an id, such as `api-key/<id>`. The timeline begins with the opening."""

    subject: str
    severity: Severity
    title: str
    runbook: str
    status: Status
    timeline: tuple[TimelineEntry, ...]
    acknowledged_at: datetime | None = None
    owner: UUID | None = None
    resolved_at: datetime | None = None


class OpenIncident(Command, frozen=True):
    """Something is wrong. `text` is what is known of it; `runbook` says what to do, as a page of the documentation."""

    subject: str
    severity: Severity
    title: str
    text: str = ""
    runbook: str = ""


class AcknowledgeIncident(Command, frozen=True):
    """Somebody takes it on, and owns it from now on."""

    text: str = ""


class ResolveIncident(Command, frozen=True):
    """It is over."""

    text: str = ""


class AddNote(Command, frozen=True):
    """Something to remember."""

    text: str


class IncidentOpened(msgspec.Struct, frozen=True, tag="incident-opened"):
    """It began."""

    subject: str
    severity: Severity
    title: str
    text: str
    runbook: str
    by: UUID
    at: datetime


class IncidentAcknowledged(msgspec.Struct, frozen=True, tag="incident-acknowledged"):
    """Somebody took it on."""

    text: str
    by: UUID
    at: datetime


class IncidentResolved(msgspec.Struct, frozen=True, tag="incident-resolved"):
    """It is over."""

    text: str
    by: UUID
    at: datetime


class NoteAdded(msgspec.Struct, frozen=True, tag="incident-note-added"):
    """Somebody wrote something down."""

    text: str
    by: UUID
    at: datetime


IncidentEvent = IncidentOpened | IncidentAcknowledged | IncidentResolved | NoteAdded


class IncidentView(msgspec.Struct, frozen=True):
    """An incident as callers see it. The last two are seconds from its opening."""

    id: UUID
    subject: str
    severity: Severity
    title: str
    runbook: str
    status: Status
    owner: UUID | None
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    time_to_acknowledge_s: float | None
    time_to_resolve_s: float | None
    timeline: tuple[TimelineEntry, ...]
    version: int
