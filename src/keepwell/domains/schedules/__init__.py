"""Scheduled tasks of a clinic, by its own clocks: each instant's run happens once, and what was missed is told."""

from keepwell.domains.schedules import rules
from keepwell.domains.schedules.models import (
    BeginRun,
    CreateSchedule,
    EndRun,
    PauseSchedule,
    ResumeSchedule,
    RetimeSchedule,
    RunNow,
    Schedule,
    ScheduleEvent,
    Task,
    Timing,
)
from keepwell.domains.schedules.service import KIND, RESOURCE, ScheduleService
from keepwell.domains.schedules.store import LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_UPDATE = Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=KIND,
        resource=RESOURCE,
        state=Schedule,
        event=ScheduleEvent,
        evolve=rules.evolve,
        view=rules.view,
        commands=(
            CommandType(
                "schedules.create", CreateSchedule, Permission(RESOURCE, "c"), rules.decide_create, creates=True, guarded=False
            ),
            CommandType("schedules.pause", PauseSchedule, _UPDATE, rules.decide_pause, guarded=False),
            CommandType("schedules.resume", ResumeSchedule, _UPDATE, rules.decide_resume, guarded=False),
            CommandType("schedules.run-now", RunNow, _UPDATE, rules.decide_now, guarded=False),
            CommandType("schedules.retime", RetimeSchedule, _UPDATE, rules.decide_retime, guarded=False),
            CommandType("schedules.begin-run", BeginRun, _UPDATE, rules.decide_begin, guarded=False),
            CommandType("schedules.end-run", EndRun, _UPDATE, rules.decide_end, guarded=False),
        ),
        lookup=LOOKUP,
    ),
)

__all__ = ["AGGREGATES", "ScheduleService", "Task", "Timing"]
