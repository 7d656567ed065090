"""Judging answers without storing them: what is wrong, what is doubtful, and what should be known."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from keepwell.domains import validation
from keepwell.domains.questionnaires import Definition, Questionnaire, QuestionnaireService, verdict
from keepwell.domains.responses.errors import QUESTIONNAIRE_NOT_PUBLISHED
from keepwell.domains.responses.models import AMENDED, COMPLETED, Answers, Response
from keepwell.domains.responses.rules import Filled, Ground, as_fault, filled, issues, understand
from keepwell.domains.responses.rules.lifecycle import unknown_questionnaire
from keepwell.domains.validation import Issue, Severity
from keepwell.kernel import Actor, Kernel, Origin, Refused, Snapshot
from keepwell.kernel.problems import NOT_FOUND, Fault, Refusal
from keepwell.kit.ids import new_id, parse_id

_FINISHED = (COMPLETED, AMENDED)


class Found(Fault, frozen=True, omit_defaults=True):
    """One thing found. `kind` is the FHIR issue type; `expression` the FHIRPath to the place, where a resource was judged."""

    kind: str | None = None
    expression: str | None = None


class ResponseVerdict(msgspec.Struct, frozen=True):
    """What the rules say of answers. Only errors make them invalid."""

    valid: bool
    errors: list[Found]
    warnings: list[Found]
    information: list[Found]


class Judge:
    """Judges answers, responses and resources of one clinic's forms."""

    def __init__(self, kernel: Kernel, questionnaires: QuestionnaireService) -> None:
        self._kernel = kernel
        self._questionnaires = questionnaires

    async def answers(
        self, actor: Actor, questionnaire: UUID, answers: Answers, origin: Origin, *, strict: bool
    ) -> ResponseVerdict:
        """The verdict on just these answers. Rows begin where the answers name them.

        Raises:
            Refused: `not-found` when there is no such questionnaire, `questionnaire-not-published`, or as any read.
        """
        form = await self._form(actor, questionnaire, origin)
        if cast("Questionnaire", form.state).status != "active":
            raise Refused(Refusal(QUESTIONNAIRE_NOT_PUBLISHED))
        definition = await self._questionnaires.definition(actor, form)
        return await asyncio.to_thread(_of_answers, definition, answers, self._kernel.clock.now(), strict=strict)

    async def stored(self, actor: Actor, snapshot: Snapshot, origin: Origin) -> ResponseVerdict:
        """The verdict on a response just read: strict once it was submitted, lenient before. Raises as `answers` does."""
        state: Response = snapshot.state
        definition = await self._questionnaires.definition(actor, await self._form(actor, state.questionnaire, origin))
        strict = state.status in _FINISHED
        answered = filled(state, snapshot.updated_at if strict else self._kernel.clock.now())
        return await asyncio.to_thread(_of_stored, definition, answered, strict=strict)

    async def resource(self, actor: Actor, resource: dict[str, Any], origin: Origin) -> ResponseVerdict:
        """The verdict on a FHIR R4 QuestionnaireResponse: strict when it calls itself completed or amended.

        Its form is the one it contains, or one of the clinic's, by canonical or id. Without it nothing can be relied on.

        Raises:
            Refused: as any read.
        """
        now = self._kernel.clock.now()
        reference = resource.get("questionnaire")
        if not isinstance(reference, str) or not reference:
            return _formless("questionnaire-missing", "A response must say which form it answers.", "required")
        if reference.startswith("#"):
            return await asyncio.to_thread(_of_contained, resource, reference[1:], now)
        id_ = parse_id(reference.removeprefix("Questionnaire/")) or await self._questionnaires.resolve(actor, reference, origin)
        try:
            form = None if id_ is None else await self._questionnaires.get(actor, id_, origin)
        except Refused as refused:
            if refused.refusal.type != NOT_FOUND:
                raise
            form = None
        if form is None:
            return _formless("questionnaire-unresolved", "The form that this response answers is not known here.", "not-found")
        definition = await self._questionnaires.definition(actor, form)
        return await asyncio.to_thread(_of_resource, definition.form, resource, now)

    async def _form(self, actor: Actor, id: UUID, origin: Origin) -> Snapshot:
        try:
            return await self._questionnaires.get(actor, id, origin)
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:
                raise Refused(unknown_questionnaire()) from None
            raise


def _of_answers(definition: Definition, answers: Answers, now: datetime, *, strict: bool) -> ResponseVerdict:
    change = understand(Ground(definition, {}, {}, _any_row), answers, bring_rows=True)
    given = {address: value for address, value in change.answers.items() if value is not None}
    rows = {**change.rows, **{name: ids for name, ids in change.answer_rows.items() if ids}}
    # What cannot even be an answer is told in the words that storing it would be refused with, and once.
    wrong = {_answer_named(fault) for fault in change.faults}
    found = (
        (issue, as_fault(issue, place, given)) for issue, place in issues(definition, Filled(given, rows, now), strict=strict)
    )
    more = ((issue, fault) for issue, fault in found if _answer_named(fault) not in wrong)
    return _verdict([*((None, fault) for fault in change.faults), *more])


def _any_row(_ordinal: int) -> str:
    return str(new_id())


def _answer_named(fault: Fault) -> str:
    """The address in a pointer into `/answers`, as it is escaped there."""
    return fault.pointer.removeprefix("/answers").partition("/")[2].partition("/")[0]


def _of_stored(definition: Definition, answered: Filled, *, strict: bool) -> ResponseVerdict:
    found = issues(definition, answered, strict=strict)
    return _verdict((issue, as_fault(issue, place, answered.answers)) for issue, place in found)


def _of_resource(form: validation.Form, resource: dict[str, Any], now: datetime) -> ResponseVerdict:
    found = validation.check(form, resource, strict=resource.get("status") in _FINISHED, now=now)
    return _verdict((issue, Fault(issue.pointer, issue.code, issue.message, issue.link_id)) for issue in found)


def _of_contained(resource: dict[str, Any], name: str, now: datetime) -> ResponseVerdict:
    contained: Any = resource.get("contained")
    sources = cast("list[Any]", contained) if isinstance(contained, list) else []
    for place, one in enumerate(sources):
        if not isinstance(one, dict) or cast("dict[str, Any]", one).get("id") != name:
            continue
        source = cast("dict[str, Any]", one)
        judged = verdict(source)
        if judged.faults:
            inside = f"/contained/{place}"
            return _verdict((None, msgspec.structs.replace(fault, pointer=inside + fault.pointer)) for fault in judged.faults)
        return _of_resource(validation.compile_form(source), resource, now)
    return _formless("questionnaire-unresolved", "The response does not contain the form that it names.", "not-found")


def _formless(code: str, message: str, kind: str) -> ResponseVerdict:
    found = Found("/questionnaire", code, message, kind=kind, expression="QuestionnaireResponse.questionnaire")
    return ResponseVerdict(valid=False, errors=[found], warnings=[], information=[])


def _verdict(found: Iterable[tuple[Issue | None, Fault]]) -> ResponseVerdict:
    by_severity: dict[Severity, list[Found]] = {severity: [] for severity in Severity}
    for issue, fault in found:
        kind, expression, severity = "invalid", None, Severity.ERROR
        if issue is not None:
            kind, severity = issue.kind, issue.severity
            expression = issue.expression if fault.pointer == issue.pointer else None
        by_severity[severity].append(Found(fault.pointer, fault.code, fault.message, fault.linkId, kind, expression))
    errors = by_severity[Severity.ERROR]
    return ResponseVerdict(not errors, errors, by_severity[Severity.WARNING], by_severity[Severity.INFORMATION])
