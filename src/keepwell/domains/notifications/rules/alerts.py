"""Who is told what of an incident, and when: from all that happened to it since it was followed last. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from keepwell.domains.incidents import IncidentView, TimelineEntry
from keepwell.domains.notifications.models.alerts import Alert, AlertEvent, AlertView, FollowIncident, IncidentFollowed, Told
from keepwell.domains.notifications.models.channels import Channel, Rules
from keepwell.domains.notifications.models.notifications import (
    Happened,
    Item,
    JoinNotification,
    PlanNotification,
)
from keepwell.domains.notifications.rules.channels import concerned, quiet_until
from keepwell.domains.notifications.rules.notifications import GIVEN_UP_AFTER, MOST_ITEMS
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kit.ids import new_id

FLAPPING = "flapping"
"""The tag of incidents about what comes and goes."""
_TOLD_ON: Mapping[str, Happened] = {
    "acknowledged": "acknowledged",
    "severity-changed": "severity-changed",
    "resolved": "resolved",
}
"""What of a timeline those are told who were told of the opening."""


class Telling(NamedTuple):
    """One thing to be told on one channel. `flapping`: what it is about comes and goes, so it is told with what follows."""

    channel: UUID
    item: Item
    flapping: bool = False


class Course(NamedTuple):
    """What is to be told of an incident, in order, and when somebody else's turn comes."""

    tellings: tuple[Telling, ...]
    next_at: datetime | None


class Board:
    """What each channel was told lately: how much by itself, and what gathers there."""

    def __init__(self, recent: Mapping[UUID, int], gathering: Mapping[UUID, "Gathering"]) -> None:
        self.recent = dict(recent)
        self.gathering = dict(gathering)


class Gathering(NamedTuple):
    """A notification that was not tried yet, how much it tells already, and when it is due."""

    id: UUID
    size: int
    due_at: datetime


def decide_follow(state: Alert | None, command: FollowIncident, _context: Context) -> Decision:
    """The alert's version says that nobody else was faster."""
    followed = IncidentFollowed(command.followed, command.severity, command.told, command.next_at)
    return () if state is not None and evolve(state, followed) == state else (followed,)


def evolve(_state: Alert | None, event: AlertEvent) -> Alert:
    """The alert after one event: each says all of it."""
    return Alert(event.followed, event.severity, event.told, event.next_at)


def view(snapshot: Snapshot) -> AlertView:
    """How far it is."""
    state: Alert = snapshot.state
    return AlertView(snapshot.id, state.followed, state.next_at, snapshot.version)


def course(alert: Alert | None, incident: IncidentView, channels: Mapping[UUID, Channel], now: datetime) -> Course:
    """What is to be told of all that happened to an incident beyond where it was followed; nothing, if it has long been over."""
    if incident.resolved_at is not None and now - incident.resolved_at >= GIVEN_UP_AFTER:
        return Course((), None)
    followed = 0 if alert is None else alert.followed
    told = {each.channel for each in alert.told} if alert is not None else set[UUID]()
    tellings: list[Telling] = []
    for entry in incident.timeline[followed:]:
        for telling in _told_of(entry, incident, channels, told):
            told.add(telling.channel)
            tellings.append(telling)
    if incident.status != "open":
        return Course(tuple(tellings), None)
    waits = [
        (incident.opened_at + timedelta(seconds=each.rules.after_s), id_) for id_, each in channels.items() if id_ not in told
    ]
    waits = [(at, id_) for at, id_ in waits if _wants(channels[id_], incident) and channels[id_].rules.after_s]
    for at, id_ in sorted(waits):
        if at <= now:
            tellings.append(Telling(id_, Item(incident.id, "escalated", incident.severity, now), FLAPPING in incident.tags))
    return Course(tuple(tellings), min((at for at, _ in waits if at > now), default=None))


def _told_of(
    entry: TimelineEntry, incident: IncidentView, channels: Mapping[UUID, Channel], told: set[UUID]
) -> Iterator[Telling]:
    """What one entry of the timeline means to whom."""
    flapping = FLAPPING in incident.tags
    if entry.type in _TOLD_ON:
        item = Item(incident.id, _TOLD_ON[entry.type], incident.severity, entry.at)
        yield from [Telling(id_, item, flapping) for id_ in sorted(told) if id_ in channels]
    if entry.type == "opened" or (entry.type == "severity-changed" and incident.status == "open"):
        item = Item(incident.id, "opened", incident.severity, entry.at)
        fresh = [id_ for id_, each in channels.items() if id_ not in told and not each.rules.after_s]
        yield from [Telling(id_, item, flapping) for id_ in sorted(fresh) if _wants(channels[id_], incident)]


def _wants(channel: Channel, incident: IncidentView) -> bool:
    return channel.state == "active" and concerned(channel.rules, incident.severity, incident.tags)


def placed(
    tellings: Iterable[Telling],
    channels: Mapping[UUID, Channel],
    told: Sequence[Told],
    board: Board,
    now: datetime,
) -> tuple[list[PlanNotification | JoinNotification], tuple[Told, ...]]:
    """The commands by which it is told, in notifications of their own or with what gathers already; and by which each channel is
    told last. `board` is kept up to date.
    """
    last = {each.channel: each.notification for each in told}
    commands: list[PlanNotification | JoinNotification] = []
    for telling in tellings:
        command = _placed(telling, channels[telling.channel].rules, last.get(telling.channel), board, now)
        last[telling.channel] = command.id
        commands.append(command)
    return commands, tuple(Told(channel, notification) for channel, notification in last.items())


def _placed(
    telling: Telling, rules: Rules, after: UUID | None, board: Board, now: datetime
) -> PlanNotification | JoinNotification:
    channel, item, flapping = telling
    quiet = None if item.severity == "critical" else quiet_until(rules.quiet_hours, now)
    gathering, window = board.gathering.get(channel), timedelta(seconds=rules.group_window_s)
    # What happened before and gathers still would be told later, were this told by itself; it waits for no quiet hours, though.
    follows = gathering is not None and gathering.id == after and gathering.due_at <= now + window
    storm = flapping or follows or board.recent.get(channel, 0) >= rules.group_after
    if quiet is None and not storm:
        board.recent[channel] = board.recent.get(channel, 0) + 1
        return PlanNotification(new_id(), channel, (item,), now, after=after)
    due_at = quiet or now + window
    if gathering is not None and gathering.size < MOST_ITEMS and _fits(gathering.due_at, due_at, quiet=quiet is not None):
        board.gathering[channel] = gathering._replace(size=gathering.size + 1)
        return JoinNotification(gathering.id, (item,))
    board.gathering[channel] = fresh = Gathering(new_id(), 1, due_at)
    return PlanNotification(fresh.id, channel, (item,), due_at, grouped=True, after=after)


def _fits(gathering: datetime, due_at: datetime, *, quiet: bool) -> bool:
    """Whether what is to be told at an instant may be told with what is told at another: earlier, but not while it is quiet."""
    return gathering == due_at if quiet else gathering <= due_at
