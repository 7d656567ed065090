"""A job as people see it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Status = Literal["ready", "running", "held"]
"""It waits for its turn or its time; a worker has it; it failed for good."""


class JobView(msgspec.Struct, frozen=True):
    """A job. `key` tells it from others of its kind; `error` is the name of the class that the last attempt failed with."""

    id: UUID
    kind: str
    key: str
    status: Status
    attempts: int
    most_attempts: int
    error: str | None
    enqueued_at: datetime
    due_at: datetime


class Trouble(msgspec.Struct, frozen=True):
    """What is wrong with a clinic's jobs: how many failed for good, and for how many seconds the oldest has been due."""

    tenant: UUID
    held: int
    age: float
