"""The nouns of this room: a person a clinic knows, what may be asked of the record, what happened to it, what callers see."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from keepwell.kernel.envelope import Command


class Details(msgspec.Struct, frozen=True):
    """What is said of a person; what is not set is not spoken of, and None takes away.

    `birth_date` is a FHIR date, which may be a month or a year. `time_zone` is an IANA name. `attributes` are texts by a name
    that whoever enrolled the person chose. `elements` are those of a FHIR Patient, as sent; where they say what a field says
    too, the field counts.
    """

    given_name: str | UnsetType | None = UNSET
    family_name: str | UnsetType | None = UNSET
    birth_date: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    time_zone: str | UnsetType | None = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
    elements: dict[str, Any] | UnsetType = UNSET


class Enrollment(msgspec.Struct, frozen=True, array_like=True):
    """The row of a batch that spoke last of a person, as long as nobody else has spoken since.

    `said` is what it said. `before` is what it replaced, to be put back; None: before it there was nobody.
    """

    batch: UUID
    row: int
    said: Details
    before: Details | None = None


class Participant(msgspec.Struct, frozen=True):
    """A person. `external_id` is what the person is called elsewhere, unique in the program; None where nobody said.

    `withdrawn`: an enrollment that was rolled back made this record. `merged_into` is the record that speaks for this one.
    """

    id: UUID
    external_id: str | None = None
    program: UUID | None = None
    given_name: str | None = None
    family_name: str | None = None
    birth_date: str | None = None
    email: str | None = None
    phone: str | None = None
    time_zone: str | None = None
    attributes: dict[str, str] = {}
    elements: dict[str, Any] = {}
    enrollment: Enrollment | None = None
    withdrawn: bool = False
    merged_into: UUID | None = None


class RegisterParticipant(Command, frozen=True):
    """Begins a person's record. With an external id, `id` is the one that follows from it: see `participant_id`."""

    external_id: str | None = None
    program: UUID | None = None
    details: Details = Details()


class ChangeParticipant(Command, frozen=True):
    """Changes what is said of a person; what is not set stays."""

    details: Details


class EnrollParticipant(Command, frozen=True):
    """Makes what a row of a batch says true of the person it names, who may be known already."""

    external_id: str
    program: UUID
    batch: UUID
    row: int
    details: Details


class WithdrawEnrollment(Command, frozen=True):
    """Takes back what a row of a batch made true, unless somebody has spoken since."""

    batch: UUID
    row: int


class MergeParticipant(Command, frozen=True):
    """Says that a record is of the same person as another one, which speaks for both from now on."""

    into: UUID
    reason: str = ""


class UnmergeParticipant(Command, frozen=True):
    """Takes a merge back."""

    reason: str = ""


class ParticipantRegistered(msgspec.Struct, frozen=True, tag="registered", omit_defaults=True):
    """A person's record began."""

    id: UUID
    external_id: str | None = None
    program: UUID | None = None
    details: Details = Details()


class ParticipantChanged(msgspec.Struct, frozen=True, tag="changed"):
    """What was said of a person changed in what is set here."""

    details: Details


class ParticipantEnrolled(msgspec.Struct, frozen=True, tag="enrolled", omit_defaults=True):
    """A row of a batch began a person's record, or began it anew after it was withdrawn."""

    id: UUID
    external_id: str
    program: UUID
    batch: UUID
    row: int
    details: Details


class EnrollmentUpdated(msgspec.Struct, frozen=True, tag="enrollment-updated", omit_defaults=True):
    """A row of a batch changed what was said of a person. `said` is all that it said, `before` what the changed fields held."""

    batch: UUID
    row: int
    details: Details
    said: Details
    before: Details


class EnrollmentWithdrawn(msgspec.Struct, frozen=True, tag="enrollment-withdrawn", omit_defaults=True):
    """What a row of a batch had made true was taken back: `restored` is true again; None: there is nobody again."""

    batch: UUID
    row: int
    restored: Details | None = None


class ParticipantMerged(msgspec.Struct, frozen=True, tag="merged"):
    """Another record speaks for this one."""

    into: UUID
    reason: str = ""


class ParticipantUnmerged(msgspec.Struct, frozen=True, tag="unmerged"):
    """The record speaks for itself again."""

    reason: str = ""


ParticipantEvent = (
    ParticipantRegistered
    | ParticipantChanged
    | ParticipantEnrolled
    | EnrollmentUpdated
    | EnrollmentWithdrawn
    | ParticipantMerged
    | ParticipantUnmerged
)


class ParticipantView(msgspec.Struct, frozen=True):
    """A person as callers see them. `responses` is where those about the person are listed. `elements` only where something was
    said that only FHIR has a place for; `withdrawn` and `merged_into` only where it is so.
    """

    id: UUID
    external_id: str | None
    program: UUID | None
    given_name: str | None
    family_name: str | None
    birth_date: str | None
    email: str | None
    phone: str | None
    time_zone: str | None
    attributes: dict[str, str]
    version: int
    created_at: datetime
    updated_at: datetime
    responses: str
    elements: dict[str, Any] | UnsetType = UNSET
    withdrawn: bool | UnsetType = UNSET
    merged_into: UUID | UnsetType = UNSET
