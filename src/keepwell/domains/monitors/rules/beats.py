"""When a heartbeat is late: by a period after the one before it, or by a cron expression and the clocks of a zone."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from keepwell.domains.monitors.models import Heartbeat, Monitor
from keepwell.domains.monitors.rules.windows import timing_faults
from keepwell.kernel.problems import Fault
from keepwell.kit import zones

LONGEST = timedelta(days=366)


def expected(heartbeat: Heartbeat, since: datetime) -> datetime:
    """When the next beat has to come, after one that came `since`, or after the monitor was made then."""
    if heartbeat.period_s is not None:
        return since + timedelta(seconds=heartbeat.period_s)
    return next(zones.occurrences(heartbeat.cron or "", heartbeat.time_zone, since))


def late_at(heartbeat: Heartbeat, since: datetime) -> datetime:
    """The instant from which the next beat is late."""
    return expected(heartbeat, since) + timedelta(seconds=heartbeat.grace_s)


def is_late(monitor: Monitor, last: datetime | None, now: datetime) -> bool:
    """Whether the beat after the last one should have come by now; None: there was none yet."""
    if monitor.heartbeat is None:
        return False
    return now >= late_at(monitor.heartbeat, monitor.created_at if last is None else last)


def faults(heartbeat: Heartbeat, pointer: str) -> Iterator[Fault]:
    """What is wrong with how beats are expected."""
    if (heartbeat.period_s is None) == (heartbeat.cron is None):
        yield Fault(pointer, "ambiguous", "Say either period_s or cron.")
    if heartbeat.period_s is not None and not 1 <= heartbeat.period_s <= LONGEST.total_seconds():
        yield Fault(f"{pointer}/period_s", "range", f"Use 1 to {int(LONGEST.total_seconds())} seconds.")
    if not 0 <= heartbeat.grace_s <= LONGEST.total_seconds():
        yield Fault(f"{pointer}/grace_s", "range", f"Use 0 to {int(LONGEST.total_seconds())} seconds.")
    yield from timing_faults(heartbeat.cron or "0 0 * * *", heartbeat.time_zone, pointer)
