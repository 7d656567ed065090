"""The HTTP door of questionnaires."""

from typing import Any

from keepwell.domains.questionnaires.errors import (
    QUESTIONNAIRE_EXISTS,
    QUESTIONNAIRE_INVALID,
    QUESTIONNAIRE_PUBLISHED,
    QUESTIONNAIRE_RETIRED,
)
from keepwell.domains.questionnaires.models import (
    CreateQuestionnaire,
    PublishQuestionnaire,
    QuestionnaireView,
    ReplaceQuestionnaire,
    RetireQuestionnaire,
)
from keepwell.domains.questionnaires.routes import examples
from keepwell.domains.questionnaires.routes.bodies import Filter, QuestionnaireList
from keepwell.domains.questionnaires.service import Judgement, QuestionnaireService
from keepwell.kernel.http import Answer, Call, Endpoint, answer, page_of
from keepwell.kernel.problems import INVALID_PARAMETER, VERSION_CONFLICT, Fault, Refusal, Refused
from keepwell.kit.ids import new_id, parse_id

_TAG = "Questionnaires"


class _Questionnaires:
    def __init__(self, service: QuestionnaireService) -> None:
        self._service = service

    async def create(self, call: Call) -> Answer:
        outcome = await call.execute(CreateQuestionnaire(new_id(), call.body))
        return answer(outcome, 201, f"/v1/questionnaires/{outcome.id}")

    async def page(self, call: Call) -> Answer:
        query: Filter = call.query
        before = None if query.cursor is None else parse_id(query.cursor)
        if query.cursor is not None and before is None:
            raise Refused(
                Refusal(INVALID_PARAMETER, faults=(Fault("?cursor", "invalid-cursor", "Send a cursor this list gave."),))
            )
        filters = {"status": query.status, "url": query.url}
        found = await self._service.page(call.actor, call.origin, filters, before, query.limit + 1)
        return Answer(200, QuestionnaireList(*page_of(found, query.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        seen = await self._service.show(call.actor, call.id, call.origin)
        return Answer(200, seen.body, {"etag": f'"{seen.version}"'})

    async def replace(self, call: Call) -> Answer:
        return answer(await call.execute(ReplaceQuestionnaire(call.id, call.body)))

    async def publish(self, call: Call) -> Answer:
        return answer(await call.execute(PublishQuestionnaire(call.id)))

    async def retire(self, call: Call) -> Answer:
        return answer(await call.execute(RetireQuestionnaire(call.id)))

    async def judge(self, call: Call) -> Answer:
        return Answer(200, await self._service.judge(call.actor, call.body, call.origin))


def endpoints(service: QuestionnaireService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    handlers = _Questionnaires(service)
    # $validate stands among the reads: a path with {id} before it would take it.
    return (*_reads(handlers), *_changes(handlers))


def _changes(handlers: _Questionnaires) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/questionnaires",
            handlers.create,
            "Store a FHIR R4 Questionnaire, as a draft or published at once",
            _TAG,
            body=dict[str, Any],
            answers={201: QuestionnaireView},
            problems=(QUESTIONNAIRE_INVALID, QUESTIONNAIRE_EXISTS),
            etag=True,
            compressed=True,
            example=examples.CREATE,
        ),
        Endpoint(
            "PUT",
            "/v1/questionnaires/{id}",
            handlers.replace,
            "Replace a draft",
            _TAG,
            body=dict[str, Any],
            answers={200: QuestionnaireView},
            problems=(QUESTIONNAIRE_INVALID, QUESTIONNAIRE_EXISTS, QUESTIONNAIRE_PUBLISHED, QUESTIONNAIRE_RETIRED),
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.REPLACE,
        ),
        Endpoint(
            "POST",
            "/v1/questionnaires/{id}/publish",
            handlers.publish,
            "Publish a draft: it never changes again and takes answers",
            _TAG,
            answers={200: QuestionnaireView},
            problems=(QUESTIONNAIRE_RETIRED, VERSION_CONFLICT),
            etag=True,
            compressed=True,
            example=examples.PUBLISH,
        ),
        Endpoint(
            "POST",
            "/v1/questionnaires/{id}/retire",
            handlers.retire,
            "Close a questionnaire to new responses",
            _TAG,
            answers={200: QuestionnaireView},
            problems=(VERSION_CONFLICT,),
            etag=True,
            compressed=True,
            example=examples.RETIRE,
        ),
    )


def _reads(handlers: _Questionnaires) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/questionnaires/$validate",
            handlers.judge,
            "Judge a FHIR R4 Questionnaire without storing it",
            _TAG,
            body=dict[str, Any],
            answers={200: Judgement},
            idempotent=False,
            compressed=True,
            example=examples.JUDGE,
        ),
        Endpoint(
            "GET",
            "/v1/questionnaires",
            handlers.page,
            "List the clinic's questionnaires",
            _TAG,
            query=Filter,
            answers={200: QuestionnaireList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/questionnaires/{id}",
            handlers.show,
            "Show a questionnaire",
            _TAG,
            answers={200: QuestionnaireView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
    )
