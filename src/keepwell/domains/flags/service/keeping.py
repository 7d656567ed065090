"""The flags of a clinic, for those who set them: as they are, what happened to them, which are stale."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from keepwell.domains.flags.models import (
    Declaration,
    Declared,
    FlagView,
    StaleFlag,
    StoredFlag,
)
from keepwell.domains.flags.rules.lifecycle import view
from keepwell.domains.flags.rules.naming import base, flag_id
from keepwell.domains.flags.rules.staleness import reasons
from keepwell.domains.flags.service.evaluating import USES
from keepwell.domains.flags.service.memory import KIND, READ, RESOURCE
from keepwell.domains.flags.store import stored
from keepwell.kernel import Actor, Entry, Kernel, Origin, Outcome, Permission, Read, Refused, Search, Snapshot
from keepwell.kernel.problems import NOT_FOUND, Refusal
from keepwell.kernel.tally import Count, counts

_SEARCH = Permission(RESOURCE, "s")
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class Keeper:
    """Reads of flags, and the commands that change them, of the actor's clinic."""

    def __init__(self, kernel: Kernel, declared: Mapping[str, Declaration]) -> None:
        self._kernel = kernel
        self._declared = declared

    async def show(self, actor: Actor, key: str, origin: Origin) -> FlagView:
        """A flag as it is set, or as it is declared where nothing is.

        Raises:
            Refused: as any read; `not-found` when it is neither.
        """
        try:
            snapshot = await self._kernel.read(Read(KIND, flag_id(actor.tenant, key), actor, origin, READ))
        except Refused as refused:
            if refused.refusal.type != NOT_FOUND or key not in self._declared:
                raise
            return self._unset(self._declared[key])
        return self._shown(view(snapshot))

    async def page(self, actor: Actor, origin: Origin) -> list[FlagView]:
        """Every flag that is declared or set, by key. Raises as `show` does."""
        found = {snapshot.state.key: self._shown(view(snapshot)) for snapshot in await self._all(actor, origin)}
        unset = {key: self._unset(declared) for key, declared in self._declared.items() if key not in found}
        return [shown for _, shown in sorted((found | unset).items())]

    async def history(self, actor: Actor, key: str, origin: Origin) -> list[Entry]:
        """What happened to a flag, oldest first. Raises as `show` does."""
        try:
            return await self._kernel.history(Read(KIND, flag_id(actor.tenant, key), actor, origin, READ, "history"))
        except Refused as refused:
            if refused.refusal.type != NOT_FOUND or key not in self._declared:
                raise
            return []

    async def stale(self, actor: Actor, origin: Origin) -> list[StaleFlag]:
        """Flags that have outlived what they were for, by key. Raises as `show` does."""
        now = self._kernel.clock.now()
        snapshots = {snapshot.state.key: snapshot for snapshot in await self._all(actor, origin)}
        search = Search(KIND, actor, origin, _SEARCH, "find-stale")
        used = await self._kernel.search(search, lambda connection: counts(connection, USES, _EVER))
        last = {count.labels[0]: count for count in used}
        keys = sorted({*self._declared, *snapshots})
        judged = (_judged(key, self._declared.get(key), snapshots.get(key), last.get(key), now) for key in keys)
        return [stale for stale in judged if stale.reasons]

    def shown(self, outcome: Outcome) -> FlagView:
        """What who changed a flag sees of it."""
        return self._shown(msgspec.json.decode(outcome.body, type=StoredFlag))

    def known(self, key: str) -> Declaration:
        """The declaration of a flag that may be changed.

        Raises:
            Refused: `not-found`: the program has no such flag.
        """
        declared = self._declared.get(key)
        if declared is None:
            raise Refused(Refusal(NOT_FOUND))
        return declared

    async def _all(self, actor: Actor, origin: Origin) -> list[Snapshot]:
        ids = await self._kernel.search(Search(KIND, actor, origin, _SEARCH), stored)
        return list(await asyncio.gather(*(self._kernel.read(Read(KIND, id_, actor, origin, READ, "list")) for id_ in ids)))

    def _shown(self, flag: StoredFlag) -> FlagView:
        declared = self._declared.get(flag.key)
        return FlagView(**msgspec.structs.asdict(flag), declared=None if declared is None else _told(declared))

    def _unset(self, declared: Declaration) -> FlagView:
        setup = msgspec.structs.asdict(base(declared))
        told = _told(declared)
        return FlagView(declared.key, 0, **setup, enabled=True, rollout=None, updated_at=None, declared=told)


def _told(declared: Declaration) -> Declared:
    default = declared.variants[declared.default]
    return Declared(
        declared.type, declared.description, declared.owner, declared.declared, default, kill_switch=declared.kill_switch
    )


def _judged(key: str, declared: Declaration | None, snapshot: Snapshot | None, used: Count | None, now: datetime) -> StaleFlag:
    set_at, used_at = None if snapshot is None else snapshot.updated_at, None if used is None else used.last_at
    found = reasons(declared, None if snapshot is None else snapshot.state, set_at, used_at, now)
    owner, since = (None, None) if declared is None else (declared.owner, declared.declared)
    return StaleFlag(key, found, owner, since, set_at, used_at)
