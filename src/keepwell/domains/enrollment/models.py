"""The nouns of this room: a batch, the parts it is run in, and what came of each row.

Rows are not aggregates: a part holds what came of up to `PART_ROWS` of them, and the participants' own journals hold the rest.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.domains.programs import Period
from keepwell.domains.uploads import Mapping
from keepwell.kernel.envelope import Command

Status = Literal["queued", "running", "paused", "completed", "failed", "cancelled", "rolled-back"]
Task = Literal["enroll", "roll-back"]
Result = Literal["enrolled", "unchanged", "updated", "conflict", "refused", "dead"]
Phase = Literal["rehearsal", "run"]
"""A rehearsal comes before the run of an atomic batch; what counts is the run."""

PART_ROWS = 500


class Uploader(msgspec.Struct, frozen=True):
    """On whose behalf rows are run: who uploaded them, with the permissions of that moment."""

    id: UUID
    role: str
    scopes: tuple[str, ...]


class Batch(msgspec.Struct, frozen=True):
    """An upload on its way. `period` is the program's as it was when the upload was received, at the instant that counts for all
    of its rows. `total` are its rows, of which `left` were changed since when it was rolled back. `ends` is the status that what
    is done to it leads to. `upload_gone`: what was uploaded is no longer kept.
    """

    id: UUID
    program: UUID
    period: Period
    mapping: Mapping
    uploader: Uploader
    received_at: datetime
    total: int
    digest: str
    dry_run: bool = False
    atomic: bool = False
    status: Status = "queued"
    task: Task = "enroll"
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    left: int = 0
    ends: Status = "completed"
    upload_gone: bool = False

    @property
    def parts(self) -> int:
        """How many parts it has."""
        return -(-self.total // PART_ROWS)


class RowOutcome(msgspec.Struct, frozen=True, array_like=True):
    """What came of one row. `content` tells rows apart that speak of the same person. `reason` is a stable code."""

    row: int
    result: Result
    reason: str | None = None
    participant: UUID | None = None
    content: int = 0
    attempts: int = 1


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What columns of a row should have said."""

    row: int
    values: dict[str, str]


class Part(msgspec.Struct, frozen=True):
    """A run of rows of one batch, and what came of those that were run. `corrections` are read over what was uploaded;
    `reopened` are rows, and how often each had been tried before.
    """

    id: UUID
    batch: UUID
    phase: Phase
    number: int
    size: int
    rows: tuple[RowOutcome, ...] = ()
    corrections: tuple[Correction, ...] = ()
    reopened: tuple[tuple[int, int], ...] = ()
    undone: tuple[int, ...] = ()
    left: tuple[int, ...] = ()


# -- commands ---------------------------------------------------------------------------------------------------------


class CreateBatch(Command, frozen=True):
    """Takes an upload whose pieces are stored."""

    program: UUID
    period: Period
    mapping: Mapping
    total: int
    digest: str
    dry_run: bool = False
    atomic: bool = False


class StartBatch(Command, frozen=True):
    """Says that somebody works on it."""


class PauseBatch(Command, frozen=True):
    """Stops it after the parts it is in."""


class ResumeBatch(Command, frozen=True):
    """Goes on with it."""


class CancelBatch(Command, frozen=True):
    """Stops it for good; what is done stays, and can be rolled back."""


class RollBackBatch(Command, frozen=True):
    """Takes back what it did. What is not all there of an atomic one is taken back while it runs, and then `failed`."""

    failed: bool = False


class ReopenBatch(Command, frozen=True):
    """Has some of its rows run again."""


class ForgetUpload(Command, frozen=True):
    """Lets what was uploaded be dropped, of a batch that ended before an instant."""

    before: datetime


class FinishBatch(Command, frozen=True):
    """Ends what is being done to it."""

    status: Status
    reason: str | None = None
    left: int = 0


class RecordRows(Command, frozen=True):
    """Writes down what came of rows of a part."""

    batch: UUID
    phase: Phase
    number: int
    size: int
    rows: tuple[RowOutcome, ...]


class ReopenRows(Command, frozen=True):
    """Forgets what came of rows, so that they are run again, as corrected."""

    rows: tuple[int, ...]
    corrections: tuple[Correction, ...] = ()


class RecordUndone(Command, frozen=True):
    """Writes down which rows were taken back, and which were left because somebody had spoken since."""

    undone: tuple[int, ...]
    left: tuple[int, ...] = ()


# -- events -----------------------------------------------------------------------------------------------------------


class BatchReceived(msgspec.Struct, frozen=True, tag="received", omit_defaults=True):
    """An upload was taken."""

    batch: Batch


class BatchMoved(msgspec.Struct, frozen=True, tag="moved", omit_defaults=True):
    """It came into another status. `task` is what is done in it, `at` since when, `ends` the status that leads to."""

    status: Status
    task: Task
    at: datetime
    reason: str | None = None
    left: int = 0
    ends: Status = "completed"


class UploadForgotten(msgspec.Struct, frozen=True, tag="upload-forgotten"):
    """What was uploaded is dropped from then on; what came of it stays."""

    at: datetime


BatchEvent = BatchReceived | BatchMoved | UploadForgotten


class RowsRecorded(msgspec.Struct, frozen=True, tag="recorded"):
    """What came of rows."""

    id: UUID
    batch: UUID
    phase: Phase
    number: int
    size: int
    rows: tuple[RowOutcome, ...]


class RowsReopened(msgspec.Struct, frozen=True, tag="reopened"):
    """Rows are to be run again."""

    rows: tuple[int, ...]
    corrections: tuple[Correction, ...] = ()


class RowsUndone(msgspec.Struct, frozen=True, tag="undone"):
    """Rows were taken back, or left."""

    undone: tuple[int, ...]
    left: tuple[int, ...] = ()


PartEvent = RowsRecorded | RowsReopened | RowsUndone


# -- what callers see -------------------------------------------------------------------------------------------------


class Counts(msgspec.Struct, frozen=True):
    """How many rows there are, and how many came to what so far."""

    total: int
    enrolled: int = 0
    unchanged: int = 0
    updated: int = 0
    conflict: int = 0
    refused: int = 0
    dead: int = 0

    @property
    def done(self) -> int:
        """Rows of which something came."""
        return self.enrolled + self.unchanged + self.updated + self.conflict + self.refused + self.dead


class BatchState(msgspec.Struct, frozen=True):
    """A batch without its rows."""

    id: UUID
    program: UUID
    status: Status
    dry_run: bool
    atomic: bool
    received_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    reason: str | None
    left: int


class BatchView(msgspec.Struct, frozen=True):
    """A batch as callers see it. `rate` is in rows a second since it started; `stalled`: it should move, and does not.

    After a rollback `left` rows stand as they were, because somebody had changed the person since.
    """

    id: UUID
    program: UUID
    status: Status
    dry_run: bool
    atomic: bool
    rows: Counts
    received_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    reason: str | None
    left: int
    rate: float | None
    estimated_end: datetime | None
    stalled: bool


class RowContent(msgspec.Struct, frozen=True):
    """One row with what its columns say: as they were uploaded, and corrected since. Without `outcome` it was not run yet;
    `values` None: what was uploaded is no longer kept.
    """

    row: int
    outcome: Result | None
    reason: str | None
    participant: UUID | None
    attempts: int
    values: dict[str, str] | None


class RowView(msgspec.Struct, frozen=True):
    """What came of one row; `row` counts from 1."""

    row: int
    outcome: Result
    reason: str | None
    participant: UUID | None
    attempts: int
