"""Participants: the people a clinic knows, found by keyed indexes only; FHIR shows them as Patients."""

from keepwell.domains.participants.errors import INVALID_PARTICIPANT
from keepwell.domains.participants.models import (
    ChangeParticipant,
    Details,
    Participant,
    ParticipantEvent,
    ParticipantView,
    RegisterParticipant,
)
from keepwell.domains.participants.rules import decide_change, decide_register, evolve, participant_id, view
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
        ),
        lookup=LOOKUP,
        subject=_subject,
    ),
)
"""Kind `participant`."""

__all__ = [
    "AGGREGATES",
    "FINDER",
    "INVALID_PARTICIPANT",
    "KIND",
    "RESOURCE",
    "ChangeParticipant",
    "Details",
    "Participant",
    "ParticipantEvent",
    "ParticipantService",
    "ParticipantView",
    "RegisterParticipant",
    "external_system",
    "name_token",
    "participant_id",
]
