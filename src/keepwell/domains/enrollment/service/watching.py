"""Telling of batches that should move and do not: an incident each, which ends by itself when the batch moves again."""

from datetime import datetime
from uuid import UUID

from keepwell.domains.enrollment.service.settings import BATCH, RESOURCE
from keepwell.domains.enrollment.store import Runnable, runnable_batches
from keepwell.domains.incidents import IncidentService, Report
from keepwell.domains.tenants import operator
from keepwell.kernel import Kernel, Origin, Permission, Search
from keepwell.kit.ids import NIL

_SUBJECTS = "batch/"
_SEARCH = Permission(RESOURCE, "s")


class StallWatch:
    """Looks at the batches of all clinics. `stall` is after how many seconds without a row one is said not to move."""

    def __init__(self, kernel: Kernel, incidents: IncidentService, stall: float) -> None:
        self._kernel = kernel
        self._incidents = incidents
        self._stall = stall

    async def watch(self, origin: Origin) -> None:
        """Opens and ends the incidents there have to be.

        Raises:
            Refused: the database is out of reach.
        """
        search = Search(BATCH, operator(NIL), origin, _SEARCH, "find-stalled")
        found = await self._kernel.search(search, runnable_batches)
        now = self._kernel.clock.now()
        told: dict[UUID, list[Report]] = {}
        for batch in found:
            if (now - batch.moved_at).total_seconds() > self._stall:
                told.setdefault(batch.tenant, []).append(_report(batch, now))
        await self._incidents.keep_told(origin, _SUBJECTS, told)


def _report(batch: Runnable, now: datetime) -> Report:
    text = f"Nothing came of its rows for {(now - batch.moved_at).total_seconds():.0f} s. See whether workers run, and their log."
    return Report(f"{_SUBJECTS}{batch.id}", "warning", "A batch does not move", text, "docs/enrollment.md")
