"""The HTTP door of anomalies."""

from keepwell.domains.anomalies.routes import examples
from keepwell.domains.anomalies.routes.bodies import AnomalyList
from keepwell.domains.anomalies.service import AnomalyService
from keepwell.kernel.http import Answer, Call, Endpoint, Part, page_of


class _Anomalies:
    def __init__(self, service: AnomalyService) -> None:
        self._service = service

    async def page(self, call: Call) -> Answer:
        part: Part = call.query
        found = await self._service.page(call.actor, call.id, call.origin, part.cursor, part.limit + 1)
        return Answer(200, AnomalyList(*page_of(found, part.limit, lambda one: one.id)))


def endpoints(service: AnomalyService) -> tuple[Endpoint, ...]:
    """Every route of the room. Its answers hold numbers and ids, so they may be compressed."""
    return (
        Endpoint(
            "GET",
            "/v1/monitors/{id}/anomalies",
            _Anomalies(service).page,
            "List when latency or errors were not as usual, the newest first",
            "Monitors",
            query=Part,
            answers={200: AnomalyList},
            compressed=True,
            example=examples.PAGE,
        ),
    )
