"""Incidents: something is wrong and somebody has to look; one at a time about one thing, with all that happened meanwhile."""

from keepwell.domains.incidents.errors import INCIDENT_OPEN
from keepwell.domains.incidents.models import (
    AcknowledgeIncident,
    AddNote,
    AssignIncident,
    ChangeSeverity,
    DescribeImpact,
    Incident,
    IncidentEvent,
    IncidentView,
    OpenIncident,
    ResolveIncident,
    Severity,
    Status,
    TimelineEntry,
)
from keepwell.domains.incidents.rules.lifecycle import (
    decide_acknowledge,
    decide_assign,
    decide_impact,
    decide_note,
    decide_open,
    decide_resolve,
    decide_severity,
    evolve,
    owner_references,
    view,
)
from keepwell.domains.incidents.service import KIND, RESOURCE, IncidentService, Report
from keepwell.domains.incidents.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_UPDATE = Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=Incident,
        event=IncidentEvent,
        evolve=evolve,
        view=view,
        commands=(
            CommandType("incidents.open", OpenIncident, Permission(RESOURCE, "c"), decide_open, creates=True, guarded=False),
            CommandType("incidents.acknowledge", AcknowledgeIncident, _UPDATE, decide_acknowledge, guarded=False),
            CommandType("incidents.resolve", ResolveIncident, _UPDATE, decide_resolve, guarded=False),
            CommandType("incidents.note", AddNote, _UPDATE, decide_note, guarded=False),
            CommandType("incidents.assign", AssignIncident, _UPDATE, decide_assign, guarded=False, references=owner_references),
            CommandType("incidents.change-severity", ChangeSeverity, _UPDATE, decide_severity, guarded=False),
            CommandType("incidents.describe-impact", DescribeImpact, _UPDATE, decide_impact, guarded=False),
        ),
        lookup=LOOKUP,
    ),
)

__all__ = [
    "AGGREGATES",
    "INCIDENT_OPEN",
    "IncidentService",
    "IncidentView",
    "OpenIncident",
    "Report",
    "ResolveIncident",
    "Severity",
    "Status",
    "TimelineEntry",
]
