"""What may be done with a channel, and of which incidents it is told. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import UNSET
from msgspec.structs import replace

from keepwell.domains.incidents import Severity
from keepwell.domains.notifications.errors import INVALID_CHANNEL
from keepwell.domains.notifications.models.channels import (
    EVERY_DAY,
    ChangeChannel,
    Channel,
    ChannelChanged,
    ChannelCreated,
    ChannelDeleted,
    ChannelEvent,
    ChannelPatch,
    ChannelView,
    CreateChannel,
    DeleteChannel,
    QuietHours,
    Rules,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Command, Context, Snapshot
from keepwell.kernel.problems import NOT_FOUND, Fault, Refusal
from keepwell.kit import zones

T = TypeVar("T")
LONGEST = 7 * 24 * 3600
MOST_GROUPED = 1_000
LONGEST_WINDOW = 3_600
_DAY = timedelta(days=1)


def decide_create(_state: Channel | None, command: CreateChannel, context: Context) -> Decision:
    """Whether the address is one that we send to is for who sends to say."""
    if faults := tuple(_faults(command.name, command.rules)):
        return Refusal(INVALID_CHANNEL, faults=faults)
    return (ChannelCreated(command.name, command.kind, command.url, command.rules, context.now),)


def guard_there(state: Channel, _command: Command, _context: Context) -> Refusal | None:
    """What was deleted is not there."""
    return Refusal(NOT_FOUND) if state.state == "deleted" else None


def decide_change(state: Channel, command: ChangeChannel, _context: Context) -> Decision:
    """One event, if anything differs."""
    patch = command.patch
    name, url = _given(patch.name, state.name), _given(patch.url, state.url)
    rules = _patched(state.rules, patch)
    if faults := tuple(_faults(name, rules)):
        return Refusal(INVALID_CHANNEL, faults=faults)
    paused = _given(patch.paused, state.state == "paused")
    changed = ChannelChanged(name, url, rules, "paused" if paused else "active")
    return () if changed == ChannelChanged(state.name, state.url, state.rules, state.state) else (changed,)


def decide_delete(_state: Channel, _command: DeleteChannel, _context: Context) -> Decision:
    """For good."""
    return (ChannelDeleted(),)


def evolve(state: Channel | None, event: ChannelEvent) -> Channel:
    """The channel after one event."""
    if isinstance(event, ChannelCreated):
        return Channel(event.name, event.kind, event.url, event.rules, event.at)
    if state is None:
        raise ValueError("a channel begins with channel-created")
    if isinstance(event, ChannelDeleted):
        return replace(state, state="deleted", url="")
    return replace(state, name=event.name, url=event.url, rules=event.rules, state=event.state)


def concerned(rules: Rules, severity: Severity, tags: Iterable[str]) -> bool:
    """Whether people there want to be told of such an incident."""
    return severity in rules.severities and (not rules.tags or not set(rules.tags).isdisjoint(tags))


def quiet_until(quiet: QuietHours | None, now: datetime) -> datetime | None:
    """When it is quiet no more; None: it is not quiet now."""
    if quiet is None:
        return None
    today = zones.local_time(now, quiet.time_zone).date()
    starts, ends = time.fromisoformat(quiet.starts), time.fromisoformat(quiet.ends)
    for day in (today - _DAY, today):
        last = day if ends > starts else day + _DAY
        begin = zones.opening_instant(datetime.combine(day, starts), quiet.time_zone)
        end = zones.opening_instant(datetime.combine(last, ends), quiet.time_zone)
        if EVERY_DAY[day.weekday()] in quiet.days and begin <= now < end:
            return end
    return None


def shown(kind: str, url: str) -> str:
    """The beginning of an address, in which no secret stands."""
    parts = urlsplit(url)
    if kind != "webhook":
        return f"{parts.scheme}://..."
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{'' if parts.port is None else f':{parts.port}'}/..."


def view(snapshot: Snapshot) -> ChannelView:
    """The channel as callers see it."""
    state: Channel = snapshot.state
    rules = state.rules
    return ChannelView(
        snapshot.id,
        state.name,
        state.kind,
        shown(state.kind, state.url) if state.url else "",
        rules.severities,
        rules.tags,
        rules.after_s,
        rules.quiet_hours,
        rules.group_after,
        rules.group_window_s,
        state.state == "paused",
        state.created_at,
        snapshot.version,
    )


def _given(value: T | None, before: T) -> T:
    return before if value is None else value


def _patched(rules: Rules, patch: ChannelPatch) -> Rules:
    return Rules(
        _given(patch.severities, rules.severities),
        _given(patch.tags, rules.tags),
        _given(patch.after_s, rules.after_s),
        rules.quiet_hours if patch.quiet_hours is UNSET else patch.quiet_hours,
        _given(patch.group_after, rules.group_after),
        _given(patch.group_window_s, rules.group_window_s),
    )


def _faults(name: str, rules: Rules) -> Iterator[Fault]:
    if not name.isprintable():
        yield Fault("/name", "invalid-value", "Use printable characters.")
    if not rules.severities:
        yield Fault("/severities", "empty", "Name at least one severity.")
    if not 0 <= rules.after_s <= LONGEST:
        yield Fault("/after_s", "range", f"Use 0 to {LONGEST} seconds.")
    if not 1 <= rules.group_after <= MOST_GROUPED:
        yield Fault("/group_after", "range", f"Use 1 to {MOST_GROUPED}.")
    if not 1 <= rules.group_window_s <= LONGEST_WINDOW:
        yield Fault("/group_window_s", "range", f"Use 1 to {LONGEST_WINDOW} seconds.")
    if rules.quiet_hours is not None:
        yield from _quiet_faults(rules.quiet_hours)


def _quiet_faults(quiet: QuietHours) -> Iterator[Fault]:
    if not zones.is_zone(quiet.time_zone):
        yield Fault("/quiet_hours/time_zone", "invalid-value", "Use the IANA name of a zone, such as Europe/Berlin.")
    for field in ("starts", "ends"):
        if not _is_time(getattr(quiet, field)):
            yield Fault(f"/quiet_hours/{field}", "invalid-value", "Use a time such as 22:00.")


def _is_time(text: str) -> bool:
    try:
        return len(text) == len("22:00") and time.fromisoformat(text).tzinfo is None
    except ValueError:
        return False
