"""Reads of programs, and computing their instants anew."""

import asyncio
from datetime import datetime
from uuid import UUID

import msgspec

from keepwell.domains.programs.models import ProgramView, RecomputeProgram, TellProgram
from keepwell.domains.programs.rules import view
from keepwell.domains.programs.store import FINDER, closing, outdated, untold
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Envelope, Found, Kernel, Origin, Permission, Read, Refused, Search, Selection, Snapshot, View
from keepwell.kit import zones
from keepwell.kit.ids import NIL

KIND, RESOURCE = "program", "Program"
_READ = Permission(RESOURCE, "r")
_SEARCH = Permission(RESOURCE, "s")


class ProgramService:
    """The programs of a clinic, for doors and other rooms."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def get(self, actor: Actor, id: UUID, origin: Origin) -> Snapshot:
        """One program; the state is a `Program`. Raises `Refused` as any read."""
        return await self._kernel.read(Read(KIND, id, actor, origin, _READ))

    async def show(self, actor: Actor, id: UUID, origin: Origin) -> View:
        """What a caller sees of one program. Raises as `get` does."""
        return await self._kernel.view(Read(KIND, id, actor, origin, _READ))

    async def page(self, actor: Actor, origin: Origin, after: UUID | None, limit: int) -> list[ProgramView]:
        """Programs, the newest first, those after `after`. Raises as `get` does."""
        wanted = Selection(after=None if after is None else Found(after), limit=limit)
        found = await self._kernel.find(Search(KIND, actor, origin, _SEARCH), FINDER, wanted)
        reads = (self._kernel.read(Read(KIND, one.id, actor, origin, _READ, "list")) for one in found)
        return [view(snapshot) for snapshot in await asyncio.gather(*reads)]

    async def tell(self, actor: Actor, origin: Origin) -> dict[UUID, tuple[str, ...]]:
        """Tells of the clinic's programs that opened or closed since it was last told; what happened, by program. Whoever does
        it beside another finds nothing left. Raises `Refused` as any search or command.
        """
        now = self._kernel.clock.now()
        found = await self._kernel.search(Search(KIND, actor, origin, _SEARCH, "find-untold"), lambda each: untold(each, now))
        outcomes = await self._kernel.execute([Envelope(TellProgram(id_), actor, origin) for id_ in found])
        for outcome in outcomes:
            if outcome.refusal is not None:
                raise Refused(outcome.refusal)
        return {outcome.id: outcome.happened for outcome in outcomes if outcome.happened}

    async def closing(self, actor: Actor, origin: Origin, until: datetime) -> list[UUID]:
        """The clinic's programs that are open, and close by an instant. Raises as `get` does."""
        now = self._kernel.clock.now()
        search = Search(KIND, actor, origin, _SEARCH, "find-closing")
        return await self._kernel.search(search, lambda connection: closing(connection, now, until))

    async def recompute(self, origin: Origin) -> int:
        """Computes the instants of all programs anew that come from another zone database; how many came out otherwise."""
        search = Search(KIND, operator(NIL), origin, _SEARCH, "find-outdated")
        found = await self._kernel.search(search, lambda connection: outdated(connection, zones.database_version()))
        envelopes = [Envelope(RecomputeProgram(id_), operator(tenant), origin) for tenant, id_ in found]
        outcomes = await self._kernel.execute(envelopes)
        return sum(1 for outcome in outcomes if outcome.refusal is None and outcome.happened)


def decoded(body: bytes) -> ProgramView:
    """The view in an outcome."""
    return msgspec.json.decode(body, type=ProgramView)
