"""Reads of participants, and the ids that new ones get."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.participants.models import Details, ParticipantEvent, ParticipantView
from keepwell.domains.participants.rules import changes, participant_id, view
from keepwell.domains.participants.store import FINDER, enrolled_token, external_token, spoken
from keepwell.kernel import (
    Actor,
    Comparison,
    Condition,
    Entry,
    Found,
    Kernel,
    Origin,
    Permission,
    Read,
    Search,
    Selection,
    Snapshot,
    View,
)
from keepwell.kernel.journal import event_name
from keepwell.kit.ids import keyed_id, new_id

KIND, RESOURCE = "participant", "Patient"
_READ = Permission(RESOURCE, "r")
_SEARCH = Permission(RESOURCE, "s")
_LISTED_AT_ONCE = 100


class ParticipantHistoryItem(msgspec.Struct, frozen=True):
    """One version: who made it, how, and what was said, by field."""

    version: int
    at: datetime
    type: str
    actor: UUID
    role: str
    door: str
    request_id: str
    changes: dict[str, Any]


class ParticipantService:
    """The participants of a clinic, for doors and other rooms."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def id_for(self, tenant: UUID, program: UUID | None, external_id: str | None) -> UUID:
        """The id of a person whom a program calls so; without an external id a fresh one, of the same form."""
        blind = await self._kernel.blinding(tenant)
        if external_id is None:
            return keyed_id(blind(f"participant:{new_id()}"))
        return participant_id(blind, program, external_id)

    async def get(self, actor: Actor, id: UUID, origin: Origin, action: str = "read") -> Snapshot:
        """One participant; the state is a `Participant`.

        Raises:
            Refused: as any read.
        """
        return await self._kernel.read(Read(KIND, id, actor, origin, _READ, action))

    async def show(self, actor: Actor, id: UUID, origin: Origin) -> View:
        """What a caller sees of one participant. Raises as `get` does."""
        return await self._kernel.view(Read(KIND, id, actor, origin, _READ))

    async def history(self, actor: Actor, id: UUID, origin: Origin) -> list[Entry]:
        """All that happened to a record, oldest first. Raises as `get` does."""
        return await self._kernel.history(Read(KIND, id, actor, origin, _READ, "history"))

    async def unchanged(self, actor: Actor, origin: Origin, said: Mapping[UUID, Details]) -> set[UUID]:
        """Those participants of whom a batch said just this before, and nobody anything since. One search, recorded as that.

        Raises as `get` does.
        """
        blind = await self._kernel.blinding(actor.tenant)
        search = Search(KIND, actor, origin, _SEARCH, "compare")
        found = await self._kernel.search(search, lambda connection: spoken(connection, list(said)))
        return {id_ for id_, index in found.items() if index is not None and index == blind(enrolled_token(said[id_]))}

    async def enrolled(self, actor: Actor, origin: Origin, program: UUID, after: UUID | None, limit: int) -> list[UUID]:
        """Who is enrolled in a program, by id, those after `after`. One search, recorded as that. Raises as `get` does."""
        of: tuple[Condition, ...] = (((Comparison("program", "=", program), Comparison("active", "=", value=True)),),)
        wanted = Selection(of, descending=False, after=None if after is None else Found(after), limit=limit)
        found = await self._kernel.find(Search(KIND, actor, origin, _SEARCH, "list-enrolled"), FINDER, wanted)
        return [one.id for one in found]

    async def page(
        self, actor: Actor, origin: Origin, external_id: str | None, after: UUID | None, limit: int
    ) -> list[ParticipantView]:
        """Participants in the order of their ids, those after `after`; with an external id, those called so in any program.

        Each one listed is recorded as read. Raises as `get` does.
        """
        blind = await self._kernel.blinding(actor.tenant)
        called: tuple[Condition, ...] = (((Comparison("active", "=", value=True),),),)
        if external_id is not None:
            called = (((Comparison("external", "=", blind(external_token(external_id))),),),)
        place = None if after is None else Found(after)
        wanted = Selection(called, descending=False, after=place, limit=limit)
        found = await self._kernel.find(Search(KIND, actor, origin, _SEARCH, spread=True), FINDER, wanted)
        views: list[ParticipantView] = []
        for start in range(0, len(found), _LISTED_AT_ONCE):  # one list must not fill the queue of reads
            reads = (self.get(actor, one.id, origin, "list") for one in found[start : start + _LISTED_AT_ONCE])
            views.extend(map(view, await asyncio.gather(*reads)))
        return views


def told(entry: Entry) -> ParticipantHistoryItem:
    """A journal entry as the history shows it."""
    event: ParticipantEvent = entry.event
    who = (entry.actor, entry.role, entry.door, entry.request_id)
    return ParticipantHistoryItem(entry.version, entry.at, event_name(event), *who, changes(event))
