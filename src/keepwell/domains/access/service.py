"""Beginning and ending emergency access, and reading about it.

It is a session of its own, with a short life, wider scopes and a purpose: so the kernel checks it like any credential, its end is
effective at once, and everything done with it is marked, without a word about emergencies anywhere else.
"""

import asyncio
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter

from keepwell.domains.access.models import EmergencyView, EndEmergency, StartEmergency
from keepwell.domains.access.rules import LONGEST_MINUTES, view
from keepwell.domains.access.store import lapsed, page
from keepwell.domains.identity import IdentityService, Pair, ending
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Outcome, Permission, Read, Refused, Search
from keepwell.kernel.problems import ABORTED
from keepwell.kit.ids import NIL, new_id

KIND, RESOURCE = "emergency-access", "BreakGlass"
_READ, _SEARCH, _END = (Permission(RESOURCE, action) for action in "rsd")
_AT_ONCE = 500
STARTED = Counter("keepwell_break_glass", "Times that emergency access began")
_log = structlog.stdlib.get_logger("keepwell.access")


class Granted(NamedTuple):
    """Emergency access just begun, and the tokens to act with."""

    outcome: Outcome
    pair: Pair


class AccessService:
    """Emergency access of one clinic at a time: the actor's."""

    def __init__(self, kernel: Kernel, identity: IdentityService) -> None:
        self._kernel = kernel
        self._identity = identity

    async def start(self, envelope: Envelope) -> Granted:
        """Begins emergency access by a `StartEmergency` whose session is still to be made: both, or neither.

        Raises:
            Refused: `invalid-emergency`, `no-more-access`, or as any command.
        """
        command, actor, origin = envelope.command, envelope.actor, envelope.origin
        if not isinstance(command, StartEmergency):
            raise TypeError("emergency access begins with StartEmergency")
        seconds = 60 * min(max(command.minutes, 1), LONGEST_MINUTES)
        session = await self._identity.sessions.for_emergency(actor, command.id, seconds, origin)
        session = msgspec.structs.replace(session, idempotency_key=envelope.idempotency_key)
        first = msgspec.structs.replace(envelope, command=msgspec.structs.replace(command, session=session.command.id))
        started, opened = _stored(await self._kernel.execute([first, session], atomic=True))
        if not started.replayed:
            STARTED.inc()
            _log.warning(
                "access.emergency-started",
                tenant=actor.tenant,
                actor=actor.id,
                role=actor.role,
                id=started.id,
                request_id=origin.request_id,
            )
        return Granted(started, self._identity.sessions.pair(actor.tenant, opened))

    async def end(self, envelope: Envelope) -> Outcome:
        """Ends emergency access by an `EndEmergency`, and with it its session: at once, on every node.

        Raises:
            Refused: `not-found`, also where it is another person's; or as any command.
        """
        # In the caller's own name: who may end none is not told either which there are.
        found = Read(KIND, envelope.command.id, envelope.actor, envelope.origin, _END, "find-session")
        snapshot = await self._kernel.read(found)
        session = msgspec.structs.replace(envelope, command=ending(envelope.actor, snapshot.state.session, "ended-by-user"))
        ended, _ = _stored(await self._kernel.execute([envelope, session], atomic=True))
        return ended

    async def get(self, actor: Actor, id: UUID, origin: Origin) -> EmergencyView:
        """One time of emergency access. Raises `Refused` as any read does."""
        return view(await self._kernel.read(Read(KIND, id, actor, origin, _READ)))

    async def page(
        self, actor: Actor, origin: Origin, before: UUID | None, limit: int, *, reviewed: bool | None
    ) -> list[EmergencyView]:
        """Times of emergency access, the newest first. Raises as `get` does."""
        search = Search(KIND, actor, origin, _SEARCH, spread=True)
        ids = await self._kernel.search(search, lambda connection: page(connection, reviewed, before, limit))
        return list(await asyncio.gather(*(self.get(actor, id_, origin) for id_ in ids)))

    async def close_lapsed(self, origin: Origin) -> None:
        """Writes down the end of what time has ended, in all clinics. Nobody could use it any more in any case.

        Raises:
            Refused: the database is out of reach.
        """
        search = Search(KIND, operator(NIL), origin, _SEARCH, "find-lapsed")
        now = self._kernel.clock.now()
        found = await self._kernel.search(search, lambda connection: lapsed(connection, now, _AT_ONCE))
        await self._kernel.execute([Envelope(EndEmergency(id_, "expired"), operator(tenant), origin) for tenant, id_ in found])


def starting(reason: str, minutes: int, patient: str | None) -> StartEmergency:
    """The command that begins emergency access, but for its session, which is the service's to make."""
    return StartEmergency(new_id(), reason, minutes, NIL, patient)


def _stored(outcomes: list[Outcome]) -> list[Outcome]:
    for outcome in outcomes:
        if outcome.refusal is not None and outcome.refusal is not ABORTED:
            raise Refused(outcome.refusal, replayed=outcome.replayed)
    return outcomes
