"""A channel: where people are told of incidents, of which, when, and when not."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from keepwell.domains.incidents import Severity
from keepwell.kernel.envelope import Command

ChannelKind = Literal["webhook", "apprise"]
ChannelState = Literal["active", "paused", "deleted"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
EVERY_DAY: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `starts` to `ends` by the clocks of an IANA zone, over midnight where it ends earlier than it starts; on the days on
    which it starts. What is not critical waits until the end.
    """

    time_zone: str
    starts: str
    ends: str
    days: tuple[Day, ...] = EVERY_DAY


class Rules(msgspec.Struct, frozen=True):
    """Of which incidents a channel is told: of these severities, and with one of these tags (none: whatever they are tagged).

    `after_s`: only if nobody has acknowledged the incident so many seconds after it was opened. When more than `group_after` were
    told within `group_window_s`, the next are gathered, and told together at the end of that time.
    """

    severities: tuple[Severity, ...] = ("critical", "warning", "info")
    tags: tuple[str, ...] = ()
    after_s: int = 0
    quiet_hours: QuietHours | None = None
    group_after: int = 10
    group_window_s: int = 30


class Channel(msgspec.Struct, frozen=True):
    """`url` may hold a secret, and is never shown whole."""

    name: str
    kind: ChannelKind
    url: str
    rules: Rules
    created_at: datetime
    state: ChannelState = "active"


class CreateChannel(Command, frozen=True):
    """Lets people be told there from now on."""

    name: str
    kind: ChannelKind
    url: str
    rules: Rules


class ChannelPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given changes, what is None stays; quiet hours may be taken away."""

    name: str | None = None
    url: str | None = None
    severities: tuple[Severity, ...] | None = None
    tags: tuple[str, ...] | None = None
    after_s: int | None = None
    quiet_hours: QuietHours | UnsetType | None = UNSET
    group_after: int | None = None
    group_window_s: int | None = None
    paused: bool | None = None


class ChangeChannel(Command, frozen=True):
    """Changes a channel."""

    patch: ChannelPatch


class DeleteChannel(Command, frozen=True):
    """Tells nothing there any more, not even what waits."""


class ChannelCreated(msgspec.Struct, frozen=True, tag="channel-created"):
    """The first entry."""

    name: str
    kind: ChannelKind
    url: str
    rules: Rules
    at: datetime


class ChannelChanged(msgspec.Struct, frozen=True, tag="channel-changed"):
    """It is this now."""

    name: str
    url: str
    rules: Rules
    state: ChannelState


class ChannelDeleted(msgspec.Struct, frozen=True, tag="channel-deleted"):
    """The last entry."""


ChannelEvent = ChannelCreated | ChannelChanged | ChannelDeleted


class ChannelView(msgspec.Struct, frozen=True):
    """A channel as callers see it. Of `url` they see the beginning: the rest may be a secret."""

    id: UUID
    name: str
    kind: ChannelKind
    url: str
    severities: tuple[Severity, ...]
    tags: tuple[str, ...]
    after_s: int
    quiet_hours: QuietHours | None
    group_after: int
    group_window_s: int
    paused: bool
    created_at: datetime
    version: int
