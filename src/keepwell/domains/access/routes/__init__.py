"""The HTTP door of emergency access. The answer that holds tokens is never compressed."""

import msgspec

from keepwell.domains.access.errors import (
    ALREADY_REVIEWED,
    EMERGENCY_UNDER_WAY,
    INVALID_EMERGENCY,
    NO_MORE_ACCESS,
    OWN_EMERGENCY,
)
from keepwell.domains.access.models import EmergencyView, EndEmergency, ReviewEmergency
from keepwell.domains.access.routes import examples
from keepwell.domains.access.routes.bodies import (
    EmergencyGranted,
    EmergencyList,
    EmergencyPart,
    EmergencyRequest,
    ReviewRequest,
)
from keepwell.domains.access.service import AccessService, starting
from keepwell.kernel.http import Answer, Call, Endpoint, answer, page_of
from keepwell.kernel.problems import NOT_FOUND

_TAG = "Emergency access"


class _Access:
    def __init__(self, service: AccessService) -> None:
        self._service = service

    async def start(self, call: Call) -> Answer:
        body: EmergencyRequest = call.body
        granted = await self._service.start(call.envelope(starting(body.reason, body.minutes, body.patient)))
        shown = msgspec.json.decode(granted.outcome.body, type=EmergencyView)
        made = answer(granted.outcome, 201, f"/v1/break-glass/{shown.id}")
        told = EmergencyGranted(**msgspec.structs.asdict(granted.pair), break_glass=shown)
        return Answer(201, told, made.headers)

    async def end(self, call: Call) -> Answer:
        return answer(await self._service.end(call.envelope(EndEmergency(call.id, "ended"))))

    async def page(self, call: Call) -> Answer:
        part: EmergencyPart = call.query
        found = await self._service.page(call.actor, call.origin, part.cursor, part.limit + 1, reviewed=part.reviewed)
        return Answer(200, EmergencyList(*page_of(found, part.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        found = await self._service.get(call.actor, call.id, call.origin)
        return Answer(200, found, {"etag": f'"{found.version}"'})

    async def review(self, call: Call) -> Answer:
        body: ReviewRequest = call.body
        return answer(await call.execute(ReviewEmergency(call.id, body.justified, body.finding)))


def endpoints(service: AccessService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    access = _Access(service)
    return (*_having(access), *_reviewing(access))


def _having(access: _Access) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/break-glass",
            access.start,
            "Begin emergency access: more for a short time, for a reason, to be reviewed",
            _TAG,
            body=EmergencyRequest,
            answers={201: EmergencyGranted},
            problems=(INVALID_EMERGENCY, NO_MORE_ACCESS, NOT_FOUND),
            etag=True,
            compressed=False,
            example=examples.START,
        ),
        Endpoint(
            "POST",
            "/v1/break-glass/{id}/end",
            access.end,
            "End emergency access before its time",
            _TAG,
            answers={200: EmergencyView},
            etag=True,
            compressed=True,
            example=examples.END,
        ),
    )


def _reviewing(access: _Access) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/break-glass",
            access.page,
            "List emergency access, the newest first",
            _TAG,
            query=EmergencyPart,
            answers={200: EmergencyList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/break-glass/{id}",
            access.show,
            "Show one time of emergency access",
            _TAG,
            answers={200: EmergencyView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "POST",
            "/v1/break-glass/{id}/review",
            access.review,
            "Say what was found about somebody else's emergency access",
            _TAG,
            body=ReviewRequest,
            answers={200: EmergencyView},
            problems=(ALREADY_REVIEWED, EMERGENCY_UNDER_WAY, INVALID_EMERGENCY, OWN_EMERGENCY),
            etag=True,
            compressed=True,
            example=examples.REVIEW,
        ),
    )
