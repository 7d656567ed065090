"""From transitions to incidents: each outage opens one and ends it, however often this is done, and by however many at once.

The incident has the id of the transition that began the outage: to open it again is refused, to resolve it again changes nothing.
A transition is noted as told only when that is done; of one monitor, never before an earlier one.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from keepwell.domains.checks.models import Transition
from keepwell.domains.checks.service.configurations import Configurations, origin
from keepwell.domains.checks.store import CheckStore
from keepwell.domains.incidents import INCIDENT_OPEN, OpenIncident, ResolveIncident
from keepwell.domains.monitors import Monitor
from keepwell.domains.tenants import operator
from keepwell.kernel import Command, Envelope, Kernel, Origin, Refused
from keepwell.kernel.problems import CONFLICT, NOT_FOUND, Refusal

_AT_ONCE = 200
_SETTLED = (CONFLICT, INCIDENT_OPEN, NOT_FOUND)
"""What says that there is nothing left to do: it was opened before; somebody opened one by hand; there is none to resolve."""
_log = structlog.stdlib.get_logger("keepwell.checks")
Untold = tuple[UUID, UUID, Transition]


class Teller:
    """Opens and resolves the incidents of monitors."""

    def __init__(self, kernel: Kernel, store: CheckStore, configurations: Configurations) -> None:
        self._kernel = kernel
        self._store = store
        self._configurations = configurations
        self._alone = asyncio.Lock()

    async def tell(self) -> int:
        """Does what follows from all transitions that nothing has followed from yet; how many these were.

        Raises:
            DatabaseUnavailable: what is left is found again.
        """
        told = 0
        async with self._alone:
            while found := await self._store.untold(_AT_ONCE):
                done = await self._follow(found)
                await self._store.told([(tenant, transition.id) for tenant, _, transition in done])
                told += len(done)
                if len(done) < _AT_ONCE:
                    break
        return told

    async def _follow(self, found: Sequence[Untold]) -> list[Untold]:
        """What was done of it, in order; of a monitor nothing behind what could not be done now."""
        where = origin()
        steps = [(each, await self._command(each)) for each in found]
        envelopes = [_envelope(each, command, where) for each, command in steps if isinstance(command, Command)]
        outcomes = iter(await self._kernel.execute(envelopes))
        stuck: set[tuple[UUID, UUID]] = set()
        done: list[Untold] = []
        for each, command in steps:
            refusal = next(outcomes).refusal if isinstance(command, Command) else command
            if refusal is not None and refusal.type not in _SETTLED:
                _log.warning("checks.incident-failed", tenant=each[0], id=each[1], code=refusal.code)
                stuck.add(each[:2])
            if each[:2] not in stuck:
                done.append(each)
        return done

    async def _command(self, untold: Untold) -> Command | Refusal:
        """What opens or resolves the incident, or why that is not known."""
        tenant, id_, transition = untold
        incident = transition.incident or transition.id
        if transition.before == "down":
            return ResolveIncident(incident, _ENDS.get(transition.after, ""))
        try:
            monitor = await self._configurations.get(tenant, id_, 0)
        except Refused as refused:
            return refused.refusal
        return _opening(incident, id_, monitor, transition)


_ENDS = {"up": "It is up again.", "unknown": "It is not watched any more."}


def subject(monitor: UUID) -> str:
    """What incidents call a monitor."""
    return f"monitor/{monitor}"


def _opening(incident: UUID, id_: UUID, monitor: Monitor, transition: Transition) -> OpenIncident:
    tags = (*monitor.tags, *(("flapping",) if transition.flapping else ()))
    text = f"Since {transition.at:%Y-%m-%d %H:%M:%S} UTC: {transition.reason or 'failed'}."
    return OpenIncident(incident, subject(id_), monitor.severity, f"{monitor.name} is down", text, monitor.runbook, tags)


def _envelope(untold: Untold, command: Command, where: Origin) -> Envelope:
    return Envelope(command, operator(untold[0]), where)
