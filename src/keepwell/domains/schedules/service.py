"""Schedules, for those who set them and for the workers that run them."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.schedules.errors import INVALID_SCHEDULE, RUN_NOT_DUE, RUN_UNDER_WAY, SCHEDULE_PAUSED
from keepwell.domains.schedules.models import (
    BeginRun,
    CreateSchedule,
    EndRun,
    PauseSchedule,
    Result,
    ResumeSchedule,
    RetimeSchedule,
    RunNow,
    Schedule,
    ScheduleView,
    Task,
    Timing,
)
from keepwell.domains.schedules.rules import view
from keepwell.domains.schedules.store import due, outdated, stored
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Command, Entry, Envelope, Kernel, Origin, Permission, Read, Refused, Search
from keepwell.kernel.problems import Fault, Refusal
from keepwell.kit import zones
from keepwell.kit.ids import NIL, new_id
from keepwell.platform.queue import Claimed, Job

KIND = "schedule"
RESOURCE = "Schedule"
RUN = "schedules.run"
"""The kind of job that is one run."""

_READ = Permission(RESOURCE, "r")
_SEARCH = Permission(RESOURCE, "s")
_SETTLED = (RUN_NOT_DUE, RUN_UNDER_WAY, SCHEDULE_PAUSED)


class ScheduleService:
    """What the program can do for clinics, and when it does. A process that runs tasks says what they need to run."""

    def __init__(self, kernel: Kernel, tasks: Iterable[Task]) -> None:
        self._kernel = kernel
        self.tasks = {task.key: task for task in tasks}
        self._fit: Callable[[], Awaitable[None]] = _always

    def runs_only_when(self, fit: Callable[[], Awaitable[None]]) -> None:
        """Lets no task loose unless `fit` returns: it raises while the schema is not the program's."""
        self._fit = fit

    async def create(self, actor: Actor, task: str, timing: Timing, origin: Origin) -> ScheduleView:
        """A schedule of a task that the program has. Raises `Refused`: `invalid-schedule`, or as any command."""
        return await self._done(actor, self.creating(task, timing), origin)

    def creating(self, task: str, timing: Timing) -> CreateSchedule:
        """The command that makes a schedule.

        Raises:
            Refused: `invalid-schedule`: the program has no such task.
        """
        if task not in self.tasks:
            fault = Fault("/task", "invalid-value", f"Use one of: {', '.join(sorted(self.tasks))}.")
            raise Refused(Refusal(INVALID_SCHEDULE, faults=(fault,)))
        return CreateSchedule(new_id(), task, timing)

    async def pause(self, actor: Actor, id_: UUID, origin: Origin) -> ScheduleView:
        """Lets nothing begin. Raises `Refused` as any command."""
        return await self._done(actor, PauseSchedule(id_), origin)

    async def resume(self, actor: Actor, id_: UUID, origin: Origin) -> ScheduleView:
        """Goes on. Raises `Refused` as any command."""
        return await self._done(actor, ResumeSchedule(id_), origin)

    async def run_now(self, actor: Actor, id_: UUID, origin: Origin) -> ScheduleView:
        """Asks for a run. Raises `Refused`: `schedule-paused`, `run-under-way`, or as any command."""
        return await self._done(actor, RunNow(id_), origin)

    async def get(self, actor: Actor, id_: UUID, origin: Origin) -> ScheduleView:
        """One schedule. Raises `Refused` as any read."""
        return view(await self._kernel.read(Read(KIND, id_, actor, origin, _READ)))

    async def page(self, actor: Actor, origin: Origin) -> list[ScheduleView]:
        """The clinic's schedules, the oldest first. Raises `Refused` as any read."""
        ids = await self._kernel.search(Search(KIND, actor, origin, _SEARCH), stored)
        return [view(await self._kernel.read(Read(KIND, id_, actor, origin, _READ, "list"))) for id_ in ids]

    async def history(self, actor: Actor, id_: UUID, origin: Origin) -> list[Entry]:
        """All that happened, runs and missed times among it, oldest first. Raises `Refused` as any read."""
        return await self._kernel.history(Read(KIND, id_, actor, origin, _READ, "history"))

    async def due(self, origin: Origin) -> list[tuple[UUID, Job]]:
        """A job for each run that is due in any clinic. However often it is asked for, an instant's run is the same job."""
        now = self._kernel.clock.now()

        async def query(connection: Any) -> list[tuple[UUID, UUID, datetime]]:
            return await due(connection, now)

        found = await self._kernel.search(Search(KIND, operator(NIL), origin, _SEARCH, "find-due"), query)
        return [(tenant, _job(id_, at)) for tenant, id_, at in found]

    async def retime(self, origin: Origin) -> int:
        """Computes anew what came from another zone database; how many schedules that were."""

        async def query(connection: Any) -> list[tuple[UUID, UUID]]:
            return await outdated(connection, zones.database_version())

        found = await self._kernel.search(Search(KIND, operator(NIL), origin, _SEARCH, "find-outdated"), query)
        await self._kernel.execute([Envelope(RetimeSchedule(id_), operator(tenant), origin) for tenant, id_ in found])
        return len(found)

    async def run(self, job: Claimed, origin: Origin) -> None:
        """One run: begun, done, ended. Who comes too late for that finds that it is over, and does nothing.

        Raises:
            Refused: it could not be begun or ended now.
        """
        actor, id_ = operator(job.tenant), UUID(job.payload["schedule"])
        at = datetime.fromisoformat(job.payload["at"])
        [begun] = await self._kernel.execute([Envelope(BeginRun(id_, at), actor, origin)])
        if begun.refusal is not None:
            if begun.refusal.type in _SETTLED:
                return
            raise Refused(begun.refusal)
        state: Schedule = (await self._kernel.read(Read(KIND, id_, actor, origin, _READ, "run"))).state
        if state.run is None or state.run.scheduled_at != at or state.run.result is not None:
            return  # it was missed by too much
        result, error = await self._outcome(state.task, job.tenant, origin)
        await self._done(actor, EndRun(id_, at, result, error), origin)

    async def _outcome(self, key: str, tenant: UUID, origin: Origin) -> tuple[Result, str | None]:
        task = self.tasks.get(key)
        if task is None:
            return "refused", "UnknownTask"
        try:
            await self._fit()
        except Exception as error:  # noqa: BLE001 - whatever it is, the schema cannot be relied on
            return "refused", type(error).__name__
        try:
            await task.run(tenant, origin)
        except Exception as error:  # noqa: BLE001 - what came of the run is recorded, whatever it was
            return "failed", type(error).__name__
        return "ok", None

    async def _done(self, actor: Actor, command: Command, origin: Origin) -> ScheduleView:
        [outcome] = await self._kernel.execute([Envelope(command, actor, origin)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return msgspec.json.decode(outcome.body, type=ScheduleView)


async def _always() -> None:
    """Nothing is needed."""


def _job(id_: UUID, at: datetime) -> Job:
    return Job(RUN, f"{id_}-{at.isoformat()}", {"schedule": str(id_), "at": at.isoformat()})
