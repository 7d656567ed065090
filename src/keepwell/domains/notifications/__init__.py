"""Telling people what happens to incidents, on channels of their clinic: at least once, and recorded once."""

from keepwell.domains.notifications.models.alerts import Alert, AlertEvent, FollowIncident
from keepwell.domains.notifications.models.channels import ChangeChannel, Channel, ChannelEvent, CreateChannel, DeleteChannel
from keepwell.domains.notifications.models.notifications import (
    BeginAttempt,
    JoinNotification,
    Notification,
    NotificationEvent,
    PlanNotification,
    RecordFailure,
    RecordSent,
    RedriveNotification,
)
from keepwell.domains.notifications.rules import alerts, channels, notifications
from keepwell.domains.notifications.service import NotificationService, NotificationSettings
from keepwell.domains.notifications.service.following import ALERT, NOTIFICATION, RESOURCE
from keepwell.domains.notifications.service.keeping import CHANNEL, CHANNEL_RESOURCE
from keepwell.domains.notifications.store import ALERTS, CHANNELS, NOTIFICATIONS
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_UPDATE = Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=CHANNEL,
        resource=CHANNEL_RESOURCE,
        state=Channel,
        event=ChannelEvent,
        evolve=channels.evolve,
        view=channels.view,
        commands=(
            CommandType(
                "channels.create",
                CreateChannel,
                Permission(CHANNEL_RESOURCE, "c"),
                channels.decide_create,
                creates=True,
                guarded=False,
            ),
            CommandType(
                "channels.change",
                ChangeChannel,
                Permission(CHANNEL_RESOURCE, "u"),
                channels.decide_change,
                guard=channels.guard_there,
            ),
            CommandType(
                "channels.delete",
                DeleteChannel,
                Permission(CHANNEL_RESOURCE, "d"),
                channels.decide_delete,
                guard=channels.guard_there,
            ),
        ),
        lookup=CHANNELS,
    ),
    Aggregate(
        kind=ALERT,
        resource=RESOURCE,
        state=Alert,
        event=AlertEvent,
        evolve=alerts.evolve,
        view=alerts.view,
        commands=(CommandType("notifications.follow", FollowIncident, _UPDATE, alerts.decide_follow, begins=True),),
        lookup=ALERTS,
    ),
    Aggregate(
        kind=NOTIFICATION,
        resource=RESOURCE,
        state=Notification,
        event=NotificationEvent,
        evolve=notifications.evolve,
        view=notifications.view,
        commands=(
            CommandType(
                "notifications.plan",
                PlanNotification,
                Permission(RESOURCE, "c"),
                notifications.decide_plan,
                creates=True,
                guarded=False,
            ),
            CommandType("notifications.join", JoinNotification, _UPDATE, notifications.decide_join, guarded=False),
            CommandType("notifications.begin", BeginAttempt, _UPDATE, notifications.decide_begin, guarded=False),
            CommandType("notifications.record-sent", RecordSent, _UPDATE, notifications.decide_sent, guarded=False),
            CommandType("notifications.record-failure", RecordFailure, _UPDATE, notifications.decide_failure, guarded=False),
            CommandType("notifications.redrive", RedriveNotification, _UPDATE, notifications.decide_redrive, guarded=False),
        ),
        lookup=NOTIFICATIONS,
    ),
)

__all__ = ["AGGREGATES", "NotificationService", "NotificationSettings"]
