"""The nouns of this room: flags as the program declares them, as a clinic has set them, and as they are evaluated.

The shape is OpenFeature's: a flag has a key, typed values under names (variants), and is evaluated for a context with a
targeting key; what comes out says which variant it was, and why.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

Value = Any
"""A JSON value of the flag's type."""

FlagType = Literal["boolean", "string", "integer", "number", "object"]
Reason = Literal["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR"]
RolloutStatus = Literal["running", "stepped-back", "completed", "stopped"]
WHOLE = 10_000
"""All of them, in basis points."""


class Declaration(msgspec.Struct, frozen=True):
    """A flag the program knows. `on` and `off` name the variants for who is in and who is not; `default` is one of them, and what
    counts where a clinic has set nothing. A `kill_switch` is meant to stay for ever; other flags go when they are everywhere on.
    """

    key: str
    type: FlagType
    description: str
    owner: str
    declared: date
    variants: Mapping[str, Value]
    default: str
    on: str = "on"
    off: str = "off"
    kill_switch: bool = False


def switch(key: str, description: str, *, owner: str, declared: date, default: bool, kill_switch: bool = False) -> Declaration:
    """A flag that is either on or off."""
    variants = {"on": True, "off": False}
    chosen = "on" if default else "off"
    return Declaration(key, "boolean", description, owner, declared, variants, chosen, kill_switch=kill_switch)


# -- what a clinic has set --------------------------------------------------------------------------------------------


class Cohort(msgspec.Struct, frozen=True):
    """People who are in whatever the percentage: by targeting key, or by role."""

    subjects: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Setup(msgspec.Struct, frozen=True):
    """Who gets what: `on` for the cohorts and for `basis_points` of ten thousand others, `off` for the rest.

    Whether somebody is among them follows from key, salt and targeting key alone: more basis points only add people.
    """

    variants: dict[str, Value]
    on: str
    off: str
    basis_points: int
    cohorts: dict[str, Cohort] = {}
    salt: str = ""


class Changes(msgspec.Struct, frozen=True):
    """What of a setup is to be changed; None stays."""

    variants: dict[str, Value] | None = None
    on: str | None = None
    off: str | None = None
    basis_points: int | None = None
    cohorts: dict[str, Cohort] | None = None
    salt: str | None = None


class Guard(msgspec.Struct, frozen=True):
    """What a roll-out must not exceed: the share of requests that failed among those that saw the flag on.

    It is judged once `minimum_sample` requests did. The flag is blamed when, besides, it is more than `maximum_ratio` times the
    share among those that saw it off, where these are as many; None: blamed whatever the others suffer.
    """

    maximum_error_rate: float = 0.05
    minimum_sample: int = 100
    maximum_ratio: float | None = 2.0


class Plan(msgspec.Struct, frozen=True):
    """A roll-out in steps of basis points, each held for so many seconds at least."""

    steps: tuple[int, ...]
    hold_s: int
    guard: Guard = Guard()


class Numbers(msgspec.Struct, frozen=True):
    """Requests since a step began that saw the flag on, and off, and how many of them failed."""

    on: int = 0
    on_errors: int = 0
    off: int = 0
    off_errors: int = 0


class Rollout(msgspec.Struct, frozen=True):
    """A roll-out. `step` counts from 0; -1: stepped back from the first. `since` is when the step began."""

    plan: Plan
    step: int
    since: datetime
    status: RolloutStatus = "running"


class Flag(msgspec.Struct, frozen=True):
    """A flag as a clinic has set it. `enabled` False: killed, everybody gets `off`."""

    key: str
    setup: Setup
    enabled: bool = True
    rollout: Rollout | None = None


# -- commands ---------------------------------------------------------------------------------------------------------
# `base` is the setup that counts where nothing was set yet; `type` what values must be.


class SetFlag(Command, frozen=True):
    """Sets all of a flag."""

    key: str
    type: FlagType
    setup: Setup


class ChangeFlag(Command, frozen=True):
    """Changes what it names."""

    key: str
    type: FlagType
    base: Setup
    changes: Changes


