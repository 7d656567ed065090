"""What is set for a detector, what it says of a value, and what becomes of that: series of monitors, and their anomalies."""

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

Measure = Literal["latency", "errors"]
"""Of a monitor: how long its checks took that were up, in milliseconds; and which part of the attempts failed, from 0 to 1."""


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


class Anomaly(msgspec.Struct, frozen=True):
    """A stretch of time in which a series was not as usual: from `at`, and until `ended_at` where it is over. `incident`: an
    incident was opened under the same id, or is about to be.
    """

    id: UUID
    measure: Measure
    at: datetime
    ended_at: datetime | None
    score: float
    habit: Habit
    now: float
    usual: float
    ratio: float | None
    explanation: str
    incident: bool = False


class Value(msgspec.Struct, frozen=True):
    """A value of a series: its instant, what the clinic's clock shows then, and what was usual."""

    at: datetime
    local: datetime
    value: float
    usual: float


class Course(msgspec.Struct, frozen=True):
    """What a series does now: its last values, and the anomaly that lasts. `alarmed_at`: the last alarm of it; `evident`: it was
    clear that there was more than usual. No incident is opened before `rests_until`.
    """

    lately: tuple[Value, ...] = ()
    anomaly: Anomaly | None = None
    alarmed_at: datetime | None = None
    evident: bool = False
    rests_until: datetime | None = None


class AnomalyView(msgspec.Struct, frozen=True):
    """An anomaly as callers see it. `latency` is in milliseconds, `errors` the part of attempts that failed."""

    id: UUID
    measure: Measure
    at: datetime
    ended_at: datetime | None
    score: float
    now: float
    usual: float
    ratio: float | None
    explanation: str
    incident: UUID | None
