"""Reading vendors, and the question whether one may have health information today."""

import asyncio
from datetime import timedelta
from uuid import UUID

from keepwell.domains.tenants import operator
from keepwell.domains.vendors.errors import VENDOR_WITHOUT_AGREEMENT
from keepwell.domains.vendors.models import VendorView
from keepwell.domains.vendors.rules import covered, view
from keepwell.domains.vendors.store import expiring, page
from keepwell.kernel import Actor, Kernel, Origin, Permission, Read, Refusal, Refused, Search

KIND, RESOURCE = "vendor", "Vendor"
_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")


class VendorService:
    """Vendors of one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def get(self, actor: Actor, vendor: UUID, origin: Origin) -> VendorView:
        """One vendor. Raises `Refused` as any read does."""
        return view(await self._kernel.read(Read(KIND, vendor, actor, origin, _READ)))

    async def page(self, actor: Actor, origin: Origin, before: UUID | None, limit: int) -> list[VendorView]:
        """The clinic's vendors, the newest first. Raises as `get` does."""
        search = Search(KIND, actor, origin, _SEARCH, spread=True)
        ids = await self._kernel.search(search, lambda connection: page(connection, before, limit))
        return list(await asyncio.gather(*(self.get(actor, id_, origin) for id_ in ids)))

    async def expiring(self, actor: Actor, origin: Origin, days: int) -> list[VendorView]:
        """Those the clinic works with whose agreement ends within so many days, has ended, or never was. Raises as `get` does."""
        until = self._kernel.clock.now().date() + timedelta(days=days)
        search = Search(KIND, actor, origin, _SEARCH, "find-expiring")
        ids = await self._kernel.search(search, lambda connection: expiring(connection, until))
        return list(await asyncio.gather(*(self.get(actor, id_, origin) for id_ in ids)))

    async def require_agreement(self, tenant: UUID, vendor: UUID, origin: Origin) -> None:
        """Returns when the vendor may have health information today (a day in UTC): to be asked before any is sent to it.

        Raises:
            Refused: `vendor-without-agreement`; `not-found`; or the database is out of reach, and then nothing is sent either.
        """
        read = Read(KIND, vendor, operator(tenant), origin, _READ, "require-agreement")
        state = (await self._kernel.read(read)).state
        if not covered(state, self._kernel.clock.now().date()):
            raise Refused(Refusal(VENDOR_WITHOUT_AGREEMENT))
