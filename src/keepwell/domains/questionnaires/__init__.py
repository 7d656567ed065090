"""Questionnaires: FHIR R4 forms, checked when they come in, fixed for ever once published, compiled for those who answer them."""

from keepwell.domains.questionnaires.errors import (
    QUESTIONNAIRE_EXISTS,
    QUESTIONNAIRE_INVALID,
    QUESTIONNAIRE_PUBLISHED,
    QUESTIONNAIRE_RETIRED,
)
from keepwell.domains.questionnaires.models import (
    CreateQuestionnaire,
    Definition,
    Item,
    Option,
    PublishQuestionnaire,
    Questionnaire,
    QuestionnaireEvent,
    ReplaceQuestionnaire,
    RetireQuestionnaire,
    Verdict,
)
from keepwell.domains.questionnaires.rules import PRIMITIVES, canonical, compile_form, element_faults, escape, lifecycle, verdict
from keepwell.domains.questionnaires.service import RESOURCE, Judgement, QuestionnaireService
from keepwell.domains.questionnaires.store import FINDER, LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_CREATE, _UPDATE = Permission(RESOURCE, "c"), Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind="questionnaire",
        resource=RESOURCE,
        state=Questionnaire,
        event=QuestionnaireEvent,
        evolve=lifecycle.evolve,
        view=lifecycle.view,
        cached=True,
        commands=(
            CommandType(
                "questionnaires.create",
                CreateQuestionnaire,
                _CREATE,
                lifecycle.decide_create,
                prepare=lifecycle.prepare,
                creates=True,
                guarded=False,
            ),
            CommandType(
                "questionnaires.replace",
                ReplaceQuestionnaire,
                _UPDATE,
                lifecycle.decide_replace,
                guard=lifecycle.guard_replace,
                prepare=lifecycle.prepare,
            ),
            CommandType("questionnaires.publish", PublishQuestionnaire, _UPDATE, lifecycle.decide_publish, guarded=False),
            CommandType("questionnaires.retire", RetireQuestionnaire, _UPDATE, lifecycle.decide_retire, guarded=False),
        ),
        lookup=LOOKUP,
        immutable=lifecycle.published,
        derive=lifecycle.derive,
    ),
)
"""Kind `questionnaire`. What is derived from it is its `Definition`."""

__all__ = [
    "AGGREGATES",
    "FINDER",
    "PRIMITIVES",
    "QUESTIONNAIRE_EXISTS",
    "QUESTIONNAIRE_INVALID",
    "QUESTIONNAIRE_PUBLISHED",
    "QUESTIONNAIRE_RETIRED",
    "CreateQuestionnaire",
    "Definition",
    "Item",
    "Judgement",
    "Option",
    "PublishQuestionnaire",
    "Questionnaire",
    "QuestionnaireService",
    "ReplaceQuestionnaire",
    "RetireQuestionnaire",
    "Verdict",
    "canonical",
    "compile_form",
    "element_faults",
    "escape",
    "verdict",
]
