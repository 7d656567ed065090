"""What requests about schedules carry, and the lists they get."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.schedules.models import Missed, ScheduleView
from keepwell.kernel.http import USUAL_PAGE, PageLimit

Word = Annotated[str, Meta(max_length=200)]


class NewSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which task, and when: a cron expression of five fields, by the clocks of `time_zone`. `on_missed`: what becomes of times at
    which nothing ran.
    """

    task: Word
    cron: Word
    time_zone: Word
    on_missed: Missed = "run-once"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the list: `cursor` is the id that the part before ended with."""

    limit: PageLimit = USUAL_PAGE
    cursor: UUID | None = None


class HistoryPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the history: `cursor` is the version that the part before ended with."""

    limit: PageLimit = USUAL_PAGE
    cursor: int | None = None


class ScheduleList(msgspec.Struct, frozen=True):
    """Schedules."""

    items: list[ScheduleView]
    next: str | None


class RunEntry(msgspec.Struct, frozen=True):
    """One thing that happened: `run-begun`, `run-ended` with its result, `runs-missed` with their number."""

    version: int
    at: datetime
    type: str
    event: dict[str, Any]


class RunList(msgspec.Struct, frozen=True):
    """What happened, oldest first."""

    items: list[RunEntry]
    next: str | None
