"""What requests about incidents carry, and the list they get."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.incidents.models import IncidentView, Status
from keepwell.kernel.http import USUAL_PAGE, PageLimit


class Remark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What there is to say about it, if anything."""

    text: Annotated[str, Meta(max_length=4_000)] = ""


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be remembered."""

    text: Annotated[str, Meta(min_length=1, max_length=4_000)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which incidents, and which part of the list: `cursor` is the id that the part before ended with."""

    status: Status | None = None
    limit: PageLimit = USUAL_PAGE
    cursor: UUID | None = None


class IncidentList(msgspec.Struct, frozen=True):
    """Incidents, the newest first."""

    items: list[IncidentView]
    next: str | None
