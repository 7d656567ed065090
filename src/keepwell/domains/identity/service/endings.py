"""Ending all sessions of a person at once: whoever holds one is refused from the next request on, on every node."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from keepwell.domains.identity import store
from keepwell.domains.identity.models import EndReason, EndSession
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Permission, Refused, Search

_SEARCH = Permission("Session", "s")
_AT_ONCE = 1000
_SKEW = timedelta(seconds=10)
"""How far the clock of a node may be behind: what has run out for us may still be live there."""


async def endings(
    kernel: Kernel, actor: Actor, origin: Origin, user: UUID, reason: EndReason, keep: UUID | None = None
) -> list[Envelope]:
    """What ends each session of this person but `keep`, in the actor's name: those that any node may take for live.

    Raises:
        Refused: as any read.
    """
    since = kernel.clock.now() - _SKEW

    async def query(connection: Any) -> list[UUID]:
        found: list[UUID] = []
        while True:
            before = found[-1] if found else None
            part = await store.live_sessions(connection, actor.tenant, user, since, before, _AT_ONCE)
            found += [session.id for session in part]
            if len(part) < _AT_ONCE:
                return found

    live = await kernel.search(Search("session", actor, origin, _SEARCH, "find-sessions"), query)
    # The actor's own comes last: nothing more can be done with it then.
    ordered = sorted((id_ for id_ in live if id_ != keep), key=lambda id_: id_ == actor.credential)
    return [Envelope(EndSession(id_, reason), actor, origin) for id_ in ordered]


async def carried_out(kernel: Kernel, ends: list[Envelope]) -> int:
    """How many sessions there were, once they are ended.

    Raises:
        Refused: not all of them could be.
    """
    for outcome in await kernel.execute(ends):
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
    return len(ends)
