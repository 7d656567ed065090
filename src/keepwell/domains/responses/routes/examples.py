"""What the document shows of this room's routes: one small form, filled in, handed in, corrected."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.responses.errors import INVALID_ANSWERS, MERGE_CONFLICT, RESPONSE_INVALID
from keepwell.domains.responses.models import ResponseSummary, ResponseView, RowView
from keepwell.domains.responses.routes.bodies import (
    Amendment,
    AnswerChanges,
    Candidate,
    History,
    MergeRequest,
    NewResponse,
    NewRow,
    Reason,
    ResponseList,
)
from keepwell.domains.responses.rules.merging import Conflict
from keepwell.domains.responses.service import (
    Diff,
    Difference,
    Found,
    HistoryItem,
    MergePreview,
    ResponseVerdict,
    StatusChange,
)
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_ID = UUID("01994fa0-37b8-7d1f-9a64-4e5c8b2d0f61")
_FORM = UUID("01994f90-11d4-7b0a-8d52-6c3e0f7a9b18")
_CANONICAL = "https://clinic.example/fhir/Questionnaire/morning-check|1.0"
_SUBJECT = "Patient/42"
_ROW = "5f0c7f3e-6a0d-5f55-9d3b-0d7f5f3c2b1a"
_NAME = f"medicine[{_ROW}].medicine-name"
_BEGUN = datetime(2026, 9, 15, 9, 30, tzinfo=UTC)
_LATER = datetime(2026, 9, 15, 9, 32, 10, tzinfo=UTC)
_WELL = {"system": "https://clinic.example/fhir/CodeSystem/mood", "code": "well", "display": "Well"}


def _seen(version: int, answers: dict[str, Any], status: str = "in-progress") -> ResponseView:
    """The response at one of its versions."""
    return ResponseView(
        id=_ID,
        questionnaire=_FORM,
        canonical=_CANONICAL,
        questionnaire_version="1.0",
        subject=_SUBJECT,
        status=status,
        version=version,
        answers=answers,
        rows={"medicine": (_ROW,)} if _NAME in answers else {},
        created_at=_BEGUN,
        updated_at=_BEGUN if version == 1 else _LATER,
    )


_FIRST = _seen(1, {"weight": 71.5})
_SECOND = _seen(2, {"weight": 71.5, "mood": _WELL})
_THIRD = _seen(3, {**_SECOND.answers, _NAME: "Aspirin"})
_FOURTH = _seen(4, _SECOND.answers)
_SUBMITTED = _seen(5, _SECOND.answers, "completed")
_CHANGE = HistoryItem(
    version=2,
    at=_LATER,
    type="changed",
    actor=UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"),
    role="clinician",
    door="http",
    request_id="01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25",
    changes={"mood": _WELL},
)
_MISSING = Found("/answers/weight", "required", "This question needs an answer.", "weight", "required")

CREATE = Example(NewResponse(_CANONICAL, _SUBJECT, {"weight": 71.5}), _FIRST)
PATCH = Example(
    AnswerChanges({"mood": _WELL}),
    _SECOND,
    (
        Refusal(INVALID_ANSWERS, faults=(Fault("/answers/weight", "wrong-type", "The answer must be a number.", "weight"),)),
        Refusal(
            MERGE_CONFLICT,
            extra={"current_version": 3},
            disclosed={"conflicts": (Conflict("weight", base=71.5, theirs=72.0, yours=72.5),)},
        ),
    ),
)
ADD_ROW = Example(NewRow("medicine", {"medicine-name": "Aspirin"}), RowView(_ROW, _ROW, "medicine", 3, _THIRD))
REMOVE_ROW = Example(answer=_FOURTH)
MERGE = Example(
    MergeRequest(1, {"mood": _WELL}),
    MergePreview(mergeable=True, base_version=1, version=3, response=msgspec.structs.replace(_THIRD, merged=True), conflicts=()),
)
SUBMIT = Example(
    answer=_SUBMITTED,
    problems=(Refusal(RESPONSE_INVALID, faults=(Fault(_MISSING.pointer, "required", _MISSING.message, "weight"),)),),
)
AMEND = Example(
    Amendment("typing error", {"weight": 72.5}),
    msgspec.structs.replace(_SUBMITTED, version=6, status="amended", answers={"weight": 72.5, "mood": _WELL}),
)
VOID = Example(Reason("the wrong person"), _seen(7, AMEND.answer.answers, "entered-in-error"))
SHOW = Example(answer=_SECOND)
PAGE = Example(answer=ResponseList([ResponseSummary(_ID, _FORM, _SUBJECT, "completed", 5, _BEGUN, _LATER)], None))
HISTORY = Example(answer=History([_CHANGE], None))
DIFF = Example(answer=Diff(1, 2, StatusChange("in-progress", "in-progress"), [Difference("mood", None, _WELL)]))
JUDGE = Example(
    Candidate(_CANONICAL, {"mood": _WELL}), ResponseVerdict(valid=False, errors=[_MISSING], warnings=[], information=[])
)
JUDGE_STORED = Example(answer=ResponseVerdict(valid=True, errors=[], warnings=[], information=[]))
BULK = Example(
    {
        "operations": [
            {"op": "create", "questionnaire": _CANONICAL, "subject": _SUBJECT, "answers": {"weight": 71.5}},
            {"op": "patch", "id": str(_ID), "if_match": 1, "answers": {"mood": _WELL}, "idempotency_key": "morning-42"},
            {"op": "get", "id": str(_ID)},
        ],
        "atomic": False,
        "dry_run": False,
    },
    {
        "outcomes": [
            {"status": 201, "etag": '"1"', "location": f"/v1/responses/{_ID}", "body": _FIRST},
            {"status": 200, "etag": '"2"', "body": _SECOND},
            {"status": 200, "etag": '"2"', "body": _SECOND},
        ]
    },
)
