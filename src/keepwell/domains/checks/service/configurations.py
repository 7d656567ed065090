"""What monitors are to be checked by, as their room has it: read once a version, and kept."""

import asyncio
from collections import OrderedDict
from uuid import UUID

from keepwell.domains.monitors import Monitor, MonitorService
from keepwell.kernel import Origin
from keepwell.kit.ids import new_id

_MOST = 50_000
_PRIVATE_SECONDS = 30.0


class Configurations:
    """The monitors this process works for. What is kept is at least as new as what was asked for."""

    def __init__(self, monitors: MonitorService) -> None:
        self._monitors = monitors
        self._private: dict[UUID, tuple[float, bool]] = {}
        self._known: OrderedDict[tuple[UUID, UUID], tuple[int, Monitor]] = OrderedDict()

    async def get(self, tenant: UUID, monitor: UUID, version: int) -> Monitor:
        """A monitor at `version` or later.

        Raises:
            Refused: it is not there, or the database is out of reach.
        """
        key = (tenant, monitor)
        known = self._known.get(key)
        if known is not None and known[0] >= version:
            self._known.move_to_end(key)
            return known[1]
        state, newest = await self._monitors.keeper.load(tenant, monitor, origin())
        self._known[key] = (newest, state)
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return state

    async def private(self, tenant: UUID) -> bool:
        """Whether private addresses are open to a clinic's monitors, or were half a minute ago. Raises as `get`."""
        now = asyncio.get_running_loop().time()
        asked_at, allowed = self._private.get(tenant, (float("-inf"), False))
        if now - asked_at > _PRIVATE_SECONDS:
            allowed = await self._monitors.keeper.private_allowed(tenant, origin())
            self._private[tenant] = (now, allowed)
        return allowed


def origin() -> Origin:
    """Where the program's own reads and commands about checks come from."""
    return Origin("worker", str(new_id()), purpose="HSYSADMIN")
