"""What keys are used for, counted as telemetry: by day what was done, by hour where from. Never an address, only a digest.

Nothing is written for a request: counts are added up in memory and written together every few seconds (`kernel/tally.py`).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from uuid import UUID

from keepwell.domains.keys.models import Network, Use
from keepwell.domains.keys.rules.lifecycle import KIND
from keepwell.domains.keys.service.verifying import RESOURCE, ROLE
from keepwell.kernel import Actor, Kernel, Origin, Permission, Search
from keepwell.kernel.tally import Count, TallyKind, bucket_of, counts

USES = TallyKind("key-uses", width=timedelta(days=1), kept=timedelta(days=400))
"""By key, door and operation."""
HOURS = TallyKind("key-hours", width=timedelta(hours=1), kept=timedelta(days=35))
"""By key and network."""

_SEARCH = Permission(RESOURCE, "s")
_NOWHERE = "none"
_WIDTHS = {4: 24, 6: 48}


class Uses:
    """Counts uses, and tells of them."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def witness(self, actor: Actor, origin: Origin, operation: str) -> None:
        """Counts what somebody did, if it was done with a key."""
        if actor.role != ROLE or actor.credential is None:
            return
        key = str(actor.credential)
        self._kernel.tally.add(actor.tenant, USES, key, origin.door, operation)
        self._kernel.tally.add(actor.tenant, HOURS, key, self._network(actor.tenant, origin.address))

    def _network(self, tenant: UUID, address: str) -> str:
        network = network_of(address)
        keys = self._kernel.ring.cached(tenant)
        return _NOWHERE if network is None or keys is None else keys.blind(f"network:{network}").hex()

    async def by_key(self, actor: Actor, origin: Origin, since: datetime) -> dict[str, list[Count]]:
        """What each key of the clinic was used for.

        Raises:
            Refused: as any search.
        """
        search = Search(KIND, actor, origin, _SEARCH, "count-uses")
        found: dict[str, list[Count]] = {}
        for count in await self._kernel.search(search, lambda connection: counts(connection, USES, since)):
            found.setdefault(count.labels[0], []).append(count)
        return found

    async def of(self, actor: Actor, origin: Origin, key: UUID, since: datetime) -> tuple[list[Use], list[Network]]:
        """What one key was used for, and from where, since the day and the hour of an instant; the latest first.

        Raises:
            Refused: as any search.
        """
        search = Search(KIND, actor, origin, _SEARCH, "count-uses")
        uses = await self._kernel.search(search, lambda connection: counts(connection, USES, bucket_of(USES, since)))
        hours = await self._kernel.search(search, lambda connection: counts(connection, HOURS, bucket_of(HOURS, since)))
        done = [Use(each.labels[1], each.labels[2], each.amount, each.first_at, each.last_at) for each in _of(key, uses)]
        seen = [Network(each.labels[1], each.amount, each.first_at, each.last_at) for each in _of(key, hours)]
        return sorted(done, key=_last, reverse=True), sorted(seen, key=_last, reverse=True)


def _of(key: UUID, found: Iterable[Count]) -> list[Count]:
    return [count for count in found if count.labels[0] == str(key)]


def _last(seen: Use | Network) -> datetime:
    return seen.last_at


@lru_cache(maxsize=16_384)
def network_of(address: str) -> str | None:
    """The range an address is counted in: as much of it as usually belongs to one place. None for what is no address."""
    try:
        there = ip_address(address)
    except ValueError:
        return None
    return str(ip_network(f"{there}/{_WIDTHS[there.version]}", strict=False))
