"""What requests about schedules carry, and the lists they get."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from keepwell.domains.schedules.models import Missed, ScheduleView, Timing

Word = Annotated[str, Meta(max_length=200)]


class NewSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which task, and when: a cron expression of five fields, by the clocks of `time_zone`; or at each whole multiple of
    `every_s` seconds since 1970, whatever clocks do. `on_missed`: what becomes of times at which nothing ran.
    """

    task: Word
    cron: Word | None = None
    time_zone: Word | None = None
    on_missed: Missed = "run-once"
    every_s: int | None = None

    @property
    def timing(self) -> Timing:
        """An interval knows no zone; a cron expression without one is refused as naming none."""
        usual = "UTC" if self.cron is None else ""
        return Timing(self.cron, self.time_zone or usual, self.on_missed, self.every_s)


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
