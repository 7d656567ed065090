"""What the document shows of this room's routes: one schedule, from its making to a run."""

from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.schedules.errors import INVALID_SCHEDULE
from keepwell.domains.schedules.models import ScheduleView
from keepwell.domains.schedules.routes.bodies import NewSchedule, RunEntry, RunList, ScheduleList
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_NEXT = datetime(2026, 11, 26, 1, 30, tzinfo=UTC)
_BEGUN = datetime(2026, 11, 26, 1, 30, 1, tzinfo=UTC)
_ENDED = datetime(2026, 11, 26, 1, 30, 2, tzinfo=UTC)
_NEW = NewSchedule("flags.report-stale", "30 2 * * *", "Europe/Berlin")
_MADE = ScheduleView(
    id=UUID("01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25"),
    task=_NEW.task,
    cron=_NEW.cron,
    every_s=None,
    time_zone="Europe/Berlin",
    on_missed=_NEW.on_missed,
    paused=False,
    next_at=_NEXT,
    missed=0,
    run=None,
    version=1,
)
_CRON = Fault("/cron", "invalid-value", "Use a cron expression of five fields, such as 30 2 * * *.")

CREATE = Example(_NEW, _MADE, (Refusal(INVALID_SCHEDULE, faults=(_CRON,)),))
PAGE = Example(answer=ScheduleList([_MADE], None))
SHOW = Example(answer=_MADE)
RUN = Example(answer=replace(_MADE, next_at=_BEGUN, version=2))
PAUSE = Example(answer=replace(_MADE, paused=True, version=3))
RESUME = Example(answer=replace(_MADE, version=4))
RUNS = Example(
    answer=RunList(
        [
            RunEntry(2, _BEGUN, "run-begun", {"scheduled_at": _NEXT}),
            RunEntry(3, _ENDED, "run-ended", {"scheduled_at": _NEXT, "result": "ok"}),
        ],
        None,
    )
)
