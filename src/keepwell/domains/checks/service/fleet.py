"""How all monitors of a clinic, or of a group, fared in the same stretch of time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from keepwell.domains.checks.rules.uptime import Budget, Spent, budget, spent, together
from keepwell.domains.checks.service.reading import CheckReader
from keepwell.domains.monitors import MonitorService
from keepwell.kernel import Actor, Origin

MOST = 2_000
_AT_ONCE = 100


class Fared(msgspec.Struct, frozen=True):
    """How one monitor fared."""

    monitor: UUID
    name: str
    group: str
    time: Spent
    budget: Budget


class FleetUptime(msgspec.Struct, frozen=True):
    """How each fared, by group and name, and all of them together."""

    monitors: Sequence[Fared]
    time: Spent
    budget: Budget


class Fleet:
    """The monitors of one clinic at a time: the actor's."""

    def __init__(self, monitors: MonitorService, reader: CheckReader) -> None:
        self._monitors = monitors
        self._reader = reader

    async def uptime(
        self, actor: Actor, origin: Origin, group: str | None, since: datetime, until: datetime, objective: float
    ) -> FleetUptime:
        """Of all monitors, at most `MOST` of them, or of those of a group.

        Raises:
            Refused: as any search of monitors.
        """
        found = [each for each in await self._all(actor, origin) if group is None or each[2] == group]
        changes = await self._reader.changes(actor, origin, [each[0] for each in found], since, until)
        fared: list[Fared] = []
        for id_, name, its_group in found:
            time = spent(changes[id_], since, until)
            fared.append(Fared(id_, name, its_group, time, budget(time, objective)))
        whole = together([each.time for each in fared])
        return FleetUptime(sorted(fared, key=lambda each: (each.group, each.name, each.monitor)), whole, budget(whole, objective))

    async def _all(self, actor: Actor, origin: Origin) -> list[tuple[UUID, str, str]]:
        found: list[tuple[UUID, str, str]] = []
        before: UUID | None = None
        while len(found) < MOST:
            views = await self._monitors.keeper.page(actor, origin, before, _AT_ONCE)
            found += [(view.id, view.name, view.group) for view in views]
            if len(views) < _AT_ONCE:
                break
            before = views[-1].id
        return found
