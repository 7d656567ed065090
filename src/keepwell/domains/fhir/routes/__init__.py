"""The HTTP door of FHIR R4."""

from importlib.metadata import version
from typing import Any

from keepwell.domains.fhir.errors import RESOURCE_ID
from keepwell.domains.fhir.models import BASE, FHIR_JSON
from keepwell.domains.fhir.routes import examples
from keepwell.domains.fhir.routes.exchange import PREFER, PROVENANCE, answer, caller_of, refused
from keepwell.domains.fhir.routes.resources import COMMON, TAG, WRITING, FormatOnly, resource_of, searching, storing
from keepwell.domains.fhir.rules.capabilities import capability_statement
from keepwell.domains.fhir.rules.types import TYPES
from keepwell.domains.fhir.service import FhirService
from keepwell.domains.fhir.service.bundles import run
from keepwell.domains.fhir.service.reading import check_format
from keepwell.kernel.http import Answer, Call, Endpoint, ErrorShape, Example
from keepwell.kernel.problems import METHOD_NOT_ALLOWED, NOT_FOUND, PRECONDITION_REQUIRED, VERSION_CONFLICT

SHAPES: dict[str, ErrorShape] = {BASE: refused}
"""Who makes the answers of refusals below the FHIR interface."""

_MOST_BYTES = 16_000_000
_Json = dict[str, Any]


class _Whole:
    """The operations on the interface as a whole."""

    def __init__(self, service: FhirService) -> None:
        self._service = service
        self.capabilities = capability_statement(TYPES, version("keepwell"))

    async def metadata(self, call: Call) -> Answer:
        check_format(call.pairs)
        return answer(self.capabilities)

    async def bundle(self, call: Call) -> Answer:
        check_format(call.pairs)
        found, replayed = await run(caller_of(call), self._service.kernel, self._service.sources, call.body, call.idempotency_key)
        return answer(found, {"idempotency-replayed": "true"} if replayed else {})

    async def event(self, call: Call) -> Answer:
        check_format(call.pairs)
        found = await self._service.events.one(caller_of(call), call.path["event"])
        return answer(found, {"etag": 'W/"1"'})


def endpoints(service: FhirService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    stored = [endpoint for facade in service.stored for endpoint in storing(facade)]
    events = searching(service.events, examples.EVENTS, examples.EVENTS_FORM, compressed=False)
    return (*_whole(_Whole(service)), *stored, *events)


def _whole(handlers: _Whole) -> tuple[Endpoint, ...]:
    read: _Json = {"tag": TAG, "query": FormatOnly, "pairs": True, "answers": {200: _Json}, **COMMON}
    bundle: _Json = {
        **read,
        "body": resource_of("Bundle", type={"enum": ["batch", "transaction"]}),
        "takes": FHIR_JSON,
        "body_limit": _MOST_BYTES,
        "headers": (PREFER, PROVENANCE),
        "problems": (*WRITING, NOT_FOUND, METHOD_NOT_ALLOWED, RESOURCE_ID, PRECONDITION_REQUIRED, VERSION_CONFLICT),
        "compressed": False,  # AuditEvents may be among what is read
        "example": examples.BUNDLE,
    }
    event: _Json = {**read, "etag": True, "compressed": False, "example": examples.EVENT}
    metadata: _Json = {**read, "public": True, "compressed": True, "example": Example(answer=handlers.capabilities)}
    summary = "Run a batch or a transaction"
    return (
        Endpoint("GET", f"{BASE}/metadata", handlers.metadata, "Tell what this server can do", **metadata),
        Endpoint("POST", BASE, handlers.bundle, summary, **bundle),
        Endpoint("POST", f"{BASE}/", handlers.bundle, f"{summary}, at the address with a slash", **bundle),
        Endpoint("GET", f"{BASE}/AuditEvent/{{event}}", handlers.event, "Read an AuditEvent", **event),
    )
