"""An incident: what it is about, how bad it is, and everything that was done about it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

Severity = Literal["critical", "warning", "info"]
Status = Literal["open", "acknowledged", "resolved"]
Happening = Literal["opened", "acknowledged", "assigned", "severity-changed", "impact", "note", "resolved"]


class TimelineEntry(msgspec.Struct, frozen=True):
    """One thing that happened: when, what, by whom, and what they said."""

    at: datetime
    type: Happening
    by: UUID
    text: str


class Incident(msgspec.Struct, frozen=True):
    """`subject` is a kind from the program and an id, such as `api-key/<id>`. The timeline has an entry for each version: the
    first `n` tell how version `n` came about. By their `tags` people choose of which they are told.
    """

    subject: str
    severity: Severity
    title: str
    runbook: str
    status: Status
    timeline: tuple[TimelineEntry, ...]
    acknowledged_at: datetime | None = None
    owner: UUID | None = None
    resolved_at: datetime | None = None
    tags: tuple[str, ...] = ()
    impact: str = ""


class OpenIncident(Command, frozen=True):
    """Something is wrong. `text` is what is known of it; `runbook` says what to do, as a page of the documentation."""

    subject: str
    severity: Severity
    title: str
    text: str = ""
    runbook: str = ""
    tags: tuple[str, ...] = ()


class AcknowledgeIncident(Command, frozen=True):
    """Somebody takes it on, and owns it from now on."""

    text: str = ""


class ResolveIncident(Command, frozen=True):
    """It is over."""

    text: str = ""


class AddNote(Command, frozen=True):
    """Something to remember."""

    text: str


class AssignIncident(Command, frozen=True):
    """Somebody of the clinic owns it from now on; None: nobody."""

    owner: UUID | None
    text: str = ""


class ChangeSeverity(Command, frozen=True):
    """It is worse, or less bad, than it was thought to be."""

    severity: Severity
    text: str = ""


class DescribeImpact(Command, frozen=True):
    """Who is hurt by it and how much, in numbers where there are any; in place of what was said before."""

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
    tags: tuple[str, ...] = ()


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


class IncidentAssigned(msgspec.Struct, frozen=True, tag="incident-assigned"):
    """It has another owner, or none."""

    owner: UUID | None
    text: str
    by: UUID
    at: datetime


class SeverityChanged(msgspec.Struct, frozen=True, tag="incident-severity-changed"):
    """It is looked at with other eyes."""

    severity: Severity
    text: str
    by: UUID
    at: datetime


class ImpactDescribed(msgspec.Struct, frozen=True, tag="incident-impact-described"):
    """What is known of whom it hurts."""

    text: str
    by: UUID
    at: datetime


IncidentChange = IncidentAcknowledged | IncidentResolved | NoteAdded | IncidentAssigned | SeverityChanged | ImpactDescribed
IncidentEvent = IncidentOpened | IncidentChange


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
    tags: tuple[str, ...]
    impact: str
    timeline: tuple[TimelineEntry, ...]
    version: int


class Filter(msgspec.Struct, frozen=True):
    """Which incidents are wanted; None: whatever it is."""

    status: Status | None = None
    severity: Severity | None = None
    subject: str | None = None
    tag: str | None = None


class Times(msgspec.Struct, frozen=True):
    """What came of incidents of one severity that were opened in a span of time. Means are in seconds, and null without any."""

    severity: Severity
    opened: int
    acknowledged: int
    resolved: int
    mean_time_to_acknowledge_s: float | None
    mean_time_to_resolve_s: float | None
