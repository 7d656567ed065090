"""One response at a time: beginning, changing, closing, reading."""

from datetime import datetime
from typing import Any

from keepwell.domains.responses.errors import (
    INVALID_ANSWERS,
    MERGE_CONFLICT,
    QUESTIONNAIRE_NOT_PUBLISHED,
    RESPONSE_INVALID,
    RESPONSE_NOT_SUBMITTED,
    RESPONSE_SUBMITTED,
    RESPONSE_VOIDED,
)
from keepwell.domains.responses.models import (
    AddRow,
    AmendResponse,
    CreateResponse,
    PatchResponse,
    RemoveRow,
    ResponseView,
    RowView,
    SubmitResponse,
    VoidResponse,
)
from keepwell.domains.responses.routes import examples
from keepwell.domains.responses.routes.bodies import (
    Amendment,
    AnswerChanges,
    Candidate,
    Conflicting,
    Ends,
    Filter,
    History,
    MergeRequest,
    Moment,
    NewResponse,
    NewRow,
    Reason,
    ResponseList,
)
from keepwell.domains.responses.rules.evolution import newest_row, view
from keepwell.domains.responses.service import Diff, MergePreview, ResponseService, ResponseVerdict, told
from keepwell.kernel import Outcome, Snapshot
from keepwell.kernel.http import Answer, Call, Endpoint, HistoryPart, answer, converted, page_of
from keepwell.kernel.problems import INVALID_BODY, INVALID_PARAMETER, NOT_FOUND, VERSION_CONFLICT, Fault, Refusal, Refused
from keepwell.kit.ids import new_id, parse_id

_TAG = "Responses"


def begun(outcome: Outcome) -> Answer:
    """What who began a response is answered."""
    return answer(outcome, 201, f"/v1/responses/{outcome.id}")


def row_added(outcome: Outcome, group: str) -> Answer:
    """What who added a row to this group is answered."""
    row = newest_row(outcome.body, group)
    return Answer(201, row, answer(outcome, location=f"/v1/responses/{outcome.id}/rows/{row.id}").headers)


class _Changes:
    def __init__(self, service: ResponseService) -> None:
        self._service = service

    async def create(self, call: Call) -> Answer:
        body: NewResponse = call.body
        questionnaire = await self._service.questionnaire(call.actor, body.questionnaire, call.origin)
        return begun(await call.execute(CreateResponse(new_id(), questionnaire, body.subject, body.answers)))

    async def patch(self, call: Call) -> Answer:
        return answer(await call.execute(PatchResponse(call.id, call.body.answers), merge=await self._merges(call)))

    async def merge(self, call: Call) -> Answer:
        body: MergeRequest = call.body
        return Answer(200, await self._service.preview(call.actor, call.id, body.base_version, body.answers, call.origin))

    async def add_row(self, call: Call) -> Answer:
        body: NewRow = call.body
        return row_added(await call.execute(AddRow(call.id, body.group, body.answers)), body.group)

    async def remove_row(self, call: Call) -> Answer:
        row = parse_id(call.path["row"])
        if row is None:
            raise Refused(Refusal(NOT_FOUND))
        return answer(await call.execute(RemoveRow(call.id, row), merge=await self._merges(call)))

    async def _merges(self, call: Call) -> bool:
        return await self._service.merges(call.actor, call.query.on_conflict)

    async def submit(self, call: Call) -> Answer:
        return answer(await call.execute(SubmitResponse(call.id)))

    async def amend(self, call: Call) -> Answer:
        body: Amendment = call.body
        return answer(await call.execute(AmendResponse(call.id, body.reason, body.answers)))

    async def void(self, call: Call) -> Answer:
        return answer(await call.execute(VoidResponse(call.id, call.body.reason)))


class _Reads:
    def __init__(self, service: ResponseService) -> None:
        self._service = service

    async def show(self, call: Call) -> Answer:
        moment: Moment = call.query
        if moment.version is None and moment.at is None:
            seen = await self._service.show(call.actor, call.id, call.origin)
            return Answer(200, seen.body, {"etag": f'"{seen.version}"'})
        snapshot = await self._past(call, moment.version, moment.at)
        return Answer(200, view(snapshot), {"etag": f'"{snapshot.version}"'})

    async def _past(self, call: Call, version: int | None, instant: datetime | None) -> Snapshot:
        if instant is None:
            return await self._service.at_version(call.actor, call.id, call.origin, version or 0)
        if version is None:
            return await self._service.at_instant(call.actor, call.id, call.origin, instant)
        raise Refused(Refusal(INVALID_PARAMETER, faults=(Fault("?at", "either-or", "Send version or at, not both."),)))

    async def history(self, call: Call) -> Answer:
        part: HistoryPart = call.query
        entries = await self._service.history(call.actor, call.id, call.origin)
        later = [entry for entry in entries if part.cursor is None or entry.version > part.cursor]
        shown, cursor = page_of(later, part.limit, lambda entry: entry.version)
        return Answer(200, History([told(entry) for entry in shown], cursor))

    async def diff(self, call: Call) -> Answer:
        ends: Ends = call.query
        return Answer(200, await self._service.diff(call.actor, call.id, call.origin, ends.from_, ends.to))

    async def page(self, call: Call) -> Answer:
        query: Filter = call.query
        filters = {"questionnaire": query.questionnaire, "subject": query.subject, "status": query.status}
        found = await self._service.page(call.actor, call.origin, filters, query.cursor, query.limit + 1)
        return Answer(200, ResponseList(*page_of(found, query.limit, lambda one: one.id)))

    async def judge(self, call: Call) -> Answer:
        if "resourceType" in call.body:
            if call.body["resourceType"] != "QuestionnaireResponse":
                fault = Fault("/resourceType", "not-allowed", "This must be QuestionnaireResponse.")
                raise Refused(Refusal(INVALID_BODY, faults=(fault,)))
            return Answer(200, await self._service.judge.resource(call.actor, call.body, call.origin))
        body = converted(call.body, Candidate)
        questionnaire = await self._service.questionnaire(call.actor, body.questionnaire, call.origin)
        strict = body.status == "completed"
        found = await self._service.judge.answers(call.actor, questionnaire, body.answers, call.origin, strict=strict)
        return Answer(200, found)

    async def judge_stored(self, call: Call) -> Answer:
        snapshot = await self._service.get(call.actor, call.id, call.origin, "validate")
        return Answer(200, await self._service.judge.stored(call.actor, snapshot, call.origin))


