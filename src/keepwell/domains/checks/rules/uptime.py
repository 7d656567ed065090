"""How long a monitor was up in a stretch of time, from what changed in it. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from keepwell.domains.checks.models import MonitorStatus

MAINTENANCE = ("maintenance", "outside-service-hours")


class Change(msgspec.Struct, frozen=True):
    """From `at` on a monitor has this status, and is not judged while `suspended` says why."""

    at: datetime
    status: MonitorStatus
    suspended: str | None


class Spent(msgspec.Struct, frozen=True):
    """How many seconds of a stretch of time a monitor was up, down, under maintenance, and in a state that nobody knows.

    Maintenance and what is not known count neither way. `outages` is how many began in it.
    """

    up_s: float
    down_s: float
    maintenance_s: float
    unknown_s: float
    outages: int

    @property
    def uptime(self) -> float | None:
        """The part that it was up of what counts; None: nothing does."""
        counted = self.up_s + self.down_s
        return self.up_s / counted if counted else None


class Budget(msgspec.Struct, frozen=True):
    """What an objective allows: seconds down in the same time, those that were, and what is left of it, less than nothing when it
    is overdrawn. `consumed` is the part that is gone.
    """

    objective: float
    allowed_s: float
    spent_s: float
    left_s: float
    consumed: float | None


def spent(changes: Sequence[Change], since: datetime, until: datetime) -> Spent:
    """What became of the time between two instants. `changes` are in order; what was before the first is not known."""
    seconds = {"up": 0.0, "down": 0.0, "maintenance": 0.0, "unknown": 0.0}
    outages, before = 0, "unknown"
    begins = since
    kind = "unknown"
    for change in changes:
        at = min(max(change.at, since), until)
        seconds[kind] += (at - begins) / timedelta(seconds=1)
        if change.status == "down" and before != "down" and since <= change.at < until:
            outages += 1
        begins, kind, before = at, _kind(change), change.status
    seconds[kind] += (until - begins) / timedelta(seconds=1)
    return Spent(seconds["up"], seconds["down"], seconds["maintenance"], seconds["unknown"], outages)


def budget(time: Spent, objective: float) -> Budget:
    """What an objective, such as 0.999, leaves of errors to be made."""
    allowed = (1 - objective) * (time.up_s + time.down_s)
    return Budget(objective, allowed, time.down_s, allowed - time.down_s, time.down_s / allowed if allowed else None)


def _kind(change: Change) -> str:
    if change.suspended is None:
        return change.status
    return "maintenance" if change.suspended in MAINTENANCE else "unknown"
