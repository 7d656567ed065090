"""FHIR R4: questionnaires, responses, participants and audit as FHIR resources, by the commands of their own rooms."""

from keepwell.domains.fhir.models import CONDITION, CONDITIONED, Condition, ConditionClaimed
from keepwell.domains.fhir.rules import conditions
from keepwell.domains.fhir.service import FhirService
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission


def _subject(state: Condition) -> str | None:
    return state.subject


def _commands(type_: str) -> tuple[CommandType, CommandType]:
    first, again = CONDITIONED[type_]
    create, name = Permission(type_, "c"), type_.lower()
    return (
        CommandType(f"fhir.open-{name}-condition", first, create, conditions.decide_open, creates=True, guarded=False),
        CommandType(f"fhir.claim-{name}-condition", again, create, conditions.decide_claim),
    )


AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=CONDITION,
        resource="Basic",
        state=Condition,
        event=ConditionClaimed,
        evolve=conditions.evolve,
        view=conditions.view,
        commands=tuple(command for type_ in CONDITIONED for command in _commands(type_)),
        subject=_subject,
    ),
)
"""Kind `fhir-condition`: what conditional creates claim."""

__all__ = ["AGGREGATES", "FhirService"]
