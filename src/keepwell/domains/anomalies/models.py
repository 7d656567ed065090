"""What is set for a detector, and what it says of a value."""

from enum import StrEnum

import msgspec


class Sense(msgspec.Struct, frozen=True):
    """How a detector listens. These values were chosen on NAB's files; docs/anomalies.md tells how."""

    learning: int = 300
    """Values by which it learns the scale before it judges."""
    settling: int = 100
    """Values after that by which it learns how surprising the usual ones are."""
    recent: int = 20
    """Surprises are judged by the mean of so many."""
    memory: float = 1500.0
    """Values after which what was usual counts half."""
    calm: float = 150.0
    """Values after which an alarm has lost half of its dampening."""
    dampening: float = 2.0
    """How much a full alarm divides what follows, less one."""
    threshold: float = 2.6
    """From here a score is an alarm; about the negative decimal logarithm of how likely it is."""


class Habit(StrEnum):
    """What a value is compared with."""

    LEVELS = "levels"
    SEQUENCE = "sequence"
    HOURS = "hours"
    RANGE = "range"


class Alarm(msgspec.Struct, frozen=True):
    """Why a value is an anomaly: which habit is broken, and how what comes now compares with the usual for the hour."""

    habit: Habit
    now: float
    usual: float
    ratio: float | None
    explanation: str


class Reading(msgspec.Struct, frozen=True):
    """What a detector says of one value; `alarm` from the threshold on."""

    score: float
    alarm: Alarm | None = None
