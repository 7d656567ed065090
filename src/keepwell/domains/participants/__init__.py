"""Participants: the people a clinic knows, found by keyed indexes only; FHIR shows them as Patients."""

from keepwell.domains.participants.errors import ANOTHER_BIRTH_DATE, CHANGED_SINCE, INVALID_PARTICIPANT
from keepwell.domains.participants.models import (
    ChangeParticipant,
    Details,
    EnrollParticipant,
    MergeParticipant,
    Participant,
    ParticipantEvent,
    ParticipantView,
    RegisterParticipant,
    UnmergeParticipant,
    WithdrawEnrollment,
)
from keepwell.domains.participants.rules import (
    decide_change,
    decide_enroll,
    decide_merge,
    decide_register,
    decide_unmerge,
    decide_withdraw,
    evolve,
    guard_merge,
    merge_references,
    participant_id,
    view,
)
from keepwell.domains.participants.service import KIND, RESOURCE, ParticipantService
from keepwell.domains.participants.store import FINDER, LOOKUP, external_system, name_token
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission


def _subject(state: Participant) -> str:
    return f"{RESOURCE}/{state.id}"


AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=Participant,
        event=ParticipantEvent,
        evolve=evolve,
        view=view,
        cached=True,
        commands=(
            CommandType(
                "participants.register",
                RegisterParticipant,
                Permission(RESOURCE, "c"),
                decide_register,
                creates=True,
                guarded=False,
            ),
            CommandType("participants.change", ChangeParticipant, Permission(RESOURCE, "u"), decide_change),
            CommandType(
                "participants.enroll", EnrollParticipant, Permission(RESOURCE, "c"), decide_enroll, begins=True, guarded=False
            ),
            CommandType("participants.withdraw", WithdrawEnrollment, Permission(RESOURCE, "u"), decide_withdraw, guarded=False),
            CommandType(
                "participants.merge",
                MergeParticipant,
                Permission(RESOURCE, "u"),
                decide_merge,
                guard=guard_merge,
                references=merge_references,
                holds=True,
            ),
            CommandType("participants.unmerge", UnmergeParticipant, Permission(RESOURCE, "u"), decide_unmerge),
        ),
        lookup=LOOKUP,
        subject=_subject,
    ),
)
"""Kind `participant`."""

__all__ = [
    "AGGREGATES",
    "ANOTHER_BIRTH_DATE",
    "CHANGED_SINCE",
    "FINDER",
    "INVALID_PARTICIPANT",
    "KIND",
    "RESOURCE",
    "ChangeParticipant",
    "Details",
    "EnrollParticipant",
    "MergeParticipant",
    "Participant",
    "ParticipantEvent",
    "ParticipantService",
    "ParticipantView",
    "RegisterParticipant",
    "UnmergeParticipant",
    "WithdrawEnrollment",
    "external_system",
    "name_token",
    "participant_id",
]
