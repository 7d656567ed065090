"""What came of checks, for those who may see the monitor: each look is recorded as a read of it."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from keepwell.domains.checks.models import DeadCheck, Result, Rollup, StatusView, TransitionView
from keepwell.domains.checks.rules.uptime import Budget, Change, Spent, budget, spent
from keepwell.domains.checks.store import looking
from keepwell.domains.monitors import KIND as MONITOR
from keepwell.domains.monitors import RESOURCE
from keepwell.kernel import Actor, Kernel, Origin, Permission, Read, Refused, Search
from keepwell.kernel.problems import NOT_FOUND, Refusal

Found = TypeVar("Found")
Width = Literal["minute", "hour", "day"]
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_LONGEST_WINDOW = timedelta(days=731)
_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")


class Uptime(msgspec.Struct, frozen=True):
    """How a monitor fared between two instants. `checks` counts whole hours."""

    since: datetime
    until: datetime
    time: Spent
    budget: Budget
    checks: int
    missed: int


class CheckReader:
    """Results, states and transitions of one clinic's monitors at a time: the actor's."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    async def results(
        self,
        actor: Actor,
        monitor: UUID,
        origin: Origin,
        since: datetime,
        until: datetime,
        limit: int,
        before: tuple[datetime, str] | None = None,
    ) -> list[Result]:
        """Results of instants from `since` up to but not at `until`, the newest first, behind instant and region `before`.

        Raises:
            Refused: as any read of the monitor.
        """
        last = before or (until, "")
        return await self._look(actor, monitor, origin, lambda it: looking.results(it, monitor, since, last, limit))

    async def rollups(
        self, actor: Actor, monitor: UUID, origin: Origin, width: Width, since: datetime, until: datetime, limit: int
    ) -> list[Rollup]:
        """What came of the checks of each minute, hour or day (of UTC), the newest first. Raises as `results`."""
        return await self._look(actor, monitor, origin, lambda it: looking.rollups(it, monitor, width, since, until, limit))

    async def status(self, actor: Actor, monitor: UUID, origin: Origin) -> StatusView:
        """What is thought of a monitor now. Raises as `results`."""
        found = await self._look(actor, monitor, origin, lambda it: looking.statuses(it, [monitor]))
        if not found:  # made a moment ago
            now = self.kernel.clock.now()
            return StatusView(monitor, "unknown", now, None, None, flapping=False, checked_at=None, incident=None)
        return found[0]

    async def statuses(self, actor: Actor, origin: Origin, monitors: list[UUID]) -> list[StatusView]:
        """What is thought of monitors now, those that were never looked at left out. Raises `Refused` as any search."""
        search = Search(MONITOR, actor, origin, _SEARCH, "read-statuses")
        return await self.kernel.search(search, lambda it: looking.statuses(it, monitors))

    async def transitions(
        self, actor: Actor, monitor: UUID, origin: Origin, since: datetime, until: datetime, limit: int
    ) -> list[TransitionView]:
        """What changed, the newest first. Raises as `results`."""
        return await self._look(actor, monitor, origin, lambda it: looking.transitions(it, monitor, since, until, limit))

    async def changes(
        self, actor: Actor, origin: Origin, monitors: list[UUID], since: datetime, until: datetime
    ) -> dict[UUID, list[Change]]:
        """What changed between two instants, of each monitor in order, and the latest change before. Raises as `statuses`."""
        search = Search(MONITOR, actor, origin, _SEARCH, "read-transitions")
        return await self.kernel.search(search, lambda it: looking.changes_of(it, monitors, since, until))

    async def uptime(
        self, actor: Actor, monitor: UUID, origin: Origin, since: datetime, until: datetime, objective: float
    ) -> Uptime:
        """How it fared between two instants. Raises as `results`."""

        async def query(connection: Any) -> Uptime:
            changes = await looking.changes(connection, monitor, since, until)
            time = spent(changes, since, until)
            checks, missed = await looking.counted(connection, monitor, since, until)
            return Uptime(since, until, time, budget(time, objective), checks, missed)

        return await self._look(actor, monitor, origin, query)

    async def dead(self, actor: Actor, monitor: UUID, origin: Origin) -> list[DeadCheck]:
        """Checks that could not be made, the oldest first. Raises as `results`."""
        return await self._look(actor, monitor, origin, lambda it: looking.dead(it, monitor))

    async def _look(self, actor: Actor, monitor: UUID, origin: Origin, query: Callable[[Any], Awaitable[Found]]) -> Found:
        snapshot = await self.kernel.read(Read(MONITOR, monitor, actor, origin, _READ, "read-results"))
        if snapshot.state.deleted:
            raise Refused(Refusal(NOT_FOUND))
        return await self.kernel.search(Search(MONITOR, actor, origin, _SEARCH, "read-results"), query)


def window_of(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """The stretch of time up to now that a text such as `24h`, `30d` or `90m` names, or a duration of ISO 8601 such as `PT24H`;
    None: none, or over two years.
    """
    number, unit = text[:-1], text[-1:].lower()
    try:
        if text[:1] in ("P", "p"):
            length = msgspec.convert(text, timedelta)
        elif number.isdecimal() and number.isascii():
            length = int(number[:9]) * _UNITS[unit]
        else:
            return None
    except (msgspec.ValidationError, KeyError, OverflowError):
        return None
    return (now - length, now) if timedelta() < length <= _LONGEST_WINDOW else None
