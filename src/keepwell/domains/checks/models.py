"""Checks of monitors: what is asked for, what came of it, what is thought of a monitor, and what changed that."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.kernel.envelope import Command

ResultStatus = Literal["up", "down", "suspended", "missed"]
"""Of a check. `suspended`: it says nothing about the target; `missed`: it was not made."""
MonitorStatus = Literal["unknown", "up", "down"]


class Vote(msgspec.Struct, frozen=True):
    """What one region says of one instant; `pending`: it has not said anything yet."""

    at: datetime
    region: str
    status: Literal["up", "down", "suspended", "missed", "pending"]
    reason: str | None = None


class MonitorState(msgspec.Struct, frozen=True):
    """What is thought of a monitor. Every instant up to `settled_at` has been judged, and is not judged again.

    `since`: since when the status holds. `suspended`: why nothing is concluded at present. `incident`: the one of the outage that
    lasts. `changes` has a bit for each of the last twenty verdicts, the newest in the lowest: whether it was another than before.
    """

    status: MonitorStatus
    since: datetime
    settled_at: datetime
    reason: str | None = None
    suspended: str | None = None
    incident: UUID | None = None
    changes: int = 0
    flapping: bool = False


class Transition(msgspec.Struct, frozen=True):
    """What is thought of a monitor changed: its status, or whether it is judged at all (`suspended` says why not).

    `at` is the scheduled instant of the check that showed it. From 'up' or 'unknown' to 'down' an incident is opened under the
    transition's own id; the transition that ends the outage names it as `incident`.
    """

    id: UUID
    at: datetime
    before: MonitorStatus
    after: MonitorStatus
    reason: str | None
    suspended: str | None
    flapping: bool
    incident: UUID | None


class Standing(msgspec.Struct, frozen=True):
    """A monitor's state as it was loaded, with what has come in since: `revision` is compared when it is stored."""

    tenant: UUID
    monitor: UUID
    version: int
    revision: int
    state: MonitorState
    parent_down: bool
    votes: tuple[Vote, ...]


class Run(msgspec.Struct, frozen=True):
    """A check that a worker holds: its `attempt` at the target (from 1), configured by `version`; `delay`: seconds late."""

    tenant: UUID
    monitor: UUID
    scheduled_at: datetime
    region: str
    attempt: int
    version: int
    status: MonitorStatus
    delay: float


class DueBeat(msgspec.Struct, frozen=True):
    """A heartbeat to look at: a sign of life was due at `next_at`; the last one came, or it began to be watched, at `since`."""

    tenant: UUID
    monitor: UUID
    version: int
    next_at: datetime
    since: datetime


class Result(msgspec.Struct, frozen=True):
    """What came of a check. Times are in milliseconds; `code` is the status of an HTTP answer."""

    scheduled_at: datetime
    region: str
    status: ResultStatus
    reason: str | None = None
    instants: int = 1
    attempts: int = 1
    code: int | None = None
    delay_ms: float | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float | None = None


class Rollup(msgspec.Struct, frozen=True):
    """What came of the checks of a span of time that begins at `at`. Times are in milliseconds."""

    at: datetime
    checks: int
    up: int
    down: int
    suspended: int
    missed: int
    average_ms: float | None
    slowest_ms: float | None


class Stretch(msgspec.Struct, frozen=True):
    """What came of the checks of a stretch of time that begins at `at`: attempts at the target, those of them that failed, and
    how long checks took that were up, in milliseconds.
    """

    at: datetime
    attempts: int
    failed: int
    average_ms: float | None


class Settled(msgspec.Struct, frozen=True):
    """What came of a monitor's checks before `until`, which nothing will be added to. Stretches in which the monitor was down at
    any time, or was not judged, are left out, and so are those without a check.
    """

    version: int
    until: datetime
    stretches: tuple[Stretch, ...]


class StatusView(msgspec.Struct, frozen=True):
    """What is thought of a monitor now."""

    monitor: UUID
    status: MonitorStatus
    since: datetime
    reason: str | None
    suspended: str | None
    flapping: bool
    checked_at: datetime | None
    incident: UUID | None


class TransitionView(msgspec.Struct, frozen=True):
    """A change of what is thought of a monitor."""

    id: UUID
    at: datetime
    before: MonitorStatus
    after: MonitorStatus
    reason: str | None
    suspended: str | None


class DeadCheck(msgspec.Struct, frozen=True):
    """A check that could not be made, however often it was begun. `error` is the name of a class of the program."""

    scheduled_at: datetime
    region: str
    claims: int
    error: str | None


class RequestCheck(Command, frozen=True):
    """A check now, before all that is merely due."""

    monitor: UUID


class CheckRequest(msgspec.Struct, frozen=True):
    """That somebody asked for a check of a monitor, and the instant by which its results are found."""

    monitor: UUID
    requested_at: datetime


class CheckRequested(msgspec.Struct, frozen=True, tag="check-requested"):
    """Somebody asked for it."""

    monitor: UUID
    at: datetime


class CheckRequestView(msgspec.Struct, frozen=True):
    """A check that was asked for, and where its results will be."""

    id: UUID
    monitor: UUID
    scheduled_at: datetime
    results: str
