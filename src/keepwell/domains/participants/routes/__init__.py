"""The HTTP door of participants."""

from keepwell.domains.participants.errors import INVALID_MERGE, PARTICIPANT_MERGED
from keepwell.domains.participants.models import MergeParticipant, ParticipantView, UnmergeParticipant
from keepwell.domains.participants.routes import examples
from keepwell.domains.participants.routes.bodies import (
    Merging,
    ParticipantFilter,
    ParticipantHistory,
    ParticipantList,
    Unmerging,
)
from keepwell.domains.participants.service import ParticipantService, told
from keepwell.kernel.http import Answer, Call, Endpoint, HistoryPart, answer, page_of

_TAG = "Participants"


class _Participants:
    def __init__(self, service: ParticipantService) -> None:
        self._service = service

    async def page(self, call: Call) -> Answer:
        query: ParticipantFilter = call.query
        found = await self._service.page(call.actor, call.origin, query.external_id, query.cursor, query.limit + 1)
        return Answer(200, ParticipantList(*page_of(found, query.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        seen = await self._service.show(call.actor, call.id, call.origin)
        return Answer(200, seen.body, {"etag": f'"{seen.version}"'})

    async def history(self, call: Call) -> Answer:
        part: HistoryPart = call.query
        entries = await self._service.history(call.actor, call.id, call.origin)
        later = [entry for entry in entries if part.cursor is None or entry.version > part.cursor]
        shown, cursor = page_of(later, part.limit, lambda entry: entry.version)
        return Answer(200, ParticipantHistory([told(entry) for entry in shown], cursor))

    async def merge(self, call: Call) -> Answer:
        body: Merging = call.body
        return answer(await call.execute(MergeParticipant(call.id, body.into, body.reason)))

    async def unmerge(self, call: Call) -> Answer:
        body: Unmerging = call.body
        return answer(await call.execute(UnmergeParticipant(call.id, body.reason)))


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
            query=HistoryPart,
            answers={200: ParticipantHistory},
            compressed=True,
            example=examples.HISTORY,
        ),
        *_merging(handlers),
    )


def _merging(handlers: _Participants) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/participants/{id}/merge",
            handlers.merge,
            "Say that a record is of the same person as another one",
            _TAG,
            body=Merging,
            answers={200: ParticipantView},
            problems=(INVALID_MERGE, PARTICIPANT_MERGED),
            etag=True,
            guarded=True,
            compressed=True,
            example=examples.MERGE,
        ),
        Endpoint(
            "POST",
            "/v1/participants/{id}/unmerge",
            handlers.unmerge,
            "Take a merge back",
            _TAG,
            body=Unmerging,
            answers={200: ParticipantView},
            problems=(INVALID_MERGE,),
            etag=True,
            guarded=True,
            compressed=True,
            example=examples.UNMERGE,
        ),
    )
