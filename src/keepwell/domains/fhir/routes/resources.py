"""The routes of one type of resource: made from the table that says what can be done with it."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from keepwell.domains.fhir.errors import MULTIPLE_MATCHES, RESOURCE_ID
from keepwell.domains.fhir.models import BASE, FHIR_JSON, OperationOutcome, ResourceType
from keepwell.domains.fhir.routes.examples import SHOWN, Shown
from keepwell.domains.fhir.routes.exchange import (
    IF_NONE_EXIST,
    PREFER,
    PROVENANCE,
    REFUSED_AS,
    answer,
    answered,
    caller_of,
    condition_of,
    judged_in,
    seen,
)
from keepwell.domains.fhir.rules.parameters import read_query
from keepwell.domains.fhir.service import Facade
from keepwell.domains.fhir.service.conditional import condition
from keepwell.domains.fhir.service.facade import Source
from keepwell.domains.fhir.service.interactions import create, update
from keepwell.domains.fhir.service.reading import check_format, read_history, read_one
from keepwell.domains.fhir.service.searching import search
from keepwell.domains.participants import INVALID_PARTICIPANT
from keepwell.domains.questionnaires import (
    QUESTIONNAIRE_EXISTS,
    QUESTIONNAIRE_INVALID,
    QUESTIONNAIRE_PUBLISHED,
    QUESTIONNAIRE_RETIRED,
)
from keepwell.domains.responses import (
    INVALID_ANSWERS,
    QUESTIONNAIRE_NOT_PUBLISHED,
    RESPONSE_INVALID,
    RESPONSE_NOT_SUBMITTED,
    RESPONSE_SUBMITTED,
    RESPONSE_VOIDED,
)
from keepwell.kernel import ProblemType
from keepwell.kernel.http import FORM, Answer, Call, Endpoint, Example
from keepwell.kernel.problems import CONFLICT, NOT_FOUND, VERSION_CONFLICT

TAG = "FHIR R4"
_Json = dict[str, Any]
_CREATING: dict[str, tuple[ProblemType, ...]] = {
    "Questionnaire": (QUESTIONNAIRE_INVALID, QUESTIONNAIRE_EXISTS),
    "QuestionnaireResponse": (NOT_FOUND, INVALID_ANSWERS, RESPONSE_INVALID, QUESTIONNAIRE_NOT_PUBLISHED),
    "Patient": (INVALID_PARTICIPANT, CONFLICT),
}
"""What may come of creating one."""

_UPDATING: dict[str, tuple[ProblemType, ...]] = {
    "Questionnaire": (QUESTIONNAIRE_INVALID, QUESTIONNAIRE_EXISTS, QUESTIONNAIRE_PUBLISHED, QUESTIONNAIRE_RETIRED),
    "QuestionnaireResponse": (
        INVALID_ANSWERS,
        RESPONSE_INVALID,
        RESPONSE_SUBMITTED,
        RESPONSE_NOT_SUBMITTED,
        RESPONSE_VOIDED,
    ),
    "Patient": (INVALID_PARTICIPANT,),
}
"""What may come of updating one."""

WRITING = (MULTIPLE_MATCHES, *dict.fromkeys(kind for kinds in (*_CREATING.values(), *_UPDATING.values()) for kind in kinds))
"""What may come of writing anything."""

Format = Literal["json", "application/json", "application/fhir+json"]
_SORTS = Literal["_id", "-_id", "_lastUpdated", "-_lastUpdated"]
_VALUE = Annotated[str, Meta(min_length=1)]
_DATE = Annotated[str, Meta(pattern="^(eq|ne|gt|lt|ge|le|sa|eb|ap)?[0-9]{4}")]


class FormatOnly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a read takes."""

    format: Format | None = msgspec.field(default=None, name="_format")


class HistoryParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a history: at most `_count` versions, those below `_before`, made at or after `_since`."""

    count: Annotated[int, Meta(ge=1)] | None = msgspec.field(default=None, name="_count")
    before: Annotated[int, Meta(ge=1)] | None = msgspec.field(default=None, name="_before")
    since: Annotated[str, Meta(pattern="^(eq)?[0-9]{4}")] | None = msgspec.field(default=None, name="_since")
    format: Format | None = msgspec.field(default=None, name="_format")


def search_parameters(type_: ResourceType) -> type[Any]:
    """What a search of this type takes, for the document. Parameters may be repeated, and values stand between commas."""
    kinds: dict[str, Any] = {one.name: _DATE if one.type == "date" else _VALUE for one in type_.parameters}
    kinds |= {"_count": Annotated[int, Meta(ge=0 if type_.finder else 1)], "_format": Format, "_cursor": _VALUE}
    if type_.finder is not None:
        kinds |= {"_sort": _SORTS, "_total": Literal["none", "estimate", "accurate"], "_summary": Literal["count", "false"]}
    fields = [
        (f"p{place}", kind | None, msgspec.field(default=None, name=name)) for place, (name, kind) in enumerate(kinds.items())
    ]
    return msgspec.defstruct(f"{type_.name}Search", fields, frozen=True, forbid_unknown_fields=True)


def resource_of(*types: str, **properties: Any) -> Any:
    """A body that is a resource of one of these types. What else it may hold, FHIR says."""
    schema = {"properties": {"resourceType": {"enum": list(types)}, **properties}, "required": ["resourceType", *properties]}
    return Annotated[_Json, Meta(extra_json_schema=schema)]


class _Searches:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def search(self, call: Call) -> Answer:
        caller = caller_of(call)
        query = read_query(self._source.type, call.pairs, lenient=caller.preferences.lenient)
        return answer(await search(caller, self._source, query))


class _Stored:
    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def read(self, call: Call) -> Answer:
        check_format(call.pairs)
        return seen(await read_one(caller_of(call), self._facade, str(call.id)))

    async def version(self, call: Call) -> Answer:
        check_format(call.pairs)
        return seen(await read_one(caller_of(call), self._facade, str(call.id), call.path["vid"]))

    async def history(self, call: Call) -> Answer:
        return answer(await read_history(caller_of(call), self._facade, str(call.id), call.pairs))

    async def create(self, call: Call) -> Answer:
        check_format(call.pairs)
        caller, text = caller_of(call), condition_of(call)
        meant = None if text is None else condition(self._facade, text)
        return answered(caller, await create(caller, self._facade, call.body, call.idempotency_key, meant))

    async def update(self, call: Call) -> Answer:
        check_format(call.pairs)
        caller = caller_of(call)
        done = await update(caller, self._facade, call.id, call.body, call.if_match, call.idempotency_key)
        return answered(caller, done)

    async def judge(self, call: Call) -> Answer:
        check_format(call.pairs)
        return answer(await self._facade.judge(caller_of(call), judged_in(call.body, self._facade.type.name)))


def searching(source: Source, found: Example, form: Example, *, compressed: bool) -> tuple[Endpoint, ...]:
    """The two ways to search a type; `form` is an example of the second."""
    handlers, type_ = _Searches(source), source.type
    parameters = search_parameters(type_)
    shared: _Json = {
        "tag": TAG,
        "query": parameters,
        "pairs": True,
        "answers": {200: _Json},
        "headers": (PREFER,),
        "compressed": compressed,
        **COMMON,
    }
    path, summary = f"{BASE}/{type_.name}", f"Search {type_.name}"
    return (
        Endpoint("GET", path, handlers.search, summary, example=found, **shared),
        Endpoint(
            "POST",
            f"{path}/_search",
            handlers.search,
            f"{summary}, with the parameters in a form",
            body=parameters,
            takes=FORM,
            idempotent=False,
            example=form,
            **shared,
        ),
    )


COMMON: _Json = {"door": "fhir", "media": FHIR_JSON, "refused_as": REFUSED_AS}
"""What all operations of the FHIR interface have in common."""


def storing(facade: Facade) -> tuple[Endpoint, ...]:
    """Everything that can be done with a type that is stored."""
    handlers, name, shown = _Stored(facade), facade.type.name, SHOWN[facade.type.name]
    return (
        *searching(facade, shown.search, shown.form, compressed=True),
        *_reading(handlers, name, shown),
        *_writing(handlers, name, shown),
    )


def _reading(handlers: _Stored, name: str, shown: Shown) -> tuple[Endpoint, ...]:
    path = f"{BASE}/{name}"
    common: _Json = {"tag": TAG, "pairs": True, "answers": {200: _Json}, "compressed": True, **COMMON}
    read: _Json = {**common, "query": FormatOnly, "etag": True}
    past = f"{path}/{{id}}/_history/{{vid}}"
    return (
        Endpoint("GET", f"{path}/{{id}}", handlers.read, f"Read a {name}", example=shown.read, **read),
        Endpoint("GET", past, handlers.version, f"Read a version of a {name}", example=shown.past, **read),
        Endpoint(
            "GET",
            f"{path}/{{id}}/_history",
            handlers.history,
            f"List the versions of a {name}, the newest first",
            query=HistoryParameters,
            example=shown.history,
            **common,
        ),
    )


def _writing(handlers: _Stored, name: str, shown: Shown) -> tuple[Endpoint, ...]:
    path = f"{BASE}/{name}"
    write: _Json = {"tag": TAG, "query": FormatOnly, "pairs": True, "takes": FHIR_JSON, "compressed": True, **COMMON}
    return (
        Endpoint(
            "POST",
            path,
            handlers.create,
            f"Create a {name}",
            body=resource_of(name),
            answers={201: _Json, 200: _Json},
            problems=(*_CREATING[name], MULTIPLE_MATCHES),
            headers=(PREFER, IF_NONE_EXIST),
            etag=True,
            example=shown.create,
            **write,
        ),
        Endpoint(
            "PUT",
            f"{path}/{{id}}",
            handlers.update,
            f"Update a {name}",
            body=resource_of(name),
            answers={200: _Json},
            problems=(*_UPDATING[name], RESOURCE_ID, VERSION_CONFLICT),
            headers=(PREFER, PROVENANCE),
            guarded=True,
            etag=True,
            example=shown.update,
            **write,
        ),
        Endpoint(
            "POST",
            f"{path}/$validate",
            handlers.judge,
            f"Judge a {name} without storing it",
            body=resource_of(name, "Parameters"),
            answers={200: OperationOutcome},
            problems=(NOT_FOUND,),
            idempotent=False,
            example=shown.judge,
            **write,
        ),
    )
