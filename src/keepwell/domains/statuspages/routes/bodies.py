"""What requests about status pages carry, and the lists they get."""

from typing import Annotated

import msgspec
from msgspec import Meta

from keepwell.domains.statuspages.models import Component, StatusPageView

Line = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2_000)]


class NewStatusPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page. Everybody sees it at `/status/<clinic>/<slug>` once it is published."""

    slug: Line
    title: Line
    description: Text = ""
    time_zone: Line = "UTC"
    components: tuple[Component, ...] = ()
    published: bool = False


class StatusPageChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is given changes, the rest stays."""

    slug: Line | None = None
    title: Line | None = None
    description: Text | None = None
    time_zone: Line | None = None
    components: tuple[Component, ...] | None = None
    published: bool | None = None


class StatusPageList(msgspec.Struct, frozen=True):
    """Status pages."""

    items: list[StatusPageView]
    next: str | None
