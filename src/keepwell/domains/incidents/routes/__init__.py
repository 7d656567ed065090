"""The HTTP door of incidents."""

from keepwell.domains.incidents.errors import INCIDENT_RESOLVED, TOO_MANY_NOTES, UNKNOWN_OWNER
from keepwell.domains.incidents.models import (
    AcknowledgeIncident,
    AddNote,
    AssignIncident,
    ChangeSeverity,
    DescribeImpact,
    Filter,
    IncidentView,
    ResolveIncident,
)
from keepwell.domains.incidents.routes import examples
from keepwell.domains.incidents.routes.bodies import (
    Assignment,
    Days,
    IncidentList,
    IncidentPart,
    IncidentTimes,
    Judgement,
    Note,
    Remark,
)
from keepwell.domains.incidents.service import IncidentService
from keepwell.kernel import Command
from keepwell.kernel.http import Answer, Call, Endpoint, answer, page_of

_TAG = "Incidents"
_MARKDOWN = "text/markdown; charset=utf-8"


class _Incidents:
    def __init__(self, service: IncidentService) -> None:
        self._service = service

    async def page(self, call: Call) -> Answer:
        part: IncidentPart = call.query
        wanted = Filter(part.status, part.severity, part.subject, part.tag)
        found = await self._service.page(call.actor, call.origin, wanted, part.cursor, part.limit + 1)
        return Answer(200, IncidentList(*page_of(found, part.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        incident = await self._service.get(call.actor, call.id, call.origin)
        return Answer(200, incident, {"etag": f'"{incident.version}"'})

    async def postmortem(self, call: Call) -> Answer:
        text = await self._service.postmortem(call.actor, call.id, call.origin)
        return Answer(200, text.encode(), content_type=_MARKDOWN)

    async def times(self, call: Call) -> Answer:
        days: int = call.query.days
        return Answer(200, IncidentTimes(days, await self._service.times(call.actor, call.origin, days)))

    async def acknowledge(self, call: Call) -> Answer:
        return await self._done(call, AcknowledgeIncident(call.id, call.body.text))

    async def resolve(self, call: Call) -> Answer:
        return await self._done(call, ResolveIncident(call.id, call.body.text))

    async def note(self, call: Call) -> Answer:
        return await self._done(call, AddNote(call.id, call.body.text))

    async def assign(self, call: Call) -> Answer:
        body: Assignment = call.body
        return await self._done(call, AssignIncident(call.id, body.owner, body.text))

    async def judge(self, call: Call) -> Answer:
        body: Judgement = call.body
        return await self._done(call, ChangeSeverity(call.id, body.severity, body.text))

    async def impact(self, call: Call) -> Answer:
        return await self._done(call, DescribeImpact(call.id, call.body.text))

    async def _done(self, call: Call, command: Command) -> Answer:
        return answer(await call.execute(command))


def endpoints(service: IncidentService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    incidents = _Incidents(service)
    return (*_reads(incidents), *_actions(incidents))


def _reads(incidents: _Incidents) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/incidents",
            incidents.page,
            "List the clinic's incidents, the newest first",
            _TAG,
            query=IncidentPart,
            answers={200: IncidentList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/incidents/{id}",
            incidents.show,
            "Show an incident with all that happened",
            _TAG,
            answers={200: IncidentView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "GET",
            "/v1/incidents/{id}/postmortem",
            incidents.postmortem,
            "Draft a postmortem from the record, in Markdown",
            _TAG,
            answers={200: bytes},
            media=_MARKDOWN,
            compressed=True,
            example=examples.POSTMORTEM,
        ),
        Endpoint(
            "GET",
            "/v1/incidents/times",
            incidents.times,
            "Tell how long it took to acknowledge and to resolve incidents",
            _TAG,
            query=Days,
            answers={200: IncidentTimes},
            compressed=True,
            example=examples.TIMES,
        ),
    )


def _actions(incidents: _Incidents) -> tuple[Endpoint, ...]:
    described = (
        (
            "assign",
            incidents.assign,
            "Give an incident to somebody",
            Assignment,
            (UNKNOWN_OWNER, TOO_MANY_NOTES),
            examples.ASSIGN,
        ),
        (
            "severity",
            incidents.judge,
            "Say that an incident is worse, or less bad",
            Judgement,
            (INCIDENT_RESOLVED, TOO_MANY_NOTES),
            examples.SEVERITY,
        ),
        ("impact", incidents.impact, "Say whom an incident hurts, and how much", Note, (TOO_MANY_NOTES,), examples.IMPACT),
        ("acknowledge", incidents.acknowledge, "Take an incident on", Remark, (INCIDENT_RESOLVED,), examples.ACKNOWLEDGE),
        ("notes", incidents.note, "Write something down about an incident", Note, (TOO_MANY_NOTES,), examples.NOTE),
        ("resolve", incidents.resolve, "Say that an incident is over", Remark, (), examples.RESOLVE),
    )
    return tuple(
        Endpoint(
            "POST",
            f"/v1/incidents/{{id}}/{action}",
            handler,
            summary,
            _TAG,
            body=body,
            body_required=body is not Remark,
            answers={200: IncidentView},
            problems=problems,
            etag=True,
            compressed=True,
            example=example,
        )
        for action, handler, summary, body, problems, example in described
    )
