"""Pages as those who keep them see them."""

import asyncio
from uuid import UUID

from keepwell.domains.statuspages.models import StatusPageView
from keepwell.domains.statuspages.rules.lifecycle import view
from keepwell.domains.statuspages.store import page
from keepwell.kernel import Actor, Kernel, Origin, Permission, Read, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND

KIND, RESOURCE = "status-page", "StatusPage"
READ, SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")


class Keeper:
    """Pages of one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def get(self, actor: Actor, id_: UUID, origin: Origin) -> StatusPageView:
        """One page. Raises `Refused` as any read does."""
        snapshot = await self._kernel.read(Read(KIND, id_, actor, origin, READ))
        if snapshot.state.deleted:
            raise Refused(Refusal(NOT_FOUND))
        return view(snapshot)

    async def page(self, actor: Actor, origin: Origin, before: UUID | None, limit: int) -> list[StatusPageView]:
        """The clinic's pages, the newest first. Raises as `get` does."""
        search = Search(KIND, actor, origin, SEARCH, spread=True)
        ids = await self._kernel.search(search, lambda connection: page(connection, before, limit))
        return list(await asyncio.gather(*(self.get(actor, id_, origin) for id_ in ids)))
