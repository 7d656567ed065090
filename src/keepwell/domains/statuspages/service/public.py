"""What everybody sees: made anew some seconds after it was made, however many look at it meanwhile."""

import asyncio
from collections import OrderedDict

import msgspec

from keepwell.domains.checks import CheckReader
from keepwell.domains.statuspages.models import PublicPage, StatusPage
from keepwell.domains.statuspages.rules.showing import first_day, public_page
from keepwell.domains.statuspages.service.keeping import KIND, READ, SEARCH
from keepwell.domains.statuspages.store import published
from keepwell.domains.tenants import TenantService, operator
from keepwell.kernel import Kernel, Origin, Read, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.zones import opening_instant

FRESH_SECONDS = 15
_MOST = 1_000


class Shown(msgspec.Struct, frozen=True):
    """A page, and the name of the clinic it is of; `page` None: there is none at the address."""

    clinic: str
    page: PublicPage | None


class Showing:
    """One per process. Who looks is nobody in particular: the clinic shows the page, and its own name is in the records."""

    def __init__(self, kernel: Kernel, tenants: TenantService, checks: CheckReader) -> None:
        self._kernel = kernel
        self._tenants = tenants
        self._checks = checks
        self._made: OrderedDict[tuple[str, str], tuple[float, asyncio.Task[Shown]]] = OrderedDict()

    async def show(self, clinic: str, slug: str, origin: Origin) -> Shown:
        """The page at an address.

        Raises:
            Refused: `not-found`; or the database is out of reach.
        """
        place = (clinic, slug)
        now = asyncio.get_running_loop().time()
        until, making = self._made.get(place, (0.0, None))
        if making is None or now >= until or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = asyncio.create_task(self._make(clinic, slug, origin), name="status page")
            self._made[place] = (now + FRESH_SECONDS, making)
            self._made.move_to_end(place)
            if len(self._made) > _MOST:
                self._made.popitem(last=False)
        shown = await asyncio.shield(making)
        if shown.page is None:
            raise Refused(Refusal(NOT_FOUND, "There is no status page at this address."))
        return shown

    async def _make(self, clinic: str, slug: str, origin: Origin) -> Shown:
        found = await self._tenants.find(clinic, origin)
        if found is None:
            return Shown("", None)
        actor = operator(found.id)
        search = Search(KIND, actor, origin, SEARCH, "find-published")
        id_ = await self._kernel.search(search, lambda connection: published(connection, slug))
        if id_ is None:
            return Shown("", None)
        page: StatusPage = (await self._kernel.read(Read(KIND, id_, actor, origin, READ, "show-published"))).state
        monitors = [each.monitor for each in page.components]
        now = self._kernel.clock.now()
        since = opening_instant(first_day(now, page.time_zone), page.time_zone)
        statuses = await self._checks.statuses(actor, origin, monitors)
        changes = await self._checks.changes(actor, origin, monitors, since, now)
        return Shown(found.name, public_page(page, {each.monitor: each for each in statuses}, changes, now))
