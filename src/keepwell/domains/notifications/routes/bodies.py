"""What requests about channels and notifications carry, and what is answered."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from keepwell.domains.incidents import Severity
from keepwell.domains.notifications.models.channels import ChannelKind, ChannelPatch, ChannelView, QuietHours, Rules
from keepwell.domains.notifications.models.notifications import NotificationView, Status
from keepwell.kernel.http import Part

Name = Annotated[str, Meta(max_length=200)]
Url = Annotated[str, Meta(min_length=1, max_length=2_000)]
Tags = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=50)]
_USUAL = Rules()


class NewChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where people are told: a `url` of their own for `webhook`, of one of apprise's services for `apprise`; and of what. Without
    more, of everything at once.
    """

    kind: ChannelKind
    url: Url
    name: Name = ""
    severities: tuple[Severity, ...] = _USUAL.severities
    tags: Tags = ()
    after_s: int = _USUAL.after_s
    quiet_hours: QuietHours | None = None
    group_after: int = _USUAL.group_after
    group_window_s: int = _USUAL.group_window_s

    @property
    def rules(self) -> Rules:
        return Rules(self.severities, self.tags, self.after_s, self.quiet_hours, self.group_after, self.group_window_s)


class ChannelChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given changes, the rest stays. `quiet_hours` null: it is never quiet."""

    name: Name | None = None
    url: Url | None = None
    severities: tuple[Severity, ...] | None = None
    tags: Tags | None = None
    after_s: int | None = None
    quiet_hours: QuietHours | UnsetType | None = UNSET
    group_after: int | None = None
    group_window_s: int | None = None
    paused: bool | None = None

    @property
    def patch(self) -> ChannelPatch:
        return ChannelPatch(**{name: getattr(self, name) for name in self.__struct_fields__})


class MadeChannel(ChannelView, frozen=True):
    """A channel just made. `secret`: what its webhooks are signed with, by Standard Webhooks; shown now and never again."""

    secret: str | None = None


class ChannelList(msgspec.Struct, frozen=True):
    """Channels, the oldest first."""

    items: list[ChannelView]
    next: str | None


class NotificationPart(Part, frozen=True):
    """Which notifications, and which part of the list."""

    status: Status | None = None
    channel: UUID | None = None


class NotificationList(msgspec.Struct, frozen=True):
    """Notifications, the newest first."""

    items: list[NotificationView]
    next: str | None
