"""What requests about incidents carry, and the list they get."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.incidents.models import IncidentView, Severity, Status, Times
from keepwell.kernel.http import Part


class Remark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What there is to say about it, if anything."""

    text: Annotated[str, Meta(max_length=4_000)] = ""


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be remembered."""

    text: Annotated[str, Meta(min_length=1, max_length=4_000)]


class Assignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The account that owns it from now on; null: nobody."""

    owner: UUID | None
    text: Annotated[str, Meta(max_length=4_000)] = ""


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How bad it is, and why."""

    severity: Severity
    text: Annotated[str, Meta(max_length=4_000)] = ""


class IncidentPart(Part, frozen=True):
    """Which incidents, and which part of the list."""

    status: Status | None = None
    severity: Severity | None = None
    subject: Annotated[str, Meta(max_length=200)] | None = None
    tag: Annotated[str, Meta(max_length=100)] | None = None


class Days(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of how many days."""

    days: Annotated[int, Meta(ge=1, le=3_650)] = 30


class IncidentTimes(msgspec.Struct, frozen=True):
    """What came of incidents, by severity."""

    days: int
    items: list[Times]


class IncidentList(msgspec.Struct, frozen=True):
    """Incidents, the newest first."""

    items: list[IncidentView]
    next: str | None
