"""From anomalies to incidents: each opens one, where its monitor says so, and ends it, however often this is done.

The incident has the id of the anomaly: to open it again is refused, to resolve it again changes nothing.
"""

from collections.abc import Sequence

import structlog

from keepwell.domains.anomalies.store import AnomalyStore, Untold
from keepwell.domains.checks import Configurations, subject
from keepwell.domains.incidents import INCIDENT_OPEN, OpenIncident, ResolveIncident
from keepwell.domains.monitors import Monitor
from keepwell.domains.tenants import operator
from keepwell.kernel import Command, Envelope, Kernel, Origin, Refused
from keepwell.kernel.problems import CONFLICT, NOT_FOUND, TENANT_DESTROYED, Refusal
from keepwell.kit.ids import new_id

RUNBOOK = "docs/anomalies.md"
_AT_ONCE = 200
_SETTLED = (CONFLICT, INCIDENT_OPEN, NOT_FOUND, TENANT_DESTROYED)
"""What says that there is nothing left to do: it was opened before; there is one about the same series; there is none."""
_log = structlog.stdlib.get_logger("keepwell.anomalies")


class Teller:
    """Opens and resolves the incidents of anomalies."""

    def __init__(self, kernel: Kernel, store: AnomalyStore, configurations: Configurations) -> None:
        self._kernel = kernel
        self._store = store
        self._configurations = configurations

    async def tell(self) -> None:
        """Does what follows from all anomalies that nothing has followed from yet. What is over is told first, so that another
        anomaly of the same series finds no incident open.

        Raises:
            Refused, DatabaseUnavailable: what is left is found again.
        """
        while found := await self._store.untold(_AT_ONCE):
            done = await self._tell([each for each in found if each.opened], ends=True)
            done += await self._tell([each for each in found if not each.opened], ends=False)
            if done < len(found):
                return

    async def _tell(self, found: Sequence[Untold], *, ends: bool) -> int:
        """How many could be done."""
        where = Origin("worker", str(new_id()), purpose="HSYSADMIN")
        steps = [(each, await self._command(each)) for each in found]
        envelopes = [Envelope(command, operator(each.tenant), where) for each, command in steps if isinstance(command, Command)]
        outcomes = iter(await self._kernel.execute(envelopes))
        done: list[Untold] = []
        for each, command in steps:
            refusal = next(outcomes).refusal if isinstance(command, Command) else command
            if refusal is None or refusal.type in _SETTLED:
                done.append(each)
            else:
                _log.warning("anomalies.incident-failed", tenant=each.tenant, id=each.anomaly.id, code=refusal.code)
        if done:
            await self._store.note(done, ends=ends)
        return len(done)

    async def _command(self, untold: Untold) -> Command | Refusal:
        """What opens or resolves the incident, or why that is not known."""
        if untold.opened:
            return ResolveIncident(untold.anomaly.id, "It is as usual again.")
        try:
            monitor = await self._configurations.get(untold.tenant, untold.monitor, 0)
        except Refused as refused:
            return refused.refusal
        return _opening(untold, monitor)


def _latency(value: float) -> str:
    return f"{value:.4g} ms"


def _errors(value: float) -> str:
    return f"{value:.2%} of attempts"


_WORDS = {"latency": ("Latency", _latency), "errors": ("Errors", _errors)}


def _opening(untold: Untold, monitor: Monitor) -> OpenIncident:
    anomaly = untold.anomaly
    name, figure = _WORDS[anomaly.measure]
    about = f"{subject(untold.monitor)}/{anomaly.measure}"
    title = f"{name} of {monitor.name}: {anomaly.explanation}"
    text = f"Since {anomaly.at:%Y-%m-%d %H:%M} UTC: {figure(anomaly.now)}; usual is {figure(anomaly.usual)}."
    return OpenIncident(anomaly.id, about, "warning", title, text, RUNBOOK, monitor.tags)
