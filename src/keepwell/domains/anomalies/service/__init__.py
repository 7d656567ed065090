"""Anomalies, for those who look at them, and for what feeds the detector."""

from datetime import timedelta
from uuid import UUID

from keepwell.domains.anomalies.models import AnomalyView
from keepwell.domains.anomalies.service.feeding import Feeder
from keepwell.domains.anomalies.service.telling import Teller
from keepwell.domains.anomalies.store import AnomalyStore, page
from keepwell.domains.checks import CheckService
from keepwell.domains.monitors import KIND as MONITOR
from keepwell.domains.monitors import RESOURCE
from keepwell.kernel import Actor, Kernel, Origin, Permission, Read, Refused, Search
from keepwell.kernel.problems import NOT_FOUND, Refusal

_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")
_PURGE_AT_ONCE = 5_000


class AnomalyService:
    """The parts of this room over one kernel, fed by checks."""

    def __init__(self, kernel: Kernel, checks: CheckService, store: AnomalyStore | None = None) -> None:
        self._kernel = kernel
        self.store = store or AnomalyStore(kernel.database)
        self.teller = Teller(kernel, self.store, checks.configurations)
        self.feeder = Feeder(self.store, checks, self.teller)

    async def page(self, actor: Actor, monitor: UUID, origin: Origin, before: UUID | None, limit: int) -> list[AnomalyView]:
        """Anomalies of a monitor, the newest first. Raises `Refused` as any read of the monitor."""
        snapshot = await self._kernel.read(Read(MONITOR, monitor, actor, origin, _READ, "read-anomalies"))
        if snapshot.state.deleted:
            raise Refused(Refusal(NOT_FOUND))
        search = Search(MONITOR, actor, origin, _SEARCH, "read-anomalies")
        return await self._kernel.search(search, lambda connection: page(connection, monitor, before, limit))

    async def purge(self, kept: timedelta) -> None:
        """Deletes anomalies of all clinics that ended longer ago than they are `kept`. Raises `DatabaseUnavailable`."""
        before = self._kernel.clock.now() - kept
        while await self.store.purge(before, _PURGE_AT_ONCE) == _PURGE_AT_ONCE:
            pass
