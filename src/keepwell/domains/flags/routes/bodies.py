"""What requests about feature flags carry, and what is answered."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.flags.models import Changes, Cohort, FlagView, Guard, Plan, StaleFlag, Value
from keepwell.kernel.http import USUAL_PAGE, PageLimit

Text = Annotated[str, Meta(min_length=1, max_length=255)]
ReasonText = Annotated[str, Meta(min_length=1, max_length=2_000)]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cohort: people by targeting key, which for accounts is their id, or by role."""

    subjects: tuple[Text, ...] = ()
    roles: tuple[Text, ...] = ()


class FlagSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who gets what: `on` for the cohorts and for `basis_points` of ten thousand others, `off` for the rest.

    With PUT, what is left out is as the program declares it; with PATCH it stays.
    """

    variants: dict[str, Value] | None = None
    on: str | None = None
    off: str | None = None
    basis_points: int | None = None
    cohorts: dict[str, People] | None = None
    salt: str | None = None

    def changes(self) -> Changes:
        cohorts = self.cohorts
        people = None if cohorts is None else {name: Cohort(each.subjects, each.roles) for name, each in cohorts.items()}
        return Changes(self.variants, self.on, self.off, self.basis_points, people, self.salt)


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a roll-out steps back: too large a share of at least `minimum_sample` requests that saw the flag on failed, and more
    than `maximum_ratio` times the share of those that saw it off; null: whatever that is.
    """

    maximum_error_rate: float = 0.05
    minimum_sample: int = 100
    maximum_ratio: float | None = 2.0


class RolloutPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps in basis points, each larger than the one before and held for `hold_s` seconds at least."""

    steps: tuple[int, ...]
    hold_s: int
    guard: Limits = Limits()

    def plan(self) -> Plan:
        guard = Guard(self.guard.maximum_error_rate, self.guard.minimum_sample, self.guard.maximum_ratio)
        return Plan(self.steps, self.hold_s, guard)


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: ReasonText


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to evaluate a flag for; nothing: who asks."""

    targeting_key: Text | None = None
    roles: tuple[Text, ...] = ()


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the list: `cursor` is the key that the part before ended with."""

    limit: PageLimit = USUAL_PAGE
    cursor: str | None = None


class FlagList(msgspec.Struct, frozen=True):
    """Flags, by key."""

    items: list[FlagView]
    next: str | None


class StaleFlags(msgspec.Struct, frozen=True):
    """Flags that have outlived what they were for, by key."""

    items: list[StaleFlag]
    next: str | None


class FlagChange(msgspec.Struct, frozen=True):
    """One version of a flag: who made it, how, and what happened."""

    version: int
    at: datetime
    type: str
    actor: UUID
    role: str
    door: str
    request_id: str
    event: dict[str, Any]


class FlagHistory(msgspec.Struct, frozen=True):
    """What happened, the oldest first."""

    items: list[FlagChange]
    next: str | None
