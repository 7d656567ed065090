"""What becomes of a notification: it gathers, is tried, is sent once or more and recorded once, or is given up. Pure."""

from datetime import timedelta

from msgspec.structs import replace

from keepwell.domains.notifications.errors import NOTIFICATION_BEGUN, NOTIFICATION_NOT_DEAD
from keepwell.domains.notifications.models.notifications import (
    AttemptBegun,
    AttemptFailed,
    BeginAttempt,
    JoinNotification,
    Notification,
    NotificationEvent,
    NotificationJoined,
    NotificationPlanned,
    NotificationRedriven,
    NotificationSent,
    NotificationView,
    PlanNotification,
    RecordFailure,
    RecordSent,
    RedriveNotification,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Refusal

GIVEN_UP_AFTER = timedelta(days=3)
"""How long it is tried to tell something: longer than a weekend on which nobody mends the channel."""
MOST_ITEMS = 100
"""So much is told at once."""


def decide_plan(_state: Notification | None, command: PlanNotification, context: Context) -> Decision:
    """That each thing is planned once follows from the alert, which moves on in the same transaction."""
    return (NotificationPlanned(command.channel, command.items, command.due_at, command.grouped, command.after, context.now),)


def decide_join(state: Notification, command: JoinNotification, _context: Context) -> Decision:
    """As long as it was not tried: what was sent under an id never says something else later."""
    if state.status != "waiting" or state.attempts or len(state.items) >= MOST_ITEMS:
        return Refusal(NOTIFICATION_BEGUN)
    return (NotificationJoined(command.items),)


def decide_begin(state: Notification, _command: BeginAttempt, _context: Context) -> Decision:
    """Nothing, where somebody else has sent it meanwhile, or given it up."""
    return (AttemptBegun(state.attempts + 1),) if state.status == "waiting" else ()


def decide_sent(state: Notification, _command: RecordSent, context: Context) -> Decision:
    """Once, however often it was sent, and whoever gave it up meanwhile."""
    return () if state.status == "sent" else (NotificationSent(context.now),)


def decide_failure(state: Notification, command: RecordFailure, context: Context) -> Decision:
    """What a late worker says of an earlier attempt counts no more."""
    if state.status != "waiting" or command.attempt != state.attempts:
        return ()
    dead = command.final or context.now - state.since >= GIVEN_UP_AFTER
    return (AttemptFailed(command.attempt, command.error, dead),)


def decide_redrive(state: Notification, _command: RedriveNotification, context: Context) -> Decision:
    """With all the time a new one has."""
    return (NotificationRedriven(context.now),) if state.status == "dead" else Refusal(NOTIFICATION_NOT_DEAD)


def evolve(state: Notification | None, event: NotificationEvent) -> Notification:
    """The notification after one event."""
    if isinstance(event, NotificationPlanned):
        return Notification(event.channel, event.items, event.at, event.due_at, event.grouped, event.after, event.due_at)
    if state is None:
        raise ValueError("a notification begins with notification-planned")
    match event:
        case NotificationJoined():
            return replace(state, items=(*state.items, *event.items))
        case AttemptBegun():
            return replace(state, attempts=event.attempt)
        case NotificationSent():
            return replace(state, status="sent", sent_at=event.at, error=None)
        case AttemptFailed():
            return replace(state, status="dead" if event.dead else "waiting", error=event.error)
        case NotificationRedriven():
            return replace(state, status="waiting", since=event.at, due_at=event.at)


def view(snapshot: Snapshot) -> NotificationView:
    """The notification as callers see it."""
    state: Notification = snapshot.state
    return NotificationView(
        snapshot.id,
        state.channel,
        state.status,
        state.items,
        state.attempts,
        state.error,
        state.created_at,
        state.due_at,
        state.sent_at,
        snapshot.version,
    )
