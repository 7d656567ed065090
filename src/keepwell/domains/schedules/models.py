"""The nouns of this room: schedules, by whose clocks they run, and what came of each run."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command, Origin

Missed = Literal["run-once", "skip"]
"""What becomes of times at which nothing ran: one run for all of them, or none. Either way they are reported."""

Result = Literal["ok", "failed", "refused"]


class Task(msgspec.Struct, frozen=True):
    """Something the program can do for a clinic. A run that a killed worker began is begun again: it has to bear that."""

    key: str
    description: str
    run: Callable[[UUID, Origin], Awaitable[None]]


class Timing(msgspec.Struct, frozen=True):
    """When: a cron expression of five fields, by the clocks of an IANA zone; or, with `every_s`, at each whole multiple of so
    many seconds since 1970 (UTC), whatever clocks do.
    """

    cron: str | None
    time_zone: str
    missed: Missed = "run-once"
    every_s: int | None = None


class Run(msgspec.Struct, frozen=True):
    """A run, under the instant it was meant for. `result` None: it is under way. `error` is the name of a class."""

    scheduled_at: datetime
    begun_at: datetime
    result: Result | None = None
    ended_at: datetime | None = None
    error: str | None = None


class Schedule(msgspec.Struct, frozen=True):
    """A task of a clinic. `next_at` follows from the timing and the zone database `zones`."""

    id: UUID
    task: str
    timing: Timing
    next_at: datetime
    zones: str
    paused: bool = False
    run: Run | None = None
    missed: int = 0


class CreateSchedule(Command, frozen=True):
    """Lets a task run from now on."""

    task: str
    timing: Timing


class PauseSchedule(Command, frozen=True):
    """Lets nothing begin until it is resumed."""


class ResumeSchedule(Command, frozen=True):
    """Goes on with the next time from now."""


class RunNow(Command, frozen=True):
    """Asks for a run as soon as a worker is free."""


class RetimeSchedule(Command, frozen=True):
    """Computes the next time anew, where the zone database is another one than it came from."""


class BeginRun(Command, frozen=True):
    """Begins the run that was meant for this instant, which nobody can do twice."""

    scheduled_at: datetime


class EndRun(Command, frozen=True):
    """Says what came of the run."""

    scheduled_at: datetime
    result: Result
    error: str | None = None


class ScheduleCreated(msgspec.Struct, frozen=True, tag="schedule-created"):
    """The first entry."""

    id: UUID
    task: str
    timing: Timing
    next_at: datetime
    zones: str


class SchedulePaused(msgspec.Struct, frozen=True, tag="schedule-paused"):
    """Nothing begins any more."""


class Retimed(msgspec.Struct, frozen=True, tag="schedule-retimed"):
    """The next time is another one: it was resumed, asked for at once, or the zone database changed."""

    next_at: datetime
    zones: str


class RunsMissed(msgspec.Struct, frozen=True, tag="runs-missed"):
    """So many times passed at which nothing ran, the first of them `since`."""

    since: datetime
    count: int
    next_at: datetime
    zones: str


class RunBegun(msgspec.Struct, frozen=True, tag="run-begun"):
    """The run of an instant, and the time after it."""

    scheduled_at: datetime
    begun_at: datetime
    next_at: datetime
    zones: str


class RunEnded(msgspec.Struct, frozen=True, tag="run-ended"):
    """What came of it."""

    scheduled_at: datetime
    ended_at: datetime
    result: Result
    error: str | None = None


ScheduleEvent = ScheduleCreated | SchedulePaused | Retimed | RunsMissed | RunBegun | RunEnded


class ScheduleView(msgspec.Struct, frozen=True):
    """A schedule as callers see it. `missed` counts the times at which nothing ran."""

    id: UUID
    task: str
    cron: str | None
    every_s: int | None
    time_zone: str
    on_missed: Missed
    paused: bool
    next_at: datetime
    missed: int
    run: Run | None
    version: int
