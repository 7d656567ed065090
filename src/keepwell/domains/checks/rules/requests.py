"""Asking for a check now: once, of a monitor that is checked at all. Pure."""

from datetime import datetime
from uuid import UUID

from keepwell.domains.checks.errors import MONITOR_IDLE
from keepwell.domains.checks.models import CheckRequest, CheckRequested, CheckRequestView, RequestCheck
from keepwell.domains.monitors import KIND as MONITOR
from keepwell.domains.monitors import Monitor
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Reference, Snapshot
from keepwell.kernel.problems import NOT_FOUND, Refusal


def monitor_references(_state: CheckRequest | None, command: RequestCheck) -> tuple[Reference, ...]:
    """What the decision needs to see."""
    return (Reference(MONITOR, command.monitor, fresh=True),)


def decide_request(_state: CheckRequest | None, command: RequestCheck, context: Context) -> Decision:
    """Not of what is paused, deleted, or reports by itself."""
    found = context.references.get((MONITOR, command.monitor))
    monitor: Monitor | None = None if found is None else found.state
    if monitor is None or monitor.deleted:
        return Refusal(NOT_FOUND)
    if monitor.paused or monitor.kind == "heartbeat":
        return Refusal(MONITOR_IDLE)
    return (CheckRequested(command.monitor, context.now),)


def evolve(_state: CheckRequest | None, event: CheckRequested) -> CheckRequest:
    """There is one event only."""
    return CheckRequest(event.monitor, event.at)


def view(snapshot: Snapshot) -> CheckRequestView:
    """What was asked for, and where to look."""
    state: CheckRequest = snapshot.state
    return CheckRequestView(snapshot.id, state.monitor, state.requested_at, results_of(state.monitor, state.requested_at))


def results_of(monitor: UUID, at: datetime) -> str:
    """Where results of a monitor from an instant on are found."""
    return f"/v1/monitors/{monitor}/results?from={at:%Y-%m-%dT%H:%M:%S.%fZ}"
