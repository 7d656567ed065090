"""A status page: what it shows under which name, and what everybody sees of it."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

ComponentStatus = Literal["operational", "down", "maintenance", "unknown"]
PageStatus = Literal["operational", "partly-down", "down", "maintenance", "unknown"]


class Component(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A monitor, by the name everybody may know it under; nothing else of it is shown."""

    monitor: UUID
    name: str
    group: str = ""


class StatusPage(msgspec.Struct, frozen=True):
    """`slug` is its place in addresses; `time_zone` says when its days begin. Only a published page is seen by everybody."""

    slug: str
    title: str
    description: str
    time_zone: str
    components: tuple[Component, ...]
    published: bool
    deleted: bool = False


class CreateStatusPage(Command, frozen=True):
    """A page, seen by nobody until it is published."""

    slug: str
    title: str
    description: str
    time_zone: str
    components: tuple[Component, ...]
    published: bool


class ChangeStatusPage(Command, frozen=True):
    """Changes what is given, leaves what is None."""

    slug: str | None = None
    title: str | None = None
    description: str | None = None
    time_zone: str | None = None
    components: tuple[Component, ...] | None = None
    published: bool | None = None


class DeleteStatusPage(Command, frozen=True):
    """Takes the page away; its slug is free again."""


class StatusPageCreated(msgspec.Struct, frozen=True, tag="status-page-created"):
    """The first entry of a page."""

    page: StatusPage


class StatusPageChanged(msgspec.Struct, frozen=True, tag="status-page-changed"):
    """It is this now."""

    page: StatusPage


class StatusPageDeleted(msgspec.Struct, frozen=True, tag="status-page-deleted"):
    """It is there no more."""


StatusPageEvent = StatusPageCreated | StatusPageChanged | StatusPageDeleted


class StatusPageView(msgspec.Struct, frozen=True):
    """A page as those who keep it see it."""

    id: UUID
    slug: str
    title: str
    description: str
    time_zone: str
    components: tuple[Component, ...]
    published: bool
    version: int


class Outage(msgspec.Struct, frozen=True):
    """A component was down from an instant to another; None: it still is."""

    component: str
    began_at: datetime
    ended_at: datetime | None


class Day(msgspec.Struct, frozen=True):
    """The part of a day that a component was up, of what counts; None: nothing of it does."""

    day: date
    uptime: float | None


class PublicComponent(msgspec.Struct, frozen=True):
    """What everybody sees of a component: how it is, since when, and how its last days were, the oldest first."""

    name: str
    group: str
    status: ComponentStatus
    since: datetime | None
    uptime: float | None
    days: tuple[Day, ...]


class PublicPage(msgspec.Struct, frozen=True):
    """What everybody sees. `uptime` of components is that of all the days shown; outages come the newest first."""

    title: str
    description: str
    status: PageStatus
    updated_at: datetime
    time_zone: str
    components: tuple[PublicComponent, ...]
    outages: tuple[Outage, ...]
