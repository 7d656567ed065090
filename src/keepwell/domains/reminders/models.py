"""A reminder that is due."""

from datetime import datetime
from uuid import UUID

import msgspec


class Reminder(msgspec.Struct, frozen=True):
    """Somebody who is enrolled in a program and has not completed a response since it opened."""

    participant: UUID


class DueReminders(msgspec.Struct, frozen=True):
    """Those of one part of a program's people. `due`: the program closes within the days in which people are to be reminded."""

    items: list[Reminder]
    next: str | None
    closes_at: datetime
    due: bool