class KillFlag(Command, frozen=True):
    """Turns a flag off for everybody, at once; a roll-out under way is over."""

    key: str
    base: Setup
    reason: str


class RestoreFlag(Command, frozen=True):
    """Takes a kill back: the flag is what it was set to."""

    key: str
    base: Setup
    reason: str


class StartRollout(Command, frozen=True):
    """Begins a roll-out at the first step of its plan."""

    key: str
    base: Setup
    plan: Plan


class StopRollout(Command, frozen=True):
    """Ends a roll-out where it is."""

    reason: str


class StepRollout(Command, frozen=True):
    """Shows how requests fared since the step began; the roll-out goes on, back, or stays."""

    numbers: Numbers


# -- events -----------------------------------------------------------------------------------------------------------


class FlagSet(msgspec.Struct, frozen=True, tag="set"):
    """This is who gets what from now on."""

    key: str
    setup: Setup


class FlagKilled(msgspec.Struct, frozen=True, tag="killed"):
    """Everybody gets `off`."""

    reason: str


class FlagRestored(msgspec.Struct, frozen=True, tag="restored"):
    """What was set counts again."""

    reason: str


class RolloutStarted(msgspec.Struct, frozen=True, tag="rollout-started"):
    """A roll-out began."""

    plan: Plan
    at: datetime


class RolloutAdvanced(msgspec.Struct, frozen=True, tag="rollout-advanced"):
    """The step before was held long enough, in health: these are its numbers."""

    step: int
    at: datetime
    numbers: Numbers


class RolloutCompleted(msgspec.Struct, frozen=True, tag="rollout-completed"):
    """The last step was held long enough, in health."""

    at: datetime
    numbers: Numbers


class RolloutSteppedBack(msgspec.Struct, frozen=True, tag="rollout-stepped-back"):
    """Too many requests failed that saw the flag on. `step` is the one it went back to; -1: off."""

    step: int
    at: datetime
    numbers: Numbers


class RolloutStopped(msgspec.Struct, frozen=True, tag="rollout-stopped"):
    """Somebody ended the roll-out."""

    reason: str


FlagEvent = (
    FlagSet
    | FlagKilled
    | FlagRestored
    | RolloutStarted
    | RolloutAdvanced
    | RolloutCompleted
    | RolloutSteppedBack
    | RolloutStopped
)


# -- what others see --------------------------------------------------------------------------------------------------


class StoredFlag(msgspec.Struct, frozen=True):
    """A flag as stored, as the command path shows it."""

    key: str
    version: int
    enabled: bool
    variants: dict[str, Value]
    on: str
    off: str
    basis_points: int
    cohorts: dict[str, Cohort]
    salt: str
    rollout: Rollout | None
    updated_at: datetime | None


class Declared(msgspec.Struct, frozen=True):
    """What the program says of a flag."""

    type: FlagType
    description: str
    owner: str
    since: date
    default: Value
    kill_switch: bool


class FlagView(StoredFlag, frozen=True):
    """A flag as administrators see it. At version 0 nothing was set. `declared` is null where the program knows it no more."""

    declared: Declared | None


class Asked(msgspec.Struct, frozen=True):
    """For whom a flag is evaluated: a clinic, who in it, and in which roles."""

    tenant: UUID
    targeting_key: str | None
    roles: tuple[str, ...] = ()


class StaleFlag(msgspec.Struct, frozen=True):
    """A flag that wants attention, and why: `decided`, everybody has long been getting the same; `never-evaluated`, nobody has
    asked for long; `not-declared`, the program does not know it any more.
    """

    key: str
    reasons: tuple[str, ...]
    owner: str | None
    declared: date | None
    set_at: datetime | None
    last_evaluated_at: datetime | None


class Evaluation(msgspec.Struct, frozen=True):
    """What a flag is for somebody, and why. `error_code` is OpenFeature's; `metadata` is about the flag itself."""

    key: str
    value: Value
    variant: str
    reason: Reason
    error_code: str | None = None
    metadata: dict[str, str | int | bool] = {}
