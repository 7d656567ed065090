"""What every type of resource offers the FHIR door: to be read, found, and planned to change."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from keepwell.domains.fhir.models import Filter, OperationOutcome, Query, Resource, ResourceType
from keepwell.domains.fhir.rules.parameters import dated, ids
from keepwell.domains.fhir.service.caller import Caller
from keepwell.kernel import (
    Command,
    Condition,
    Fault,
    Finder,
    Found,
    Kernel,
    Permission,
    Read,
    Refusal,
    Refused,
    Search,
    Selection,
    Snapshot,
)
from keepwell.kernel.problems import NOT_FOUND

_AT_ONCE = 100


def _as_it_is(fault: Fault) -> Fault:
    return fault


class Plan(msgspec.Struct, frozen=True):
    """What has to be run for a change: all of the commands or none, the first from version `if_match`, each from the next.

    `refusal` is what of the resource cannot be expressed in commands: it counts unless something else comes first, as it would
    at any other door. `in_resource` puts a fault of the room's at its place in the resource.
    """

    commands: tuple[Command, ...]
    if_match: int | None = None
    refusal: Refusal | None = None
    in_resource: Callable[[Fault], Fault] = _as_it_is


class Page(NamedTuple):
    """A part of what was found, and where it ended when there is more."""

    resources: list[Resource]
    position: Any = None


class Source(ABC):
    """One type of resource, to be searched."""

    def __init__(self, kernel: Kernel, type_: ResourceType) -> None:
        self.kernel = kernel
        self.type = type_

    @abstractmethod
    async def page(self, caller: Caller, query: Query, after: Any) -> Page:
        """Up to `query.count` resources, those after a position. Each one is recorded as read.

        Raises:
            Refused: as any read, or `invalid-parameter`.
        """

    async def count(self, caller: Caller, query: Query) -> int:
        """How many resources there are in all. Raises as `page` does."""
        raise ValueError(f"{self.type.name} is not counted")


class Facade(Source):
    """One type of resource that is stored."""

    # -- as it is and as it was ---------------------------------------------------------------------------------------

    def permission(self, letter: str) -> Permission:
        return Permission(self.type.name, letter)

    async def current(self, caller: Caller, id_: UUID, letter: str = "r", action: str = "read") -> Snapshot:
        """The aggregate as it is now. `letter` is the permission this is part of.

        Raises:
            Refused: as any read.
        """
        return await self.kernel.read(Read(self.type.kind, id_, caller.actor, caller.origin, self.permission(letter), action))

    async def past(self, caller: Caller, id_: UUID, version: int, letter: str = "r", action: str = "read-version") -> Snapshot:
        """The aggregate as it was at a version. Raises as `current` does; `not-found` too when it has no such version."""
        found = await self._until(caller, id_, version, letter, action)
        if not found or found[-1].version != version:
            raise Refused(Refusal(NOT_FOUND))
        return found[-1]

    async def at(self, caller: Caller, id_: UUID, version: int, letter: str, action: str) -> Snapshot:
        """As `past`, for a version that most likely is the newest. One there is not yet is taken to be the newest."""
        found = await self.current(caller, id_, letter, action)
        return found if version >= found.version or version < 1 else await self.past(caller, id_, version, letter, action)

    async def versions(self, caller: Caller, id_: UUID) -> list[Snapshot]:
        """Every version there was, the oldest first. Raises as `current` does."""
        return await self._until(caller, id_, 2**31 - 1, "r", "history")

    async def _until(self, caller: Caller, id_: UUID, version: int, letter: str, action: str) -> list[Snapshot]:
        kind, permission = self.type.kind, self.permission(letter)
        entries = await self.kernel.history(Read(kind, id_, caller.actor, caller.origin, permission, action), most=version)
        aggregate = self.kernel.catalog.kinds[kind]
        found: list[Snapshot] = []
        for entry in entries:
            state = aggregate.evolve(found[-1].state if found else None, entry.event)
            found.append(Snapshot(kind, id_, entry.version, state, entries[0].at, entry.at, b""))
        return found

    async def resource(self, caller: Caller, snapshot: Snapshot) -> Resource:
        """The resource that shows one snapshot. Raises as `resources` does."""
        [found] = await self.resources(caller, [snapshot])
        return found

    @abstractmethod
    async def resources(self, caller: Caller, snapshots: Sequence[Snapshot]) -> list[Resource]:
        """The resources that show these snapshots.

        Raises:
            Refused: what else has to be read for that may not be.
        """

    # -- found by what it says ----------------------------------------------------------------------------------------

    async def page(self, caller: Caller, query: Query, after: Any) -> Page:
        conditions = await self.conditions(caller, query)
        place = None if after is None else msgspec.convert(after, Found)
        wanted = Selection(conditions, query.by, query.descending, place, query.count + 1)
        found = await self.kernel.find(self._search(caller), self._finder, wanted)
        shown = found[: query.count]
        snapshots: list[Snapshot] = []
        for start in range(0, len(shown), _AT_ONCE):  # one search must not fill the queue of reads
            some = shown[start : start + _AT_ONCE]
            snapshots += await asyncio.gather(*(self.current(caller, one.id, action="list") for one in some))
        return Page(await self.resources(caller, snapshots), shown[-1] if len(found) > query.count else None)

    async def count(self, caller: Caller, query: Query) -> int:
        return await self.kernel.count(self._search(caller), self._finder, await self.conditions(caller, query))

    async def matches(self, caller: Caller, query: Query, most: int) -> list[UUID]:
        """The ids of up to so many, for a decision: as they are stored now, whatever replicas know. Raises as `page` does."""
        search = msgspec.structs.replace(self._search(caller), spread=False, action="search-condition")
        found = await self.kernel.find(search, self._finder, Selection(await self.conditions(caller, query), limit=most))
        return [one.id for one in found]

    async def conditions(self, caller: Caller, query: Query) -> tuple[Condition, ...]:
        """What must hold of what is looked for. Raises as `page` does."""
        return tuple([await self._condition(caller, one) for one in query.filters])

    async def _condition(self, caller: Caller, filter_: Filter) -> Condition:
        if filter_.name == "_id":
            return ids(filter_)
        if filter_.name == "_lastUpdated":
            return dated(filter_, "updated_at", "updated_at", self.kernel.clock.now())
        return await self.condition(caller, filter_)

    @abstractmethod
    async def condition(self, caller: Caller, filter_: Filter) -> Condition:
        """What one of the type's own parameters asks for. Raises as `page` does."""

    def _search(self, caller: Caller) -> Search:
        return Search(self.type.kind, caller.actor, caller.origin, self.permission("s"), spread=True)

    @property
    def _finder(self) -> Finder:
        if self.type.finder is None:
            raise ValueError(f"{self.type.name} is searched in another way")
        return self.type.finder

    # -- changed ------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def fresh_id(self, caller: Caller, resource: Resource) -> UUID:
        """The id that a new resource is to have."""

    @abstractmethod
    async def create(self, caller: Caller, resource: Resource, id_: UUID) -> Plan:
        """What brings a resource about.

        Raises:
            Refused: what it refers to cannot be read.
        """

    @abstractmethod
    async def update(self, caller: Caller, base: Snapshot, resource: Resource) -> Plan:
        """What makes `base` say what a resource says. Raises as `create` does."""

    @abstractmethod
    def unguarded(self, id_: UUID) -> Command:
        """A change of this type, for a caller who does not say from which version: it is refused as at any other door."""

    @abstractmethod
    async def judge(self, caller: Caller, resource: Resource) -> OperationOutcome:
        """What the rules say of a resource, without storing it. Raises as `create` does."""
