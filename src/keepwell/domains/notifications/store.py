"""Where channels and notifications are found: those of a clinic, and those of all clinics that the notifier has to see to.

The latter are functions of the directory's: whoever tells people does so for all clinics, and is told no more than what is due.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from keepwell.domains.notifications.models.alerts import Alert
from keepwell.domains.notifications.models.channels import Channel
from keepwell.domains.notifications.models.notifications import Notification, Status
from keepwell.domains.notifications.rules.alerts import Gathering
from keepwell.kernel.aggregate import Lookup
from keepwell.kernel.envelope import Snapshot

_CHANNELS = "SELECT id FROM channel WHERE tenant_id = current_tenant() AND state <> 'deleted' ORDER BY id"
_PAGE = """
    SELECT id FROM notification
    WHERE tenant_id = current_tenant() AND ($1::text IS NULL OR status = $1) AND ($2::uuid IS NULL OR channel = $2)
        AND ($3::uuid IS NULL OR id < $3)
    ORDER BY id DESC LIMIT $4
"""
_DUE = """
    SELECT n.id FROM notification n
    WHERE n.tenant_id = current_tenant() AND n.channel = $1 AND n.status = 'waiting' AND n.due_at <= $2 AND NOT EXISTS (
        SELECT FROM notification e
        WHERE e.tenant_id = n.tenant_id AND e.id = n.after AND e.status = 'waiting' AND e.due_at <= $2)
    ORDER BY n.attempts, n.id LIMIT $3
"""
_BOARD = """
    SELECT c.id, (SELECT count(*) FROM notification n WHERE n.tenant_id = current_tenant() AND n.channel = c.id
            AND n.created_at > $3 - make_interval(secs => c.seconds) AND NOT n.grouped) AS recent,
        g.id AS gathering, g.due_at
    FROM unnest($1::uuid[], $2::float8[]) AS c (id, seconds) LEFT JOIN LATERAL (
        SELECT n.id, n.due_at FROM notification n
        WHERE n.tenant_id = current_tenant() AND n.channel = c.id AND n.grouped AND n.status = 'waiting' AND n.attempts = 0
            AND n.due_at > $3
        ORDER BY n.created_at DESC LIMIT 1) g ON true
"""
_TO_FOLLOW = "SELECT tenant_id, id FROM directory_incidents_to_follow($1, $2, $3)"
_DUE_CHANNELS = "SELECT tenant_id, channel FROM directory_due_channels($1)"
_MEASURES = "SELECT status, notifications, age FROM directory_notification_measures($1)"


def _channel_row(snapshot: Snapshot, _blind: object) -> tuple[str]:
    state: Channel = snapshot.state
    return (state.state,)


def _alert_row(snapshot: Snapshot, _blind: object) -> tuple[int, datetime | None]:
    state: Alert = snapshot.state
    return (state.followed, state.next_at)


def _notification_row(snapshot: Snapshot, _blind: object) -> tuple[Any, ...]:
    state: Notification = snapshot.state
    return (
        state.channel,
        state.items[0].incident,
        state.status,
        state.attempts,
        state.grouped,
        state.after,
        state.created_at,
        state.due_at,
    )


CHANNELS = Lookup(table="channel", columns={"state": "text"}, row=_channel_row)
ALERTS = Lookup(table="alert", columns={"followed": "integer", "next_at": "timestamptz"}, row=_alert_row)
NOTIFICATIONS = Lookup(
    table="notification",
    columns={
        "channel": "uuid",
        "incident": "uuid",
        "status": "text",
        "attempts": "integer",
        "grouped": "boolean",
        "after": "uuid",
        "created_at": "timestamptz",
        "due_at": "timestamptz",
    },
    row=_notification_row,
)


async def channels(connection: Any) -> list[UUID]:
    """The ids of the clinic's channels."""
    return [row["id"] for row in await connection.fetch(_CHANNELS)]


async def page(connection: Any, status: Status | None, channel: UUID | None, before: UUID | None, limit: int) -> list[UUID]:
    """Ids of notifications, the newest first, from behind `before`."""
    return [row["id"] for row in await connection.fetch(_PAGE, status, channel, before, limit)]


async def due(connection: Any, channel: UUID, now: datetime, most: int) -> list[UUID]:
    """What is to be told on a channel by now and waits for no other, what was tried least first."""
    return [row["id"] for row in await connection.fetch(_DUE, channel, now, most)]


async def board(connection: Any, windows: Mapping[UUID, int], now: datetime) -> tuple[dict[UUID, int], dict[UUID, Gathering]]:
    """Of each channel, how much was told within its window (in seconds), and what gathers."""
    rows = await connection.fetch(_BOARD, list(windows), [float(each) for each in windows.values()], now)
    recent = {row["id"]: row["recent"] for row in rows}
    return recent, {row["id"]: Gathering(row["gathering"], 1, row["due_at"]) for row in rows if row["gathering"] is not None}


async def to_follow(connection: Any, since: datetime, now: datetime, clinic: UUID | None) -> list[tuple[UUID, UUID]]:
    """Clinic and id of incidents that changed since an instant, or of which it is the turn of somebody else to be told."""
    return [tuple(row.values()) for row in await connection.fetch(_TO_FOLLOW, since, now, clinic)]


async def due_channels(connection: Any, now: datetime) -> list[tuple[UUID, UUID]]:
    """Clinic and id of channels on which something is to be told by now."""
    return [tuple(row.values()) for row in await connection.fetch(_DUE_CHANNELS, now)]


async def measures(connection: Any, now: datetime) -> list[tuple[str, int, float]]:
    """By status, how much is not told, and for how many seconds the oldest of it has been due."""
    return [tuple(row.values()) for row in await connection.fetch(_MEASURES, now)]
