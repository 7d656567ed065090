"""Responses: answers to published questionnaires, every version of them kept."""

from keepwell.domains.responses.errors import (
    INVALID_ANSWERS,
    QUESTIONNAIRE_NOT_PUBLISHED,
    RESPONSE_INVALID,
    RESPONSE_NOT_SUBMITTED,
    RESPONSE_SUBMITTED,
    RESPONSE_VOIDED,
)
from keepwell.domains.responses.models import (
    AMENDED,
    COMPLETED,
    IN_PROGRESS,
    VOIDED,
    AddRow,
    AmendResponse,
    Answers,
    AnswersChanged,
    CreateResponse,
    Elements,
    GetResponse,
    OnConflict,
    PatchResponse,
    RemoveRow,
    Response,
    ResponseChange,
    ResponseEvent,
    Rows,
    SubmitResponse,
    VoidResponse,
)
from keepwell.domains.responses.rules import (
    Reading,
    evolution,
    in_tree,
    items_of,
    lifecycle,
    read_items,
    replacement,
    shortcomings,
)
from keepwell.domains.responses.rules.evolution import change_of, newest_row
from keepwell.domains.responses.service import KIND, RESOURCE, ResponseService, ResponseVerdict
from keepwell.domains.responses.store import FINDER, LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_CREATE, _READ, _UPDATE = (Permission(RESOURCE, action) for action in "cru")


def _subject(state: Response) -> str | None:
    return state.subject


AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=Response,
        event=ResponseEvent,
        evolve=evolution.evolve,
        view=evolution.view,
        cached=True,
        announced=True,
        commands=(
            CommandType(
                "responses.create",
                CreateResponse,
                _CREATE,
                lifecycle.decide_create,
                creates=True,
                guarded=False,
                references=lifecycle.needs_published,
            ),
            CommandType(
                "responses.patch",
                PatchResponse,
                _UPDATE,
                lifecycle.decide_patch,
                guard=lifecycle.guard_open,
                merge=lifecycle.merge_patch,
                references=lifecycle.needs_form,
            ),
            CommandType(
                "responses.add-row",
                AddRow,
                _UPDATE,
                lifecycle.decide_add_row,
                guard=lifecycle.guard_open,
                guarded=False,
                references=lifecycle.needs_form,
            ),
            CommandType(
                "responses.remove-row",
                RemoveRow,
                _UPDATE,
                lifecycle.decide_remove_row,
                guard=lifecycle.guard_open,
                merge=lifecycle.merge_remove_row,
                references=lifecycle.needs_form,
            ),
            CommandType(
                "responses.submit",
                SubmitResponse,
                _UPDATE,
                lifecycle.decide_submit,
                guard=lifecycle.guard_open,
                references=lifecycle.needs_form,
            ),
            CommandType(
                "responses.amend",
                AmendResponse,
                _UPDATE,
                lifecycle.decide_amend,
                guard=lifecycle.guard_submitted,
                references=lifecycle.needs_form,
            ),
            CommandType("responses.get", GetResponse, _READ, lifecycle.decide_get, guarded=False, reads=True),
            CommandType("responses.void", VoidResponse, _UPDATE, lifecycle.decide_void, guard=lifecycle.guard_not_voided),
        ),
        lookup=LOOKUP,
        subject=_subject,
    ),
)
"""Kind `response`."""

__all__ = [
    "AGGREGATES",
    "AMENDED",
    "COMPLETED",
    "FINDER",
    "INVALID_ANSWERS",
    "IN_PROGRESS",
    "KIND",
    "QUESTIONNAIRE_NOT_PUBLISHED",
    "RESOURCE",
    "RESPONSE_INVALID",
    "RESPONSE_NOT_SUBMITTED",
    "RESPONSE_SUBMITTED",
    "RESPONSE_VOIDED",
    "VOIDED",
    "AddRow",
    "AmendResponse",
    "Answers",
    "AnswersChanged",
    "CreateResponse",
    "Elements",
    "GetResponse",
    "OnConflict",
    "PatchResponse",
    "Reading",
    "RemoveRow",
    "Response",
    "ResponseChange",
    "ResponseEvent",
    "ResponseService",
    "ResponseVerdict",
    "Rows",
    "SubmitResponse",
    "VoidResponse",
    "change_of",
    "in_tree",
    "items_of",
    "newest_row",
    "read_items",
    "replacement",
    "shortcomings",
]
