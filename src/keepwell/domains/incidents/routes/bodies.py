"""What requests about incidents carry, and the list they get."""

from typing import Annotated

import msgspec
from msgspec import Meta

from keepwell.domains.incidents.models import IncidentView, Status
from keepwell.kernel.http import Part


class Remark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What there is to say about it, if anything."""

    text: Annotated[str, Meta(max_length=4_000)] = ""


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be remembered."""

    text: Annotated[str, Meta(min_length=1, max_length=4_000)]


class IncidentPart(Part, frozen=True, forbid_unknown_fields=True):
    """Which incidents, and which part of the list."""

    status: Status | None = None


class IncidentList(msgspec.Struct, frozen=True):
    """Incidents, the newest first."""

    items: list[IncidentView]
    next: str | None
