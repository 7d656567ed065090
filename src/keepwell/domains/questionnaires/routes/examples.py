"""What the document shows of this room's routes: one small form, from its draft to its end."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from keepwell.domains.questionnaires.errors import QUESTIONNAIRE_INVALID
from keepwell.domains.questionnaires.models import QuestionnaireSummary, QuestionnaireView
from keepwell.domains.questionnaires.routes.bodies import QuestionnaireList
from keepwell.domains.questionnaires.service import Judgement
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_ID = UUID("01994f90-11d4-7b0a-8d52-6c3e0f7a9b18")
_URL = "https://clinic.example/fhir/Questionnaire/morning-check"
_TITLE = "Morning check"
_MOODS = "https://clinic.example/fhir/CodeSystem/mood"


def _form(status: str) -> dict[str, Any]:
    return {
        "resourceType": "Questionnaire",
        "url": _URL,
        "version": "1.0",
        "title": _TITLE,
        "status": status,
        "item": [
            {"linkId": "weight", "text": "Weight this morning, in kg", "type": "decimal", "required": True},
            {
                "linkId": "mood",
                "text": "How do you feel?",
                "type": "choice",
                "answerOption": [
                    {"valueCoding": {"system": _MOODS, "code": "well", "display": "Well"}},
                    {"valueCoding": {"system": _MOODS, "code": "unwell", "display": "Unwell"}},
                ],
            },
            {
                "linkId": "medicine",
                "text": "Medicines taken",
                "type": "group",
                "repeats": True,
                "item": [{"linkId": "medicine-name", "text": "Name", "type": "string"}],
            },
        ],
    }


def _view(status: str) -> QuestionnaireView:
    return QuestionnaireView(_ID, _URL, "1.0", status, _TITLE, {**_form(status), "id": str(_ID)})


_AT = datetime(2026, 9, 15, 8, 0, tzinfo=UTC)
_SUMMARY = QuestionnaireSummary(_ID, _URL, "1.0", "active", _TITLE, _AT, _AT)

CREATE = REPLACE = Example(
    _form("draft"),
    _view("draft"),
    (
        Refusal(
            QUESTIONNAIRE_INVALID, faults=(Fault("/item/1/linkId", "que-2", "Another item has this linkId already.", "mood"),)
        ),
    ),
)
PUBLISH = SHOW = Example(answer=_view("active"))
RETIRE = Example(answer=_view("retired"))
PAGE = Example(answer=QuestionnaireList([_SUMMARY], None))
JUDGE = Example(_form("draft"), Judgement(valid=True, errors=(), warnings=()))
