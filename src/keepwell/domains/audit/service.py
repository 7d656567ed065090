"""Reading the audit. Looking at it is itself recorded, like any search."""

from typing import Any
from uuid import UUID

from keepwell.domains.audit.models import AuditFilter
from keepwell.domains.audit.store import Row, page
from keepwell.kernel import Actor, Kernel, Origin, Permission, Search

RESOURCE = "AuditEvent"
_SEARCH = Permission(RESOURCE, "s")


class AuditService:
    """The audit of a clinic, for doors and other rooms."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def kinds(self, name: str) -> tuple[str, ...]:
        """The kinds of aggregates that a kind's own name or a FHIR resource type means; none when nothing is called so."""
        found = (kind for kind, aggregate in self._kernel.catalog.kinds.items() if name in (kind, aggregate.resource))
        return tuple(sorted(found))

    async def page(self, actor: Actor, origin: Origin, wanted: AuditFilter, limit: int) -> list[Row]:
        """Items and where they stand, newest first. An actor held to one person's data sees what was done with that.

        Raises:
            Refused: as any read.
        """

        async def query(connection: Any) -> list[Row]:
            compartment = self._kernel.compartment_of(actor, _SEARCH)
            return await page(connection, wanted, compartment, self._kernel.clock.now(), limit)

        return await self._kernel.search(Search("audit", actor, origin, _SEARCH, spread=True), query)

    def entity(self, id: UUID, kinds: tuple[str, ...] | None) -> tuple[UUID, tuple[str, ...]]:
        """One entity to look for. Without kinds all are named, because the journal's key leads with the kind."""
        return id, tuple(sorted(self._kernel.catalog.kinds)) if kinds is None else kinds
