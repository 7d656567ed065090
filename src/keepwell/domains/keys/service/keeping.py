"""The keys of a clinic, for those who make, replace and revoke them."""

import asyncio
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from keepwell.domains.keys.models import CreateKey, KeyUse, KeyView, ReplaceKey, SucceedKey
from keepwell.domains.keys.rules.lifecycle import KIND, view
from keepwell.domains.keys.service.secrets import NEWEST_PEPPER, Secrets
from keepwell.domains.keys.service.uses import USES, Uses
from keepwell.domains.keys.service.verifying import RESOURCE
from keepwell.domains.keys.store import page, usable
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Outcome, Permission, Read, Refused, Search
from keepwell.kernel.problems import ABORTED
from keepwell.kit.ids import new_id

_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")


class Issued(NamedTuple):
    """A key just made, and its text, which nobody can be shown again later."""

    outcome: Outcome
    text: str


class Keeper:
    """Keys of one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel, secrets: Secrets, uses: Uses) -> None:
        self._kernel = kernel
        self._secrets = secrets
        self._uses = uses

    async def create(self, envelope: Envelope) -> Issued:
        """Makes a key by a `CreateKey` whose digest is still to be made.

        Raises:
            Refused: `invalid-api-key`, `scope-not-held`, or as any command.
        """
        command = envelope.command
        if not isinstance(command, CreateKey):
            raise TypeError("a key is made by CreateKey")
        text = self._secrets.compose(envelope.actor.tenant, command.id, envelope.idempotency_key)
        command = msgspec.structs.replace(command, digest=self._secrets.digest(text), pepper=NEWEST_PEPPER)
        [outcome] = await self._kernel.execute([msgspec.structs.replace(envelope, command=command)])
        return self._issued(envelope, text, [outcome])

    async def rotate(self, envelope: Envelope, successor: SucceedKey) -> Issued:
        """Replaces a key by a `ReplaceKey`: its successor is made, or nothing happens. Raises as `create` does."""
        text = self._secrets.compose(envelope.actor.tenant, successor.id, envelope.idempotency_key)
        made = msgspec.structs.replace(successor, digest=self._secrets.digest(text), pepper=NEWEST_PEPPER)
        both = [envelope, msgspec.structs.replace(envelope, command=made)]
        return self._issued(envelope, text, await self._kernel.execute(both, atomic=True))

    def _issued(self, envelope: Envelope, text: str, outcomes: list[Outcome]) -> Issued:
        for outcome in outcomes:
            if outcome.refusal is not None and outcome.refusal is not ABORTED:
                raise Refused(outcome.refusal, replayed=outcome.replayed)
        made = outcomes[-1]
        if made.replayed:  # it is shown the key of the first attempt, whose text follows from its id and the Idempotency-Key
            text = self._secrets.compose(envelope.actor.tenant, made.id, envelope.idempotency_key)
        return Issued(made, text)

    async def get(self, actor: Actor, key: UUID, origin: Origin) -> KeyView:
        """One key. Raises `Refused` as any read does."""
        return view(await self._kernel.read(Read(KIND, key, actor, origin, _READ)))

    async def page(self, actor: Actor, origin: Origin, before: UUID | None, limit: int) -> list[KeyView]:
        """The clinic's keys, the newest first. Raises as `get` does."""
        search = Search(KIND, actor, origin, _SEARCH)
        return await self._all(actor, origin, await self._kernel.search(search, lambda c: page(c, before, limit)))

    async def expiring(self, actor: Actor, origin: Origin, days: int) -> list[KeyView]:
        """Keys that work now and end within so many days, the first to end leading. Raises as `get` does."""
        now = self._kernel.clock.now()
        search = Search(KIND, actor, origin, _SEARCH, "find-expiring")
        until = now + timedelta(days=days)
        return await self._all(actor, origin, await self._kernel.search(search, lambda c: usable(c, now, until)))

    async def unused(self, actor: Actor, origin: Origin, days: int) -> list[KeyUse]:
        """Keys that work now, were there that long ago, and were not used since. Raises as `get` does."""
        now = self._kernel.clock.now()
        search = Search(KIND, actor, origin, _SEARCH, "find-unused")
        keys = await self._all(actor, origin, await self._kernel.search(search, lambda c: usable(c, now)))
        used = await self._uses.by_key(actor, origin, now - USES.kept)
        found: list[KeyUse] = []
        for key in keys:
            counts = used.get(str(key.id), [])
            last = max((count.last_at for count in counts), default=None)
            if (last or key.created_at) <= now - timedelta(days=days):
                found.append(KeyUse(key, last, sum(count.amount for count in counts)))
        return found

    async def _all(self, actor: Actor, origin: Origin, ids: list[UUID]) -> list[KeyView]:
        return list(await asyncio.gather(*(self.get(actor, id_, origin) for id_ in ids)))


def creation(name: str, scopes: tuple[str, ...], networks: tuple[str, ...], expires: datetime | None = None) -> CreateKey:
    """The command that makes a key, but for its digest, which is the keeper's to make."""
    return CreateKey(new_id(), name, scopes, networks, b"", NEWEST_PEPPER, expires)


def replacement(key: UUID, overlap_s: int, expires: datetime | None = None) -> tuple[ReplaceKey, SucceedKey]:
    """The commands that let another key take this one's place. As above."""
    successor = new_id()
    return ReplaceKey(key, successor, overlap_s), SucceedKey(successor, key, b"", NEWEST_PEPPER, expires)
