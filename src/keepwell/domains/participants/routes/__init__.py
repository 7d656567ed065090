"""The HTTP door of participants."""

from keepwell.domains.participants.models import ParticipantView
from keepwell.domains.participants.routes import examples
from keepwell.domains.participants.routes.bodies import (
    ParticipantFilter,
    ParticipantHistory,
    ParticipantHistoryPart,
    ParticipantList,
)
from keepwell.domains.participants.service import ParticipantService, told
from keepwell.kernel.http import Answer, Call, Endpoint

_TAG = "Participants"


class _Participants:
    def __init__(self, service: ParticipantService) -> None:
        self._service = service

    async def page(self, call: Call) -> Answer:
        query: ParticipantFilter = call.query
        found = await self._service.page(call.actor, call.origin, query.external_id, query.cursor, query.limit + 1)
        items = found[: query.limit]
        return Answer(200, ParticipantList(items, str(items[-1].id) if len(found) > query.limit else None))

    async def show(self, call: Call) -> Answer:
        seen = await self._service.show(call.actor, call.id, call.origin)
        return Answer(200, seen.body, {"etag": f'"{seen.version}"'})

    async def history(self, call: Call) -> Answer:
        part: ParticipantHistoryPart = call.query
        entries = await self._service.history(call.actor, call.id, call.origin)
        later = [entry for entry in entries if part.cursor is None or entry.version > part.cursor]
        items = [told(entry) for entry in later[: part.limit]]
        return Answer(200, ParticipantHistory(items, str(items[-1].version) if len(later) > part.limit else None))


def endpoints(service: ParticipantService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    handlers = _Participants(service)
    return (
        Endpoint(
            "GET",
            "/v1/participants",
            handlers.page,
            "List the clinic's participants",
            _TAG,
            query=ParticipantFilter,
            answers={200: ParticipantList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/participants/{id}",
            handlers.show,
            "Show a participant",
            _TAG,
            answers={200: ParticipantView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "GET",
            "/v1/participants/{id}/history",
            handlers.history,
            "Tell who said what of a participant, and when",
            _TAG,
            query=ParticipantHistoryPart,
            answers={200: ParticipantHistory},
            compressed=True,
            example=examples.HISTORY,
        ),
    )
