"""When nothing is held against a target: it is paused, under maintenance, or outside its service hours."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from msgspec.structs import replace

from keepwell.domains.monitors.models import Maintenance, Monitor, Recurring, Suspension
from keepwell.kernel.problems import Fault
from keepwell.kit import zones

LONGEST = timedelta(days=31)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_SET_TIME = re.compile(r"\d{1,2} \d{1,2} .*")
_DAY = timedelta(days=1)


def suspended(monitor: Monitor, instant: datetime) -> Suspension | None:
    """Why what is seen at an instant is not held against the target; None: it is."""
    if monitor.deleted:
        return "deleted"
    if monitor.paused:
        return "paused"
    if any(maintained(window, instant) for window in monitor.maintenance):
        return "maintenance"
    if monitor.service_hours and not any(within(hours, instant) for hours in monitor.service_hours):
        return "outside-service-hours"
    return None


def maintained(window: Maintenance, instant: datetime) -> bool:
    """Whether an instant lies in a window: its beginning does, its end does not."""
    begun = window.starts_at is None or window.starts_at <= instant
    ended = window.ends_at is not None and window.ends_at <= instant
    if not begun or ended:
        return False
    return window.recurring is None or within(window.recurring, instant)


def within(recurring: Recurring, instant: datetime) -> bool:
    """Whether an instant lies in one of the stretches."""
    if recurring.duration_s is not None:
        # Some stretch holds the instant exactly if one begins less than its length before it, or at it.
        since = instant - timedelta(seconds=recurring.duration_s)
        return next(zones.occurrences(recurring.cron, recurring.time_zone, since)) <= instant
    # It ends within a day of its clocks, which may have an hour more, or nearly two where a zone crossed the date line.
    for begins in zones.occurrences(recurring.cron, recurring.time_zone, instant - 3 * _DAY):
        if begins > instant:
            return False
        if instant < _end(recurring, begins):
            return True
    return False


def _end(recurring: Recurring, begins: datetime) -> datetime:
    """The first instant after `begins` at which the clocks have shown `until`."""
    shown = zones.local_time(begins, recurring.time_zone)
    closes = datetime.combine(shown.date(), time.fromisoformat(recurring.until or "00:00"))
    while (end := zones.closing_instant(closes, recurring.time_zone)) <= begins:
        closes += _DAY
    return end


def maintenance_faults(window: Maintenance, pointer: str) -> Iterator[Fault]:
    """What is wrong with a window."""
    if window.recurring is None and (window.starts_at is None or window.ends_at is None):
        yield Fault(pointer, "incomplete", "Say starts_at and ends_at, or how it recurs.")
    for field, at in (("starts_at", window.starts_at), ("ends_at", window.ends_at)):
        if at is not None and at.utcoffset() is None:
            yield Fault(f"{pointer}/{field}", "invalid-value", "Use an instant with its offset, such as 2026-11-26T02:00:00Z.")
            return
    if window.starts_at is not None and window.ends_at is not None and window.ends_at <= window.starts_at:
        yield Fault(f"{pointer}/ends_at", "range", "It ends after it begins.")
    if window.recurring is not None:
        yield from recurring_faults(window.recurring, f"{pointer}/recurring")


def recurring_faults(recurring: Recurring, pointer: str) -> Iterator[Fault]:
    """What is wrong with stretches that come again."""
    yield from timing_faults(recurring.cron, recurring.time_zone, pointer)
    if (recurring.duration_s is None) == (recurring.until is None):
        yield Fault(pointer, "ambiguous", "Say either duration_s or until.")
    if recurring.duration_s is not None and not 0 < recurring.duration_s <= LONGEST.total_seconds():
        yield Fault(f"{pointer}/duration_s", "range", f"Use 1 to {int(LONGEST.total_seconds())} seconds.")
    if recurring.until is not None and not _CLOCK.fullmatch(recurring.until):
        yield Fault(f"{pointer}/until", "invalid-value", "Use a time of day such as 06:00.")
    if recurring.until is not None and not _SET_TIME.fullmatch(recurring.cron):
        yield Fault(f"{pointer}/cron", "invalid-value", "With until, it begins at one set time of day, such as 0 22 * * 1-5.")


def timing_faults(cron: str, time_zone: str, pointer: str) -> Iterator[Fault]:
    """What is wrong with a cron expression and whose clocks it goes by."""
    try:
        zones.check_cron(cron)
    except zones.InvalidCronError:
        yield Fault(f"{pointer}/cron", "invalid-value", "Use a cron expression of five fields, such as 30 2 * * *.")
    if not zones.is_zone(time_zone):
        yield Fault(f"{pointer}/time_zone", "invalid-value", "Use the IANA name of a zone, such as Europe/Berlin.")


def in_utc(window: Maintenance) -> Maintenance:
    """The same window, its instants as all are inside; those that are none stay, for who says what is wrong with them."""
    return replace(window, starts_at=_in_utc(window.starts_at), ends_at=_in_utc(window.ends_at))


def _in_utc(at: datetime | None) -> datetime | None:
    return at if at is None or at.utcoffset() is None else at.astimezone(UTC)
