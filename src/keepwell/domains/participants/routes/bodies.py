"""What the routes of participants take and give."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.participants.models import ParticipantView
from keepwell.domains.participants.service import ParticipantHistoryItem
from keepwell.kernel.http import USUAL_PAGE, PageLimit


class ParticipantFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which participants, and which part of the list."""

    external_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    limit: PageLimit = USUAL_PAGE
    cursor: UUID | None = None


class Merging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which record is to speak for this one, and why."""

    into: UUID
    reason: Annotated[str, Meta(max_length=2_000)] = ""


class Unmerging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the merge is taken back."""

    reason: Annotated[str, Meta(max_length=2_000)] = ""


class ParticipantList(msgspec.Struct, frozen=True):
    """Participants in a lasting order."""

    items: list[ParticipantView]
    next: str | None


class ParticipantHistory(msgspec.Struct, frozen=True):
    """What happened, the oldest first."""

    items: list[ParticipantHistoryItem]
    next: str | None
