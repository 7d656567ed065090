"""When a schedule runs, and that each instant has one run at most. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice, takewhile

from msgspec.structs import replace

from keepwell.domains.schedules.errors import INVALID_SCHEDULE, RUN_NOT_DUE, RUN_UNDER_WAY, SCHEDULE_PAUSED
from keepwell.domains.schedules.models import (
    BeginRun,
    CreateSchedule,
    EndRun,
    PauseSchedule,
    ResumeSchedule,
    Retimed,
    RetimeSchedule,
    Run,
    RunBegun,
    RunEnded,
    RunNow,
    RunsMissed,
    Schedule,
    ScheduleCreated,
    ScheduleEvent,
    SchedulePaused,
    ScheduleView,
    Timing,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Fault, Refusal
from keepwell.kit import zones

LATE = timedelta(minutes=5)
"""A run that begins later than this after its time was missed."""
SHORTEST, LONGEST = 60, 366 * 86_400
"""Bounds of an interval, in seconds."""
_MOST_COUNTED = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decide_create(_state: None, command: CreateSchedule, context: Context) -> Decision:
    """Whether the task exists is for the program to say that carries it out: another release may know more of them."""
    faults = tuple(_faults(command.timing))
    if faults:
        return Refusal(INVALID_SCHEDULE, faults=faults)
    next_at = following(command.timing, context.now)
    return (ScheduleCreated(command.id, command.task, command.timing, next_at, zones.database_version()),)


def decide_pause(state: Schedule, _command: PauseSchedule, _context: Context) -> Decision:
    """Nothing, where it is paused already."""
    return () if state.paused else (SchedulePaused(),)


def decide_resume(state: Schedule, _command: ResumeSchedule, context: Context) -> Decision:
    """What passed meanwhile was not missed: somebody wanted it so."""
    return (_retimed(following(state.timing, context.now)),) if state.paused else ()


def decide_now(state: Schedule, _command: RunNow, context: Context) -> Decision:
    """The next run is due at once; the times after it stay as they are."""
    if state.paused:
        return Refusal(SCHEDULE_PAUSED)
    if under_way(state):
        return Refusal(RUN_UNDER_WAY)
    return (_retimed(context.now),) if state.next_at > context.now else ()


def decide_retime(state: Schedule, _command: RetimeSchedule, context: Context) -> Decision:
    """Nothing, while the zone database is the one the time comes from, or the time has come already."""
    if state.zones == zones.database_version() or state.next_at <= context.now:
        return ()
    return (_retimed(following(state.timing, context.now)),)


def decide_begin(state: Schedule, command: BeginRun, context: Context) -> Decision:
    """The same run may be begun again by who took it over; another one not before it has ended."""
    if state.run is not None and state.run.scheduled_at == command.scheduled_at:
        return () if state.run.result is None else Refusal(RUN_NOT_DUE)
    if state.paused:
        return Refusal(SCHEDULE_PAUSED)
    if under_way(state):
        return Refusal(RUN_UNDER_WAY)
    if command.scheduled_at != state.next_at or context.now < state.next_at:
        return Refusal(RUN_NOT_DUE)
    return _begun(state, context.now)


def decide_end(state: Schedule, command: EndRun, context: Context) -> Decision:
    """A run ends once."""
    if not under_way(state) or state.run is None or state.run.scheduled_at != command.scheduled_at:
        return ()
    return (RunEnded(command.scheduled_at, context.now, command.result, command.error),)


def following(timing: Timing, after: datetime) -> datetime:
    """The first time after an instant."""
    return next(_times(timing, after))


def _times(timing: Timing, after: datetime) -> Iterator[datetime]:
    """The times after an instant, soonest first."""
    if timing.cron is not None:
        return zones.occurrences(timing.cron, timing.time_zone, after)
    every = timedelta(seconds=timing.every_s or SHORTEST)
    return (_EPOCH + number * every for number in count((after - _EPOCH) // every + 1))


def under_way(state: Schedule) -> bool:
    """Whether a run has begun and not ended."""
    return state.run is not None and state.run.result is None


def evolve(state: Schedule | None, event: ScheduleEvent) -> Schedule:
    """The schedule after one event."""
    if isinstance(event, ScheduleCreated):
        return Schedule(event.id, event.task, event.timing, event.next_at, event.zones)
    if state is None:
        raise ValueError("a schedule begins by being created")
    if isinstance(event, SchedulePaused):
        return replace(state, paused=True)
    if isinstance(event, RunEnded):
        run = None if state.run is None else replace(state.run, result=event.result, ended_at=event.ended_at, error=event.error)
        return replace(state, run=run)
    moved = replace(state, next_at=event.next_at, zones=event.zones)
    if isinstance(event, Retimed):
        return replace(moved, paused=False)
    if isinstance(event, RunsMissed):
        return replace(moved, missed=state.missed + event.count)
    return replace(moved, run=Run(event.scheduled_at, event.begun_at))


def view(snapshot: Snapshot) -> ScheduleView:
    """What callers see."""
    state: Schedule = snapshot.state
    timing = state.timing
    return ScheduleView(
        state.id,
        state.task,
        timing.cron,
        timing.every_s,
        timing.time_zone,
        timing.missed,
        state.paused,
        state.next_at,
        state.missed,
        state.run,
        snapshot.version,
    )


def _begun(state: Schedule, now: datetime) -> Decision:
    next_at, version = following(state.timing, now), zones.database_version()
    passed = takewhile(lambda at: at <= now, _times(state.timing, state.next_at))
    missed = sum(1 for _ in islice(passed, _MOST_COUNTED))
    if state.timing.missed == "skip" and now - state.next_at > LATE:
        return (RunsMissed(state.next_at, missed + 1, next_at, version),)
    begun = RunBegun(state.next_at, now, next_at, version)
    return (RunsMissed(state.next_at, missed, next_at, version), begun) if missed else (begun,)


def _retimed(next_at: datetime) -> Retimed:
    return Retimed(next_at, zones.database_version())


def _faults(timing: Timing) -> Iterator[Fault]:
    if (timing.cron is None) == (timing.every_s is None):
        yield Fault("/cron", "invalid-value", "Say either cron or every_s.")
    if timing.cron is not None:
        try:
            zones.check_cron(timing.cron)
        except zones.InvalidCronError:
            yield Fault("/cron", "invalid-value", "Use a cron expression of five fields, such as 30 2 * * *.")
    if timing.every_s is not None and not SHORTEST <= timing.every_s <= LONGEST:
        yield Fault("/every_s", "invalid-value", f"Use {SHORTEST} to {LONGEST} seconds.")
    if not zones.is_zone(timing.time_zone):
        yield Fault("/time_zone", "invalid-value", "Use the IANA name of a zone, such as Europe/Berlin.")
