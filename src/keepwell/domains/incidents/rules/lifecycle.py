"""What may happen to an incident: it is opened, taken on, judged anew, resolved; notes can always be added. Pure."""

from datetime import datetime

from msgspec.structs import replace

from keepwell.domains.incidents.errors import INCIDENT_RESOLVED, TOO_MANY_NOTES, UNKNOWN_OWNER
from keepwell.domains.incidents.models import (
    AcknowledgeIncident,
    AddNote,
    AssignIncident,
    ChangeSeverity,
    DescribeImpact,
    Happening,
    ImpactDescribed,
    Incident,
    IncidentAcknowledged,
    IncidentAssigned,
    IncidentChange,
    IncidentEvent,
    IncidentOpened,
    IncidentResolved,
    IncidentView,
    NoteAdded,
    OpenIncident,
    ResolveIncident,
    SeverityChanged,
    TimelineEntry,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Reference, Snapshot
from keepwell.kernel.problems import Fault, Refusal

MOST_ENTRIES = 1_000
"""How long a timeline may become; the end of the incident always has a place in it."""


def decide_open(_state: Incident | None, command: OpenIncident, context: Context) -> Decision:
    """That there is no other open one about the same thing is the database's to say."""
    return (
        IncidentOpened(
            command.subject,
            command.severity,
            command.title,
            command.text,
            command.runbook,
            context.actor.id,
            context.now,
            command.tags,
        ),
    )


def decide_acknowledge(state: Incident, command: AcknowledgeIncident, context: Context) -> Decision:
    """Once: who comes second changes nothing."""
    if state.status == "resolved":
        return Refusal(INCIDENT_RESOLVED)
    return () if state.status == "acknowledged" else (IncidentAcknowledged(command.text, context.actor.id, context.now),)


def decide_resolve(state: Incident, command: ResolveIncident, context: Context) -> Decision:
    """Once, as above."""
    return () if state.status == "resolved" else (IncidentResolved(command.text, context.actor.id, context.now),)


def decide_note(state: Incident, command: AddNote, context: Context) -> Decision:
    """Also after the end: that is when most is understood."""
    return _if_room(state, NoteAdded(command.text, context.actor.id, context.now))


def owner_references(_state: Incident | None, command: AssignIncident) -> tuple[Reference, ...]:
    """The account that is to own it."""
    return () if command.owner is None else (Reference("user", command.owner),)


def decide_assign(state: Incident, command: AssignIncident, context: Context) -> Decision:
    """To somebody who has an account in the clinic."""
    if command.owner is not None and ("user", command.owner) not in context.references:
        fault = Fault("/owner", "unknown-user", "Use the id of an account of this clinic.")
        return Refusal(UNKNOWN_OWNER, faults=(fault,))
    if command.owner == state.owner:
        return ()
    return _if_room(state, IncidentAssigned(command.owner, command.text, context.actor.id, context.now))


def decide_severity(state: Incident, command: ChangeSeverity, context: Context) -> Decision:
    """While it lasts: afterwards it counts as what it was."""
    if state.status == "resolved":
        return Refusal(INCIDENT_RESOLVED)
    if command.severity == state.severity:
        return ()
    return _if_room(state, SeverityChanged(command.severity, command.text, context.actor.id, context.now))


def decide_impact(state: Incident, command: DescribeImpact, context: Context) -> Decision:
    """Also after the end, as notes."""
    if command.text == state.impact:
        return ()
    return _if_room(state, ImpactDescribed(command.text, context.actor.id, context.now))


def _if_room(state: Incident, event: IncidentChange) -> Decision:
    return Refusal(TOO_MANY_NOTES) if len(state.timeline) >= MOST_ENTRIES else (event,)


def evolve(state: Incident | None, event: IncidentEvent) -> Incident:
    """The incident after one event."""
    if isinstance(event, IncidentOpened):
        entry = TimelineEntry(event.at, "opened", event.by, event.text)
        return Incident(event.subject, event.severity, event.title, event.runbook, "open", (entry,), tags=event.tags)
    if state is None:
        raise ValueError("an incident begins with incident-opened")
    return _changed(state, event)


def _changed(state: Incident, event: IncidentChange) -> Incident:
    match event:
        case IncidentAcknowledged():
            return replace(_told(state, "acknowledged", event), status="acknowledged", acknowledged_at=event.at, owner=event.by)
        case IncidentResolved():
            return replace(_told(state, "resolved", event), status="resolved", resolved_at=event.at)
        case IncidentAssigned():
            return replace(_told(state, "assigned", event), owner=event.owner)
        case SeverityChanged():
            return replace(_told(state, "severity-changed", event), severity=event.severity)
        case ImpactDescribed():
            return replace(_told(state, "impact", event), impact=event.text)
        case NoteAdded():
            return _told(state, "note", event)


def _told(state: Incident, type_: Happening, event: IncidentChange) -> Incident:
    return replace(state, timeline=(*state.timeline, TimelineEntry(event.at, type_, event.by, event.text)))


def view(snapshot: Snapshot) -> IncidentView:
    """The incident as callers see it."""
    state: Incident = snapshot.state
    opened = state.timeline[0].at
    return IncidentView(
        snapshot.id,
        state.subject,
        state.severity,
        state.title,
        state.runbook,
        state.status,
        state.owner,
        opened,
        state.acknowledged_at,
        state.resolved_at,
        _seconds(opened, state.acknowledged_at),
        _seconds(opened, state.resolved_at),
        state.tags,
        state.impact,
        state.timeline,
        snapshot.version,
    )


def _seconds(opened: datetime, then: datetime | None) -> float | None:
    return None if then is None else (then - opened).total_seconds()
