"""Heartbeats: who beats says a token and nothing else."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

from keepwell.domains.monitors.rules.lifecycle import KIND
from keepwell.domains.monitors.service.keeping import SEARCH
from keepwell.domains.monitors.service.tokens import digest
from keepwell.domains.monitors.store import beating
from keepwell.domains.tenants import operator
from keepwell.kernel import Kernel, Origin, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kernel.tally import TallyKind
from keepwell.kit.ids import NIL

BEATS = TallyKind("monitor-beats", width=timedelta(hours=1), kept=timedelta(days=35))
"""By monitor."""

Beat = Callable[[UUID, UUID, datetime, Origin], Awaitable[None]]
"""Takes a beat of a clinic's monitor that came at an instant. It raises `Refused` where it cannot be kept."""


class Heartbeats:
    """Knows whose a beat is, and hands it on to who keeps it: a count, until somebody says who else."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._kept: Beat = self._counted

    def kept_by(self, beat: Beat) -> None:
        """Hands beats to `beat` from now on."""
        self._kept = beat

    async def beat(self, token: str, origin: Origin) -> None:
        """Takes a beat.

        Raises:
            Refused: `not-found`: no monitor is known by this token; or it cannot be kept now.
        """
        known = digest(token)
        if known is None:
            raise Refused(Refusal(NOT_FOUND))
        search = Search(KIND, operator(NIL), origin, SEARCH, "find-heartbeat")
        found = await self._kernel.search(search, lambda connection: beating(connection, known))
        if found is None:
            raise Refused(Refusal(NOT_FOUND))
        tenant, monitor = found
        await self._kept(tenant, monitor, self._kernel.clock.now(), origin)

    async def _counted(self, tenant: UUID, monitor: UUID, _at: datetime, _origin: Origin) -> None:
        self._kernel.tally.add(tenant, BEATS, str(monitor))
