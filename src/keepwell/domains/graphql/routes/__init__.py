"""The GraphQL door, and what is told about it."""

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.graphql.errors import (
    INTROSPECTION_OFF,
    LEGACY_DOOR_CLOSED,
    QUERY_INVALID,
    QUERY_MALFORMED,
    QUERY_TOO_COSTLY,
    QUERY_TOO_DEEP,
    QUERY_TOO_LONG,
    TOO_MANY_ALIASES,
)
from keepwell.domains.graphql.models import GUIDE, SINCE, SUNSET, Use
from keepwell.domains.graphql.routes import guide
from keepwell.domains.graphql.routes.documents import Reader
from keepwell.domains.graphql.routes.envelope import refused
from keepwell.domains.graphql.routes.execution import Execution, Outages
from keepwell.domains.graphql.routes.schema import make_schema
from keepwell.domains.graphql.service import GraphQLService
from keepwell.kernel import Refusal, Refused
from keepwell.kernel.http import (
    USUAL_PAGE,
    Answer,
    Call,
    Deprecation,
    Endpoint,
    ErrorShape,
    Example,
    PageLimit,
    RefusalForm,
    page_of,
)
from keepwell.kernel.http.inside import Inside

PATH = "/graphql"
_TAG = "Legacy"
_ISO_SUNSET = SUNSET.isoformat().replace("+00:00", "Z")
SHAPES: dict[str, ErrorShape] = {PATH: refused}
"""How refusals are answered here."""


class GraphQLRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request by the GraphQL over HTTP draft. `extensions` are taken and mean nothing here."""

    query: str
    operationName: str | None = None  # noqa: N815 - GraphQL's own name
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class GraphQLAnswer(msgspec.Struct, frozen=True):
    """What was executed. Errors have the codes of REST in `extensions`."""

    data: dict[str, Any] | None
    extensions: dict[str, Any]
    errors: list[dict[str, Any]] = []


class GraphQLRefusal(msgspec.Struct, frozen=True):
    """What was not executed, and why."""

    errors: list[dict[str, Any]]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the list: `cursor` is that which the part before ended with."""

    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


class LegacyUses(msgspec.Struct, frozen=True):
    """Who still uses what, by operation and client; until when it is there, and the way out."""

    items: list[Use]
    next: str | None
    sunset: str
    guide: str


_RESPONSE = "01994fa0-37b8-7d1f-9a64-4e5c8b2d0f61"
_EXAMPLE = Example(
    {"query": "query One($id: ID!) { response(id: $id) { version answers etag } }", "variables": {"id": _RESPONSE}},
    {
        "data": {
            "response": {
                "version": 2,
                "answers": {
                    "mood": {"system": "https://clinic.example/fhir/CodeSystem/mood", "code": "well", "display": "Well"},
                    "weight": 71.5,
                },
                "etag": '"2"',
            }
        },
        "extensions": {"deprecated": {"sunset": SUNSET, "guide": GUIDE, "replaced_by": {"response": "GET /v1/responses/{id}"}}},
    },
    (Refusal(LEGACY_DOOR_CLOSED, extra={"guide": GUIDE}),),
)
_USES = LegacyUses(
    [
        Use(
            operation="response",
            client=UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"),
            count=1,
            first_at=SINCE,
            last_at=SINCE,
            replaced_by="GET /v1/responses/{id}",
        )
    ],
    None,
    _ISO_SUNSET,
    GUIDE,
)


class _Door:
    def __init__(self, service: GraphQLService, endpoints: Iterable[Endpoint], outages: Outages, *, introspection: bool) -> None:
        self._service = service
        self._inside = Inside(endpoints, service.kernel)
        self._outages = outages
        self._schema = make_schema()
        self._reader = Reader(self._schema, introspection=introspection)

    async def execute(self, call: Call) -> Answer:
        if not await self._service.is_open(call.actor):
            detail = f"It is closed for this clinic; {GUIDE} shows the way to REST."
            raise Refused(Refusal(LEGACY_DOOR_CLOSED, detail, extra={"guide": GUIDE}))
        asked: GraphQLRequest = call.body
        variables = dict(asked.variables or {})
        document = await self._reader.read(asked.query, asked.operationName, variables)
        return await Execution(self._service, self._inside, self._outages, call).answer(self._schema, document, variables)


async def _usage(service: GraphQLService, call: Call) -> Answer:
    part: Part = call.query
    found = await service.usage(call.actor, call.origin)
    later = [use for use in found if part.cursor is None or _place(use) > part.cursor]
    return Answer(200, LegacyUses(*page_of(later, part.limit, _place), _ISO_SUNSET, GUIDE))


def _place(use: Use) -> str:
    return f"{use.operation}/{use.client}"


def endpoints(
    service: GraphQLService, translated: Iterable[Endpoint], outages: Outages, *, introspection: bool
) -> tuple[Endpoint, ...]:
    """Every route of the room. `translated` are the operations that queries and mutations stand for."""
    door = _Door(service, translated, outages, introspection=introspection)
    return (
        Endpoint(
            "POST",
            PATH,
            door.execute,
            "Execute a GraphQL document: the old way to questionnaires and responses",
            _TAG,
            body=GraphQLRequest,
            answers={200: GraphQLAnswer},
            refused_as=RefusalForm("application/json", GraphQLRefusal, refused),
            problems=(
                QUERY_MALFORMED,
                QUERY_INVALID,
                QUERY_TOO_LONG,
                QUERY_TOO_DEEP,
                QUERY_TOO_COSTLY,
                TOO_MANY_ALIASES,
                INTROSPECTION_OFF,
                LEGACY_DOOR_CLOSED,
            ),
            idempotent=False,
            door="graphql",
            compressed=True,
            example=_EXAMPLE,
            deprecated=Deprecation(SINCE, SUNSET, GUIDE, "/v1/responses"),
        ),
        Endpoint(
            "GET",
            "/v1/legacy/usage",
            partial(_usage, service),
            "List who still uses what of the GraphQL door, and the REST call that replaces it",
            _TAG,
            query=Part,
            answers={200: LegacyUses},
            compressed=True,
            example=Example(answer=_USES),
        ),
        guide.endpoint(GUIDE),
    )
