"""Following incidents: what happened to each becomes what people are told, in one transaction with how far it was followed.

The incident's own version says what is new, and is stored with what happened or not at all. So nothing that happened can be
missed, and nothing is planned twice, whatever dies in between and however many follow at once.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prometheus_client import Histogram

from keepwell.domains.incidents import IncidentService, IncidentView
from keepwell.domains.notifications.errors import NOTIFICATION_BEGUN
from keepwell.domains.notifications.models.alerts import Alert, FollowIncident
from keepwell.domains.notifications.models.channels import Channel
from keepwell.domains.notifications.models.notifications import PlanNotification
from keepwell.domains.notifications.rules.alerts import Board, course, placed
from keepwell.domains.notifications.service.keeping import Keeper
from keepwell.domains.notifications.store import board, due_channels, to_follow
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope, Kernel, Origin, Permission, Read, Refused, Search, Snapshot
from keepwell.kernel.problems import ABORTED, NOT_FOUND, VERSION_CONFLICT
from keepwell.kit.ids import NIL

ALERT, NOTIFICATION = "alert", "notification"
RESOURCE = "Notification"
TOOK = Histogram(
    "keepwell_incident_seconds",
    "From the opening of incidents to what people did.",
    ["severity", "until"],
    buckets=(60, 300, 900, 1_800, 3_600, 14_400, 86_400),
)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")
_TOGETHER = 50
_OUTRUN = (VERSION_CONFLICT, NOTIFICATION_BEGUN, NOT_FOUND)
"""Refusals of who was not the first: the alert has moved, or what was to be joined was tried, or never planned."""


class Follower:
    """Follows the incidents of all clinics, each clinic's by itself."""

    def __init__(self, kernel: Kernel, keeper: Keeper, incidents: IncidentService) -> None:
        self._kernel = kernel
        self._keeper = keeper
        self._incidents = incidents

    async def ahead(self, since: datetime, origin: Origin) -> tuple[set[UUID], list[tuple[UUID, UUID]]]:
        """The clinics that have to be followed: an incident changed since an instant, or the turn of somebody else has come; and
        clinic and id of the channels on which something is due.
        """
        now = self._kernel.clock.now()

        async def query(connection: Any) -> tuple[set[UUID], list[tuple[UUID, UUID]]]:
            found = await to_follow(connection, since, now, None)
            return {tenant for tenant, _ in found}, await due_channels(connection, now)

        return await self._kernel.search(Search(NOTIFICATION, operator(NIL), origin, _SEARCH, "find-due"), query)

    async def follow(self, tenant: UUID, origin: Origin) -> set[UUID]:
        """Follows every incident of one clinic to where it is now; the channels on which something is to be told at once.

        Raises:
            Refused: the database is out of reach.
        """
        now = self._kernel.clock.now()

        async def query(connection: Any) -> list[tuple[UUID, UUID]]:
            return await to_follow(connection, EVER, now, tenant)

        found = await self._kernel.search(Search(NOTIFICATION, operator(tenant), origin, _SEARCH, "follow"), query)
        if not found:
            return set()
        stored = await self._keeper.all(operator(tenant), origin)
        channels = {each.id: each.state for each in stored}
        at_once: set[UUID] = set()
        for start in range(0, len(found), _TOGETHER):
            lately = await self._board(tenant, channels, origin)
            seen = await asyncio.gather(*(self._see(tenant, id_, origin) for _, id_ in found[start : start + _TOGETHER]))
            # In order, because each says where the next one goes; then all at once, because they share a commit.
            steps = [self._step(tenant, *each, channels, lately, origin) for each in seen]
            for planned in await asyncio.gather(*steps):
                at_once |= planned
        return at_once

    async def _see(self, tenant: UUID, id_: UUID, origin: Origin) -> tuple[IncidentView, Snapshot | None]:
        """An incident as it is, and how far it was followed. The latter may be further by then, never the other way round."""
        there = await self._alert(tenant, id_, origin)
        return await self._incidents.get(operator(tenant), id_, origin), there

    def _step(
        self,
        tenant: UUID,
        incident: IncidentView,
        there: Snapshot | None,
        channels: dict[UUID, Channel],
        lately: Board,
        origin: Origin,
    ) -> Coroutine[Any, Any, set[UUID]]:
        """Plans a step at once; taking it is what is returned."""
        actor, now = operator(tenant), self._kernel.clock.now()
        alert: Alert | None = None if there is None else there.state
        tellings, next_at = course(alert, incident, channels, now)
        commands, told = placed(tellings, channels, () if alert is None else alert.told, lately, now)
        follow = FollowIncident(incident.id, incident.version, incident.severity, told, next_at)
        envelopes = [Envelope(follow, actor, origin, if_match=0 if there is None else there.version)]
        envelopes += [Envelope(each, actor, origin) for each in commands]
        at_once = {each.channel for each in commands if isinstance(each, PlanNotification) and not each.grouped}
        return self._take(envelopes, at_once, 0 if alert is None else alert.followed, incident)

    async def _take(self, envelopes: Sequence[Envelope], at_once: set[UUID], followed: int, incident: IncidentView) -> set[UUID]:
        """Where to tell something at once. Who finds that somebody else was faster leaves it to them, or to the next time."""
        for outcome in await self._kernel.execute(envelopes, atomic=True):
            if outcome.refusal is None or outcome.refusal is ABORTED:
                continue
            if outcome.refusal.type in _OUTRUN:
                return set()
            raise Refused(outcome.refusal)
        _measure(followed, incident)
        return at_once

    async def _alert(self, tenant: UUID, id_: UUID, origin: Origin) -> Snapshot | None:
        try:
            return await self._kernel.read(Read(ALERT, id_, operator(tenant), origin, _READ, "follow"))
        except Refused as refused:
            if refused.refusal.type == NOT_FOUND:
                return None
            raise

    async def _board(self, tenant: UUID, channels: dict[UUID, Channel], origin: Origin) -> Board:
        now = self._kernel.clock.now()
        windows = {id_: each.rules.group_window_s for id_, each in channels.items()}
        search = Search(NOTIFICATION, operator(tenant), origin, _SEARCH, "count")
        return Board(*await self._kernel.search(search, lambda connection: board(connection, windows, now)))


def _measure(followed: int, incident: IncidentView) -> None:
    """Counts what people did since, once: who follows has just moved on."""
    for entry in incident.timeline[followed:]:
        if entry.type in ("acknowledged", "resolved"):
            TOOK.labels(incident.severity, entry.type).observe((entry.at - incident.opened_at).total_seconds())
