"""What requests about checks ask for, and what they get."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.checks.models import DeadCheck, Result, Rollup, TransitionView
from keepwell.kernel.http import USUAL_PAGE, PageLimit

Instant = Annotated[datetime, Meta(tz=True)]
Percent = Annotated[float, Meta(ge=0, lt=100)]


class ResultQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which results: of instants `from` (a day ago) `to` (now); or `by` minute, hour or day what came of all in each."""

    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = msgspec.field(default=None, name="to")
    by: Literal["minute", "hour", "day"] | None = None
    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


class TransitionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which changes: from `from` (thirty days ago) to `to` (now)."""

    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = msgspec.field(default=None, name="to")
    limit: PageLimit = USUAL_PAGE
    cursor: Instant | None = None


class UptimeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Over which time: a `window` up to now, such as `24h`, or `from` one instant `to` another; `objective` in percent."""

    window: Annotated[str, Meta(max_length=12)] | None = None
    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = msgspec.field(default=None, name="to")
    objective: Percent = 99.9


class ResultList(msgspec.Struct, frozen=True):
    """Results, the newest first; where they were asked for by minute, hour or day, `rollups` instead."""

    items: list[Result]
    rollups: list[Rollup]
    next: str | None


class TransitionList(msgspec.Struct, frozen=True):
    """Changes of what is thought of a monitor, the newest first."""

    items: list[TransitionView]
    next: str | None


class DeadCheckList(msgspec.Struct, frozen=True):
    """Checks that could not be made, the oldest first."""

    items: list[DeadCheck]
    next: str | None


class ErrorBudget(msgspec.Struct, frozen=True):
    """What the objective (in percent) allows: seconds down, those that were, what is left, and which part is gone."""

    objective: float
    allowed_s: float
    spent_s: float
    left_s: float
    consumed: float | None


class UptimeView(msgspec.Struct, frozen=True):
    """How a monitor fared. `uptime` is the part of `up_s` in `up_s + down_s`, null where there is neither: maintenance and what
    is not known count neither way. `checks` and `missed` count whole hours.
    """

    monitor: UUID
    window: str | None
    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    uptime: float | None
    up_s: float
    down_s: float
    maintenance_s: float
    unknown_s: float
    outages: int
    checks: int
    missed: int
    error_budget: ErrorBudget
