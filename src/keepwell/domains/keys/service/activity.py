"""Everything a key did: from the counts, the journal and the access records, as one answer."""

from datetime import datetime
from uuid import UUID

import msgspec

from keepwell.domains.audit import AuditFilter, AuditItem, AuditService
from keepwell.domains.keys.models import KeyView, Network, Use
from keepwell.domains.keys.rules.unusual import Unusual
from keepwell.domains.keys.service.keeping import Keeper
from keepwell.domains.keys.service.uses import Uses
from keepwell.domains.keys.service.watching import Watcher
from keepwell.kernel import Actor, Origin

_MOST_ITEMS = 100


class KeyActivity(msgspec.Struct, frozen=True):
    """What was done with a key since an instant, the latest first: counts by door and operation, by where it came from, what of
    that is unusual, and the audit of its account since then. `more`: the audit goes on, as
    `/v1/audit?actor=<account>` shows.
    """

    key: KeyView
    since: datetime
    last_used_at: datetime | None
    uses: list[Use]
    networks: list[Network]
    unusual: list[Unusual]
    audit: list[AuditItem]
    more: bool


class ActivityService:
    """Tells what keys did."""

    def __init__(self, keeper: Keeper, uses: Uses, watcher: Watcher, audit: AuditService) -> None:
        self._keeper = keeper
        self._uses = uses
        self._watcher = watcher
        self._audit = audit

    async def of(self, actor: Actor, key: UUID, origin: Origin, since: datetime | None) -> KeyActivity:
        """What a key did since an instant, or since it was made.

        Raises:
            Refused: as any read; who asks must be allowed to see the audit.
        """
        shown = await self._keeper.get(actor, key, origin)
        start = max(since or shown.created_at, shown.created_at)
        uses, networks = await self._uses.of(actor, origin, key, start)
        odd = await self._watcher.of(actor, origin, start, key)
        wanted = AuditFilter(actor=shown.account, since=start)
        rows = await self._audit.page(actor, origin, wanted, _MOST_ITEMS + 1)
        items = [item for _, item in rows]
        last = max((use.last_at for use in uses), default=None)
        return KeyActivity(shown, start, last, uses, networks, odd[key], items[:_MOST_ITEMS], len(items) > _MOST_ITEMS)
