"""Lists are handed out in parts: what names a part, and how one is cut off."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.kernel.http.query import USUAL_PAGE, PageLimit
from keepwell.kernel.problems import INVALID_PARAMETER, Fault, Refusal, Refused

Item = TypeVar("Item")
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""A version that a caller names."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the list: `cursor` is the id that the part before ended with."""

    limit: PageLimit = USUAL_PAGE
    cursor: UUID | None = None


class HistoryPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the history: `cursor` is the version that the part before ended with."""

    limit: PageLimit = USUAL_PAGE
    cursor: Version | None = None


def page_of(found: Sequence[Item], limit: int, place: Callable[[Item], object]) -> tuple[list[Item], str | None]:
    """At most `limit` of what was found, and the place of the last of them where more was: look for one more than is wanted."""
    shown = list(found[:limit])
    return shown, str(place(shown[-1])) if len(found) > limit else None


def part_of(
    items: Sequence[Item], id_of: Callable[[Item], UUID], limit: int, cursor: UUID | None
) -> tuple[list[Item], str | None]:
    """Of a list that was made whole, as reports are: at most `limit` items, from behind the one whose id the part before ended
    with; and the id to go on from, if more follow.

    Raises:
        Refused: `invalid-parameter`: no item has this id, or none has any more.
    """
    start = 0
    if cursor is not None:
        start = next((place for place, item in enumerate(items, start=1) if id_of(item) == cursor), 0)
        if start == 0:
            message = "The list has changed, or never gave this: begin again."
            raise Refused(Refusal(INVALID_PARAMETER, faults=(Fault("?cursor", "invalid-cursor", message),)))
    shown = list(items[start : start + limit])
    return shown, str(id_of(shown[-1])) if start + limit < len(items) else None
