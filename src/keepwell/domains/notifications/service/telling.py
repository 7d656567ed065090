"""Telling: what is due on a channel is sent, and marked as sent only then.

Who dies in between leaves it waiting: it is sent again under the same id, and recorded once. One worker at a time sees to a
channel, so that one that hangs holds nobody else; the queue puts the whole channel off, later each time, while it is down.
"""

import asyncio
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from keepwell.domains.incidents import IncidentService
from keepwell.domains.notifications.models.channels import Channel
from keepwell.domains.notifications.models.notifications import (
    BeginAttempt,
    NotificationView,
    RecordFailure,
    RecordSent,
    Status,
)
from keepwell.domains.notifications.rules.notifications import view
from keepwell.domains.notifications.rules.wording import names, saying
from keepwell.domains.notifications.service.following import NOTIFICATION, RESOURCE
from keepwell.domains.notifications.service.keeping import Keeper
from keepwell.domains.notifications.service.sending import NotSentError, Sender
from keepwell.domains.notifications.store import due, measures, page
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Command, Envelope, Kernel, Origin, Outcome, Permission, Read, Refused, Search
from keepwell.kit.ids import NIL
from keepwell.platform.queue import PutOffError

ATTEMPTS = Counter("keepwell_notification_attempts", "Attempts to tell something.", ["kind", "outcome"])
SECONDS = Histogram("keepwell_notification_seconds", "From due to told.", ["kind"], buckets=(1, 5, 15, 60, 300, 3_600, 86_400))
LEFT = Gauge("keepwell_notifications", "Notifications that are not told.", ["status"])
AGE = Gauge("keepwell_notifications_age_seconds", "How long the oldest of them has been due.", ["status"])
_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")
_AT_ONCE = 50
_BESIDE = 8
_log = structlog.stdlib.get_logger("keepwell.notifier")


class Teller:
    """Sends what is due, of all clinics; shows people of one clinic what was, and was not."""

    def __init__(self, kernel: Kernel, keeper: Keeper, incidents: IncidentService, sender: Sender, base: str) -> None:
        self._kernel = kernel
        self._keeper = keeper
        self._incidents = incidents
        self._sender = sender
        self._base = base

    async def tell(self, tenant: UUID, id_: UUID, origin: Origin) -> None:
        """Sends what is due on a channel, the least tried first, as far as the channel takes it.

        Raises:
            PutOffError: the channel took something not, and is to be left alone for a while.
            Refused: the database is out of reach.
        """
        now = self._kernel.clock.now()

        async def query(connection: Any) -> list[UUID]:
            return await due(connection, id_, now, _AT_ONCE)

        search = Search(NOTIFICATION, operator(tenant), origin, _SEARCH, "find-due")
        channel = await self._keeper.system(tenant, id_, origin)
        found = await self._kernel.search(search, query)
        for start, end in pairwise((0, 1, *range(1 + _BESIDE, len(found) + _BESIDE, _BESIDE))):  # the first one tries the channel
            attempts = (self._attempt(tenant, id_, channel, each, origin) for each in found[start:end])
            for outcome in await asyncio.gather(*attempts, return_exceptions=True):
                if outcome is not None:
                    raise outcome

    async def get(self, actor: Actor, id_: UUID, origin: Origin) -> NotificationView:
        """One notification. Raises `Refused` as any read does."""
        return view(await self._kernel.read(Read(NOTIFICATION, id_, actor, origin, _READ)))

    async def page(
        self, actor: Actor, origin: Origin, status: Status | None, channel: UUID | None, before: UUID | None, limit: int
    ) -> list[NotificationView]:
        """Notifications, the newest first. Raises as `get` does."""
        search = Search(NOTIFICATION, actor, origin, _SEARCH, spread=True)
        ids = await self._kernel.search(search, lambda connection: page(connection, status, channel, before, limit))
        return list(await asyncio.gather(*(self.get(actor, id_, origin) for id_ in ids)))

    async def measure(self, origin: Origin) -> None:
        """Brings the gauges up to date. Raises as any search."""
        now = self._kernel.clock.now()
        search = Search(NOTIFICATION, operator(NIL), origin, _SEARCH, "measure")
        found = {status: rest for status, *rest in await self._kernel.search(search, lambda c: measures(c, now))}
        for status in ("waiting", "dead"):
            count, age = found.get(status, (0, 0.0))
            LEFT.labels(status).set(count)
            AGE.labels(status).set(age)

    async def _attempt(self, tenant: UUID, id_: UUID, channel: Channel, notification: UUID, origin: Origin) -> None:
        begun = await self._do(BeginAttempt(notification), tenant, origin)
        state = msgspec.json.decode(begun.body, type=NotificationView)
        if state.status != "waiting":
            return
        try:
            await self._send(tenant, id_, channel, state, origin)
        except NotSentError as error:
            ATTEMPTS.labels(channel.kind, error.reason).inc()
            await self._do(RecordFailure(notification, state.attempts, error.reason, error.final), tenant, origin)
            _log.warning("notifications.not-sent", tenant=tenant, id=notification, attempt=state.attempts, reason=error.reason)
            if not error.final:
                raise PutOffError(error.after) from None
            return
        await self._do(RecordSent(notification), tenant, origin)
        ATTEMPTS.labels(channel.kind, "sent").inc()
        SECONDS.labels(channel.kind).observe((self._kernel.clock.now() - state.due_at).total_seconds())

    async def _send(self, tenant: UUID, id_: UUID, channel: Channel, state: NotificationView, origin: Origin) -> None:
        if channel.state == "deleted":
            raise NotSentError("channel-deleted", final=True)
        actor = operator(tenant)
        titles = {each: (await self._incidents.get(actor, each, origin)).title for each in names(state)}
        said = saying(state, titles, self._base)
        await self._sender.send(channel, await self._keeper.secret(tenant, id_), said)

    async def _do(self, command: Command, tenant: UUID, origin: Origin) -> Outcome:
        [outcome] = await self._kernel.execute([Envelope(command, operator(tenant), origin)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return outcome
