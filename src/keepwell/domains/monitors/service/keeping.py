"""The monitors of a clinic, for those who make, change and end them."""

import asyncio
from typing import NamedTuple
from uuid import UUID

import msgspec

from keepwell.domains.monitors.errors import INVALID_MONITOR
from keepwell.domains.monitors.models import (
    AllowPrivate,
    ChangeMonitor,
    CreateMonitor,
    Monitor,
    MonitorPolicy,
    MonitorView,
    RotateHeartbeat,
)
from keepwell.domains.monitors.rules import lifecycle
from keepwell.domains.monitors.rules.lifecycle import KIND, POLICY, POLICY_RESOURCE, RESOURCE
from keepwell.domains.monitors.service.tokens import Tokens, digest
from keepwell.domains.monitors.store import page
from keepwell.domains.tenants import operator
from keepwell.kernel import (
    Actor,
    Command,
    Envelope,
    Fault,
    Kernel,
    Origin,
    Outcome,
    Permission,
    Read,
    Refusal,
    Refused,
    Search,
    Snapshot,
)
from keepwell.kernel.problems import NOT_FOUND

READ, SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")
_READ_POLICY = Permission(POLICY_RESOURCE, "r")
_DEEPEST = 20


class Made(NamedTuple):
    """What came of a command, and the token of a heartbeat, which nobody can be shown again later."""

    outcome: Outcome
    token: str | None


class Keeper:
    """Monitors of one clinic at a time: the actor's. `private`: the installation opens private addresses to all clinics."""

    def __init__(self, kernel: Kernel, *, private: bool) -> None:
        self._kernel = kernel
        self._tokens = Tokens(kernel.ring.derive)
        self._private = private

    async def create(self, envelope: Envelope) -> Made:
        """Makes a monitor by a `CreateMonitor`, whose token and whose reach are found here.

        Raises:
            Refused: `invalid-monitor`, or as any command.
        """
        command = envelope.command
        if not isinstance(command, CreateMonitor):
            raise TypeError("a monitor is made by CreateMonitor")
        [command] = await self.creating([command], envelope.actor.tenant, envelope.origin)
        if command.configuration.kind != "heartbeat":
            return Made(await self._done(envelope, command), None)
        token = self._tokens.compose(command.id, envelope.idempotency_key)
        outcome = await self._done(envelope, msgspec.structs.replace(command, heartbeat_digest=digest(token)))
        if outcome.replayed:  # the token follows from the first attempt's id and the Idempotency-Key
            token = self._tokens.compose(outcome.id, envelope.idempotency_key)
        return Made(outcome, token)

    async def creating(self, commands: list[CreateMonitor], tenant: UUID, origin: Origin) -> list[CreateMonitor]:
        """The same commands, saying what is open to the clinic. Raises `Refused` as any read."""
        private = await self.private_allowed(tenant, origin)
        return [msgspec.structs.replace(command, private=private) for command in commands]

    async def change(self, envelope: Envelope) -> Outcome:
        """Changes a monitor by a `ChangeMonitor`. Raises as `create` does."""
        command = envelope.command
        if not isinstance(command, ChangeMonitor):
            raise TypeError("a monitor is changed by ChangeMonitor")
        if isinstance(command.changes.parent, UUID):
            await self._check_ancestors(envelope.actor, command.id, command.changes.parent, envelope.origin)
        private = await self.private_allowed(envelope.actor.tenant, envelope.origin)
        return await self._done(envelope, msgspec.structs.replace(command, private=private))

    async def rotate(self, envelope: Envelope) -> Made:
        """Gives a heartbeat another token. Raises `Refused`: `no-heartbeat`, or as any command."""
        token = self._tokens.compose(envelope.command.id, envelope.idempotency_key)
        made = digest(token)
        if made is None:
            raise ValueError("a token is formed like one")
        return Made(await self._done(envelope, RotateHeartbeat(envelope.command.id, made)), token)

    async def get(self, actor: Actor, monitor: UUID, origin: Origin) -> MonitorView:
        """One monitor that was not deleted. Raises `Refused` as any read does."""
        return lifecycle.view(await self._kept(actor, monitor, origin))

    async def load(self, tenant: UUID, monitor: UUID, origin: Origin) -> tuple[Monitor, int]:
        """The monitor with its secrets and its version, for who checks it, deleted or not. Raises as `get` does."""
        snapshot = await self._kernel.read(Read(KIND, monitor, operator(tenant), origin, READ, "check"))
        return snapshot.state, snapshot.version

    async def page(self, actor: Actor, origin: Origin, before: UUID | None, limit: int) -> list[MonitorView]:
        """The clinic's monitors, the newest first. Raises as `get` does."""
        search = Search(KIND, actor, origin, SEARCH)
        ids = await self._kernel.search(search, lambda connection: page(connection, before, limit))
        reads = (self._kernel.read(Read(KIND, id_, actor, origin, READ, "list")) for id_ in ids)
        return [lifecycle.view(snapshot) for snapshot in await asyncio.gather(*reads)]

    async def private_allowed(self, tenant: UUID, origin: Origin) -> bool:
        """Whether private, loopback and link-local addresses are open to a clinic's monitors. Raises `Refused` as any read."""
        if self._private:
            return True
        try:
            found = await self._kernel.read(Read(POLICY, tenant, operator(tenant), origin, _READ_POLICY))
        except Refused as refused:
            if refused.refusal.type != NOT_FOUND:
                raise
            return False
        policy: MonitorPolicy = found.state
        return policy.private

    async def allow_private(self, tenant: UUID, origin: Origin, *, private: bool) -> None:
        """Opens private addresses to a clinic's monitors, or closes them, as its id says. Raises `Refused` as any command."""
        await self._done(Envelope(AllowPrivate(tenant, private), operator(tenant), origin), AllowPrivate(tenant, private))

    async def _check_ancestors(self, actor: Actor, monitor: UUID, parent: UUID, origin: Origin) -> None:
        """That the parent does not depend on the monitor, over however many others. Two changes at once may still bring that
        about: who goes by parents stops after so many.
        """
        above: UUID | None = parent
        for _ in range(_DEEPEST):
            if above is None or above == monitor:
                break
            try:
                found: Monitor = (await self._kernel.read(Read(KIND, above, actor, origin, READ, "find-parent"))).state
            except Refused as refused:
                if refused.refusal.type != NOT_FOUND:
                    raise
                return  # the decision says what is wrong with it
            above = found.parent
        if above is not None:
            text = f"A monitor depends neither on itself nor on more than {_DEEPEST} others."
            raise Refused(Refusal(INVALID_MONITOR, faults=(Fault("/parent", "circle", text),)))

    async def _kept(self, actor: Actor, monitor: UUID, origin: Origin) -> Snapshot:
        snapshot = await self._kernel.read(Read(KIND, monitor, actor, origin, READ))
        state: Monitor = snapshot.state
        if state.deleted:
            raise Refused(Refusal(NOT_FOUND))
        return snapshot

    async def _done(self, envelope: Envelope, command: Command) -> Outcome:
        [outcome] = await self._kernel.execute([msgspec.structs.replace(envelope, command=command)])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal, replayed=outcome.replayed)
        return outcome
