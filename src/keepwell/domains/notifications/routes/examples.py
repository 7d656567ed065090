"""What the document shows of this room's routes: a channel from its making to its end, and what was told on it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from keepwell.domains.notifications.errors import INVALID_CHANNEL
from keepwell.domains.notifications.models.channels import ChannelView, QuietHours
from keepwell.domains.notifications.models.notifications import Item, NotificationView
from keepwell.domains.notifications.routes.bodies import (
    ChannelChange,
    ChannelList,
    MadeChannel,
    NewChannel,
    NotificationList,
)
from keepwell.domains.notifications.service.keeping import Trial
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_AT = datetime(2026, 9, 15, 10, 0, tzinfo=UTC)
_QUIET = QuietHours("Europe/Berlin", "22:00", "07:00")
_NEW = NewChannel("webhook", "https://hooks.example.org/keepwell", "On call", ("critical", "warning"), quiet_hours=_QUIET)
_CHANNEL = ChannelView(
    id=UUID("01995012-7a3c-7e11-9d42-5c8f0b6a3e19"),
    name=_NEW.name,
    kind=_NEW.kind,
    url="https://hooks.example.org/...",
    severities=_NEW.severities,
    tags=(),
    after_s=0,
    quiet_hours=_QUIET,
    group_after=10,
    group_window_s=30,
    paused=False,
    created_at=_AT,
    version=1,
)
_MADE = msgspec.convert({**msgspec.to_builtins(_CHANNEL), "secret": f"whsec_{'Q' * 43}="}, MadeChannel)
_SENT = NotificationView(
    id=UUID("01995013-05d2-7b90-8a1e-2f7c4d9b6e30"),
    channel=_CHANNEL.id,
    status="sent",
    incidents=(Item(UUID("01994fb1-6c04-7b52-8e19-3f7a5d0c2b96"), "opened", "critical", _AT),),
    attempts=1,
    error=None,
    created_at=_AT,
    due_at=_AT,
    sent_at=_AT + timedelta(seconds=1),
    version=3,
)
_DEAD = replace(_SENT, status="dead", attempts=217, error="status-503", sent_at=None, version=435)
_AGAIN = replace(_DEAD, status="waiting", version=436)

CREATE = Example(_NEW, _MADE, (Refusal(INVALID_CHANNEL, faults=(Fault("/url", "invalid-value", "Use a public address."),)),))
CHANNELS = Example(answer=ChannelList([_CHANNEL], None))
SHOW = Example(answer=_CHANNEL)
CHANGE = Example(ChannelChange(after_s=600, quiet_hours=None), replace(_CHANNEL, after_s=600, quiet_hours=None, version=2))
TEST = Example(answer=Trial(sent=False, error="refused"))
PAGE = Example(answer=NotificationList([_SENT], None))
NOTIFICATION = Example(answer=_SENT)
REDRIVE = Example(answer=_AGAIN)