def endpoints(service: ResponseService) -> tuple[Endpoint, ...]:
    """Every route for one response."""
    changes, reads = _Changes(service), _Reads(service)
    return (*_editing(changes), *_rows(changes), *_closing(changes), *_looking(reads), *_judging(reads))


def _editing(changes: _Changes) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "PATCH",
            "/v1/responses/{id}",
            changes.patch,
            "Change the answers named, and no others",
            _TAG,
            body=AnswerChanges,
            query=Conflicting,
            answers={200: ResponseView},
            problems=(INVALID_ANSWERS, RESPONSE_SUBMITTED, RESPONSE_VOIDED, MERGE_CONFLICT),
            hot=True,
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.PATCH,
        ),
        Endpoint(
            "POST",
            "/v1/responses/{id}/merge",
            changes.merge,
            "Show what would become of a change made from an older version, without storing it",
            _TAG,
            body=MergeRequest,
            answers={200: MergePreview},
            problems=(INVALID_ANSWERS, RESPONSE_SUBMITTED, RESPONSE_VOIDED, VERSION_CONFLICT),
            idempotent=False,
            compressed=True,
            example=examples.MERGE,
        ),
        Endpoint(
            "POST",
            "/v1/responses",
            changes.create,
            "Begin a response to a published questionnaire",
            _TAG,
            body=NewResponse,
            answers={201: ResponseView},
            problems=(NOT_FOUND, INVALID_ANSWERS, QUESTIONNAIRE_NOT_PUBLISHED),
            etag=True,
            compressed=True,
            example=examples.CREATE,
        ),
    )


def _rows(changes: _Changes) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/responses/{id}/rows",
            changes.add_row,
            "Add a row to a repeating group",
            _TAG,
            body=NewRow,
            answers={201: RowView},
            problems=(INVALID_ANSWERS, RESPONSE_SUBMITTED, RESPONSE_VOIDED, VERSION_CONFLICT),
            etag=True,
            compressed=True,
            example=examples.ADD_ROW,
        ),
        Endpoint(
            "DELETE",
            "/v1/responses/{id}/rows/{row}",
            changes.remove_row,
            "Remove a row of a repeating group with all that is in it",
            _TAG,
            query=Conflicting,
            answers={200: ResponseView},
            problems=(RESPONSE_SUBMITTED, RESPONSE_VOIDED, MERGE_CONFLICT),
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.REMOVE_ROW,
        ),
    )


def _closing(changes: _Changes) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/responses/{id}/submit",
            changes.submit,
            "Declare a response complete",
            _TAG,
            answers={200: ResponseView},
            problems=(RESPONSE_INVALID, RESPONSE_SUBMITTED, RESPONSE_VOIDED),
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.SUBMIT,
        ),
        Endpoint(
            "POST",
            "/v1/responses/{id}/amend",
            changes.amend,
            "Correct a submitted response, saying why; the version before is kept",
            _TAG,
            body=Amendment,
            answers={200: ResponseView},
            problems=(INVALID_ANSWERS, RESPONSE_INVALID, RESPONSE_NOT_SUBMITTED, RESPONSE_VOIDED),
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.AMEND,
        ),
        Endpoint(
            "POST",
            "/v1/responses/{id}/void",
            changes.void,
            "Declare a response entered in error, saying why: it can only be read from then on",
            _TAG,
            body=Reason,
            answers={200: ResponseView},
            problems=(RESPONSE_VOIDED,),
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.VOID,
        ),
    )


def _looking(reads: _Reads) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/responses/{id}",
            reads.show,
            "Show a response, as it is or as it was",
            _TAG,
            query=Moment,
            answers={200: ResponseView},
            hot=True,
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "GET",
            "/v1/responses",
            reads.page,
            "List the clinic's responses",
            _TAG,
            query=Filter,
            answers={200: ResponseList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/responses/{id}/history",
            reads.history,
            "Tell who changed what, and when",
            _TAG,
            query=HistoryPart,
            answers={200: History},
            compressed=True,
            example=examples.HISTORY,
        ),
        Endpoint(
            "GET",
            "/v1/responses/{id}/diff",
            reads.diff,
            "Compare two versions",
            _TAG,
            query=Ends,
            answers={200: Diff},
            compressed=True,
            example=examples.DIFF,
        ),
    )


def _judging(reads: _Reads) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/responses/$validate",
            reads.judge,
            "Judge answers, or a FHIR QuestionnaireResponse, without storing them",
            _TAG,
            body=dict[str, Any],
            answers={200: ResponseVerdict},
            problems=(NOT_FOUND, QUESTIONNAIRE_NOT_PUBLISHED),
            idempotent=False,
            compressed=True,
            example=examples.JUDGE,
        ),
        Endpoint(
            "POST",
            "/v1/responses/{id}/$validate",
            reads.judge_stored,
            "Judge a response as it is stored",
            _TAG,
            answers={200: ResponseVerdict},
            problems=(NOT_FOUND,),
            idempotent=False,
            compressed=True,
            example=examples.JUDGE_STORED,
        ),
    )
