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


class Participant(msgspec.Struct, frozen=True):
    """A person. `external_id` is what the person is called elsewhere, unique in the program; None where nobody said."""

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


class RegisterParticipant(Command, frozen=True):
    """Begins a person's record. With an external id, `id` is the one that follows from it: see `participant_id`."""

    external_id: str | None = None
    program: UUID | None = None
    details: Details = Details()


class ChangeParticipant(Command, frozen=True):
    """Changes what is said of a person; what is not set stays."""

    details: Details


class ParticipantRegistered(msgspec.Struct, frozen=True, tag="registered", omit_defaults=True):
    """A person's record began."""

    id: UUID
    external_id: str | None = None
    program: UUID | None = None
    details: Details = Details()


class ParticipantChanged(msgspec.Struct, frozen=True, tag="changed"):
    """What was said of a person changed in what is set here."""

    details: Details


ParticipantEvent = ParticipantRegistered | ParticipantChanged


class ParticipantView(msgspec.Struct, frozen=True):
    """A person as callers see them. `elements` only where something was said that only FHIR has a place for."""

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
    elements: dict[str, Any] | UnsetType = UNSET
