"""Heartbeats: who beats says a token and nothing else."""

from uuid import UUID

from keepwell.domains.monitors.rules.lifecycle import KIND
from keepwell.domains.monitors.service.keeping import SEARCH
from keepwell.domains.monitors.service.tokens import digest
from keepwell.domains.monitors.store import beating
from keepwell.domains.tenants import operator
from keepwell.kernel import Kernel, Origin, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.ids import NIL


class Heartbeats:
    """Knows whose a beat is. What it is worth is for those who judge."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def find(self, token: str, origin: Origin) -> tuple[UUID, UUID]:
        """Clinic and monitor that are known by a token.

        Raises:
            Refused: `not-found`: none is; or the database is out of reach.
        """
        known = digest(token)
        if known is None:
            raise Refused(Refusal(NOT_FOUND))
        search = Search(KIND, operator(NIL), origin, SEARCH, "find-heartbeat")
        found = await self._kernel.search(search, lambda connection: beating(connection, known))
        if found is None:
            raise Refused(Refusal(NOT_FOUND))
        return found
