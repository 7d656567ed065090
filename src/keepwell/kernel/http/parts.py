"""Lists that are made whole, as reports are, and handed out in parts."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from keepwell.kernel.problems import INVALID_PARAMETER, Fault, Refusal, Refused

Item = TypeVar("Item")


def part_of(
    items: Sequence[Item], id_of: Callable[[Item], UUID], limit: int, cursor: UUID | None
) -> tuple[list[Item], str | None]:
    """At most `limit` items, from behind the one whose id the part before ended with; and the id to go on from, if more follow.

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
