"""Channels, for those who set them up and try them out."""

import asyncio
from uuid import UUID

import msgspec

from keepwell.domains.notifications.errors import INVALID_CHANNEL
from keepwell.domains.notifications.models.channels import (
    ChangeChannel,
    Channel,
    ChannelKind,
    ChannelView,
    CreateChannel,
)
from keepwell.domains.notifications.rules.channels import view
from keepwell.domains.notifications.rules.wording import trial
from keepwell.domains.notifications.service.sending import NotSentError, Sender, secret_text
from keepwell.domains.notifications.store import channels
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Envelope, Fault, Kernel, Origin, Outcome, Permission, Read, Refusal, Refused, Search, Snapshot
from keepwell.kernel.problems import NOT_FOUND
from keepwell.kit.ids import new_id

CHANNEL = "channel"
CHANNEL_RESOURCE = "Channel"
_READ, _SEARCH = Permission(CHANNEL_RESOURCE, "r"), Permission(CHANNEL_RESOURCE, "s")
_UPDATE = Permission(CHANNEL_RESOURCE, "u")


class Trial(msgspec.Struct, frozen=True):
    """What came of trying a channel out: `error` is the word for what went wrong."""

    sent: bool
    error: str | None = None


class Keeper:
    """Channels of one clinic at a time: the actor's. `base` is where people find this server."""

    def __init__(self, kernel: Kernel, sender: Sender, base: str) -> None:
        self._kernel = kernel
        self._sender = sender
        self._base = base

    async def create(self, envelope: Envelope) -> tuple[Outcome, str | None]:
        """Makes a channel by a `CreateChannel`, and the secret that its webhooks are signed with, which is not shown again.

        Raises:
            Refused: `invalid-channel`, or as any command.
        """
        command = envelope.command
        if not isinstance(command, CreateChannel):
            raise TypeError("a channel is made by CreateChannel")
        await self._check(command.kind, command.url)
        outcome = await self._done(envelope)
        made = command.kind == "webhook"
        # It follows from the id, which a repeated request is answered with too.
        return outcome, secret_text(await self.secret(envelope.actor.tenant, outcome.id)) if made else None

    async def change(self, envelope: Envelope) -> Outcome:
        """Changes a channel by a `ChangeChannel`. Raises as `create` does."""
        command = envelope.command
        if not isinstance(command, ChangeChannel):
            raise TypeError("a channel is changed by ChangeChannel")
        if command.patch.url is not None:
            there: Channel = (await self.stored(envelope.actor, command.id, envelope.origin)).state
            await self._check(there.kind, command.patch.url)
        return await self._done(envelope)

    async def get(self, actor: Actor, id_: UUID, origin: Origin) -> ChannelView:
        """One channel. Raises `Refused` as any read does."""
        return view(await self.stored(actor, id_, origin))

    async def page(self, actor: Actor, origin: Origin) -> list[ChannelView]:
        """The clinic's channels, the oldest first. Raises as `get` does."""
        return [view(each) for each in await self.all(actor, origin)]

    async def all(self, actor: Actor, origin: Origin) -> list[Snapshot]:
        """As `page`, as they are stored."""
        ids = await self._kernel.search(Search(CHANNEL, actor, origin, _SEARCH), channels)
        reads = (self._kernel.read(Read(CHANNEL, id_, actor, origin, _READ, "list")) for id_ in ids)
        return list(await asyncio.gather(*reads))

    async def stored(self, actor: Actor, id_: UUID, origin: Origin) -> Snapshot:
        """One channel as it is stored. Raises as `get` does."""
        found = await self._kernel.read(Read(CHANNEL, id_, actor, origin, _READ))
        if found.state.state == "deleted":
            raise Refused(Refusal(NOT_FOUND))
        return found

    async def test(self, actor: Actor, id_: UUID, origin: Origin) -> Trial:
        """Sends something now, and says what came of it. Who may do that may change the channel. Raises as `get` does."""
        found = await self._kernel.read(Read(CHANNEL, id_, actor, origin, _UPDATE, "test"))
        channel: Channel = found.state
        if channel.state == "deleted":
            raise Refused(Refusal(NOT_FOUND))
        said = trial(new_id(), self._kernel.clock.now(), self._base)
        try:
            await self._sender.send(channel, await self.secret(actor.tenant, id_), said, test=True)
        except NotSentError as error:
            return Trial(sent=False, error=error.reason)
        return Trial(sent=True)

    async def secret(self, tenant: UUID, id_: UUID) -> bytes:
        """The 32 bytes that a channel's webhooks are signed with: they follow from the tenant's own key, and lie nowhere."""
        blind = await self._kernel.blinding(tenant)
        return blind(f"webhook-secret-1:{id_}") + blind(f"webhook-secret-2:{id_}")

    async def system(self, tenant: UUID, id_: UUID, origin: Origin) -> Channel:
        """A channel, deleted or not, for who sends on it. Raises as `get` does."""
        return (await self._kernel.read(Read(CHANNEL, id_, operator(tenant), origin, _READ, "send"))).state

    async def _check(self, kind: ChannelKind, url: str) -> None:
        if (fault := await self._sender.fault(kind, url)) is not None:
            raise Refused(Refusal(INVALID_CHANNEL, faults=(Fault("/url", "invalid-value", fault),)))

    async def _done(self, envelope: Envelope) -> Outcome:
        [outcome] = await self._kernel.execute([envelope])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal, replayed=outcome.replayed)
        return outcome
