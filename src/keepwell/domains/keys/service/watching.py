"""Looking at how keys are used: what is unusual is logged, counted, and becomes an incident, once."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter

from keepwell.domains.incidents import IncidentService, Report
from keepwell.domains.keys.rules.lifecycle import KIND
from keepwell.domains.keys.rules.unusual import Hour, Seen, Unusual, unusual
from keepwell.domains.keys.service.uses import HOURS, USES
from keepwell.domains.keys.service.verifying import RESOURCE
from keepwell.domains.keys.store import clinics, usable
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Kernel, Origin, Permission, Search
from keepwell.kernel.tally import Amount, Count, amounts, counts
from keepwell.kit.ids import NIL

UNUSUAL = Counter("keepwell_key_unusual", "Unusual uses of keys that were told of", ["kind"])
LOOK_BACK = timedelta(hours=1)
_MEASURED = timedelta(days=14)
_SEARCH = Permission(RESOURCE, "s")
_log = structlog.stdlib.get_logger("keepwell.keys")


class Watcher:
    """Looks for what is unusual."""

    def __init__(self, kernel: Kernel, incidents: IncidentService) -> None:
        self._kernel = kernel
        self._incidents = incidents

    async def watch(self, origin: Origin) -> None:
        """Tells of what became unusual of late, in every clinic.

        Raises:
            Refused: the database is out of reach.
        """
        now = self._kernel.clock.now()
        tenants = await self._kernel.search(_search(operator(NIL), origin), lambda connection: clinics(connection, now))
        for actor in map(operator, tenants):
            for key, found in (await self.of(actor, origin, now - LOOK_BACK)).items():
                await self._tell(actor, origin, key, found)

    async def of(self, actor: Actor, origin: Origin, since: datetime, key: UUID | None = None) -> dict[UUID, list[Unusual]]:
        """What was unusual about one key, or those that can be used, from an instant on, the latest first.

        Raises:
            Refused: as any search.
        """
        now = self._kernel.clock.now()

        async def query(connection: Any) -> dict[UUID, list[Unusual]]:
            keys = await usable(connection, now) if key is None else [key]
            uses = await counts(connection, USES, now - USES.kept)
            networks = await counts(connection, HOURS, now - HOURS.kept)
            hours = await amounts(connection, HOURS, now - _MEASURED)
            return {each: unusual(_seen(each, uses, 2), _seen(each, networks, 1), _hours(each, hours), since) for each in keys}

        return await self._kernel.search(_search(actor, origin), query)

    async def _tell(self, actor: Actor, origin: Origin, key: UUID, found: list[Unusual]) -> None:
        for each in reversed(found):
            report = Report(f"api-key-use/{key}", "warning", "A key is used unusually", each.text, "docs/keys.md")
            if await self._incidents.tell_once(actor, origin, report):
                UNUSUAL.labels(each.kind).inc()
                _log.warning("keys.unusual-use", tenant=actor.tenant, id=key, reason=each.kind, request_id=origin.request_id)


def _search(actor: Actor, origin: Origin) -> Search:
    return Search(KIND, actor, origin, _SEARCH, "watch-uses")


def _seen(key: UUID, found: list[Count], place: int) -> list[Seen]:
    return [Seen(each.labels[place], each.first_at) for each in found if each.labels[0] == str(key)]


def _hours(key: UUID, found: list[Amount]) -> list[Hour]:
    return [Hour(each.bucket, each.amount) for each in found if each.label == str(key)]
