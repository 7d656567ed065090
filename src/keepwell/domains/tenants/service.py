"""Opening clinics and finding them."""

from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.tenants.errors import NO_CLINIC, SLUG_TAKEN
from keepwell.domains.tenants.models import Clinic, CloseTenant, CreateTenant, Tenant, TenantView
from keepwell.domains.tenants.store import all_clinics, any_clinic, clinic_by_slug, other_clinics_exist
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Permission, Read, Refusal, Refused, Search
from keepwell.kit.ids import NIL, new_id

ORGANIZATION = "Organization"
_READ = Permission(ORGANIZATION, "r")


def operator(tenant: UUID) -> Actor:
    """The system itself at work in one clinic: whoever can start the program's commands on the machine may act as it."""
    return Actor(tenant, NIL, "system", ("system/*.cruds",))


class TenantService:
    """Clinics, for operators and for those who log in."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def create(self, slug: str, name: str, origin: Origin) -> TenantView:
        """Opens a clinic under a fresh id.

        Raises:
            Refused: `slug-taken`, `invalid-tenant`, or the database is out of reach.
        """
        id_ = new_id()
        command = CreateTenant(id_, slug, name)
        [outcome] = await self._kernel.execute([Envelope(command, operator(id_), origin)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return msgspec.json.decode(outcome.body, type=TenantView)

    async def ensure(self, slug: str, name: str, origin: Origin) -> Clinic:
        """The clinic with this short name, opened when there is none. Raises as `create` does."""
        if (found := await self.find(slug, origin)) is not None:
            return found
        try:
            view = await self.create(slug, name, origin)
        except Refused as refused:
            # Somebody else was faster. A clinic that is there but closed stays taken.
            if refused.refusal.type != SLUG_TAKEN or (found := await self.find(slug, origin)) is None:
                raise
            return found
        return Clinic(view.id, view.slug, view.name)

    async def find(self, slug: str, origin: Origin) -> Clinic | None:
        """The active clinic with this short name.

        Raises:
            Refused: the database is out of reach.
        """
        search = Search("tenant", operator(NIL), origin, _READ, "find-clinic")
        return await self._kernel.search(search, lambda connection: clinic_by_slug(connection, slug))

    async def named(self, slug: str, origin: Origin, *, closed_too: bool = False) -> Clinic:
        """The clinic that an operator means.

        Raises:
            Refused: there is none; or as `find`.
        """
        search = Search("tenant", operator(NIL), origin, _READ, "find-clinic")
        look = any_clinic if closed_too else clinic_by_slug
        found = await self._kernel.search(search, lambda connection: look(connection, slug))
        if found is None:
            raise Refused(Refusal(NO_CLINIC))
        return found

    async def close(self, tenant: UUID, origin: Origin) -> None:
        """Closes a clinic. Closing a closed one changes nothing.

        Raises:
            Refused: there is none, its keys were destroyed, or the database is out of reach.
        """
        [outcome] = await self._kernel.execute([Envelope(CloseTenant(tenant), operator(tenant), origin)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)

    async def everywhere(self, origin: Origin) -> list[Clinic]:
        """Every active clinic, by short name. Raises as `find` does."""
        search = Search("tenant", operator(NIL), origin, _READ, "list-clinics")
        return await self._kernel.search(search, all_clinics)

    async def others_exist(self, slug: str, origin: Origin) -> bool:
        """Whether there is any clinic besides the one with this short name. Raises as `find` does."""

        async def query(connection: Any) -> bool:
            return await other_clinics_exist(connection, slug)

        return await self._kernel.search(Search("tenant", operator(NIL), origin, _READ, "count-clinics"), query)

    async def own(self, actor: Actor, origin: Origin) -> Clinic:
        """The actor's clinic, read on the actor's own permission.

        Raises:
            Refused: as any read.
        """
        snapshot = await self._kernel.read(Read("tenant", actor.tenant, actor, origin, _READ))
        tenant: Tenant = snapshot.state
        return Clinic(snapshot.id, tenant.slug, tenant.name)
