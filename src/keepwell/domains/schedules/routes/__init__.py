"""The HTTP door of schedules."""

from typing import Any

import msgspec

from keepwell.domains.schedules.errors import INVALID_SCHEDULE, RUN_UNDER_WAY, SCHEDULE_PAUSED
from keepwell.domains.schedules.models import PauseSchedule, ResumeSchedule, RunNow, ScheduleView
from keepwell.domains.schedules.routes import examples
from keepwell.domains.schedules.routes.bodies import NewSchedule, RunEntry, RunList, ScheduleList
from keepwell.domains.schedules.service import ScheduleService
from keepwell.kernel import Command, Entry
from keepwell.kernel.http import Answer, Call, Endpoint, HistoryPart, Part, answer, page_of, part_of
from keepwell.kernel.journal import event_name

_TAG = "Schedules"
_TOLD = ("run-begun", "run-ended", "runs-missed")


class _Schedules:
    def __init__(self, service: ScheduleService) -> None:
        self._service = service

    async def create(self, call: Call) -> Answer:
        body: NewSchedule = call.body
        command = self._service.creating(body.task, body.timing)
        outcome = await call.execute(command)
        return answer(outcome, 201, f"/v1/schedules/{outcome.id}")

    async def page(self, call: Call) -> Answer:
        part: Part = call.query
        found = await self._service.page(call.actor, call.origin)
        return Answer(200, ScheduleList(*part_of(found, lambda schedule: schedule.id, part.limit, part.cursor)))

    async def show(self, call: Call) -> Answer:
        found = await self._service.get(call.actor, call.id, call.origin)
        return Answer(200, found, {"etag": f'"{found.version}"'})

    async def runs(self, call: Call) -> Answer:
        part: HistoryPart = call.query
        entries = await self._service.history(call.actor, call.id, call.origin)
        told = [_told(entry) for entry in entries if event_name(entry.event) in _TOLD and entry.version > (part.cursor or 0)]
        return Answer(200, RunList(*page_of(told, part.limit, lambda one: one.version)))

    async def run(self, call: Call) -> Answer:
        return await self._done(call, RunNow(call.id))

    async def pause(self, call: Call) -> Answer:
        return await self._done(call, PauseSchedule(call.id))

    async def resume(self, call: Call) -> Answer:
        return await self._done(call, ResumeSchedule(call.id))

    async def _done(self, call: Call, command: Command) -> Answer:
        return answer(await call.execute(command))


def _told(entry: Entry) -> RunEntry:
    event: dict[str, Any] = msgspec.to_builtins(entry.event)
    hidden = ("type", "next_at", "zones")
    told = {name: value for name, value in event.items() if name not in hidden}
    return RunEntry(entry.version, entry.at, event_name(entry.event), told)


def endpoints(service: ScheduleService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    schedules = _Schedules(service)
    return (*_reads(schedules), *_changes(schedules))


def _reads(schedules: _Schedules) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/schedules",
            schedules.page,
            "List the clinic's schedules, the oldest first",
            _TAG,
            query=Part,
            answers={200: ScheduleList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/schedules/{id}",
            schedules.show,
            "Show a schedule with its latest run",
            _TAG,
            answers={200: ScheduleView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "GET",
            "/v1/schedules/{id}/runs",
            schedules.runs,
            "List the runs of a schedule, and the times that were missed",
            _TAG,
            query=HistoryPart,
            answers={200: RunList},
            compressed=True,
            example=examples.RUNS,
        ),
    )


def _changes(schedules: _Schedules) -> tuple[Endpoint, ...]:
    made = Endpoint(
        "POST",
        "/v1/schedules",
        schedules.create,
        "Let a task run by the clinic's clocks",
        _TAG,
        body=NewSchedule,
        answers={201: ScheduleView},
        problems=(INVALID_SCHEDULE,),
        etag=True,
        compressed=True,
        example=examples.CREATE,
    )
    described = (
        ("run", schedules.run, "Ask for a run now", (SCHEDULE_PAUSED, RUN_UNDER_WAY), examples.RUN),
        ("pause", schedules.pause, "Let nothing begin", (), examples.PAUSE),
        ("resume", schedules.resume, "Go on with the next time from now", (), examples.RESUME),
    )
    actions = tuple(
        Endpoint(
            "POST",
            f"/v1/schedules/{{id}}/{action}",
            handler,
            summary,
            _TAG,
            answers={200: ScheduleView},
            problems=problems,
            etag=True,
            compressed=True,
            example=example,
        )
        for action, handler, summary, problems, example in described
    )
    return (made, *actions)
