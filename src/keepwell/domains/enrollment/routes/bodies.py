"""What the routes of batches take and give."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from keepwell.domains.enrollment.models import BatchView, Correction, Result, RowView
from keepwell.kernel.http import USUAL_PAGE, PageLimit


class Modes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an upload is run: tried out only; all rows or none."""

    dry_run: bool = False
    atomic: bool = False


class BatchPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which batches, and which part of the list."""

    program: UUID | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: UUID | None = None


class RowPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows: what came of them, and those after the one named by `cursor`."""

    outcome: Result | None = None
    limit: PageLimit = USUAL_PAGE
    cursor: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows to run again, and what they should have said; without either, all that did not come through."""

    rows: Annotated[list[int], Meta(max_length=10_000)] = []
    corrections: Annotated[list[Correction], Meta(max_length=10_000)] = []


class BatchList(msgspec.Struct, frozen=True):
    """Batches, the newest first."""

    items: list[BatchView]
    next: str | None


class RowList(msgspec.Struct, frozen=True):
    """Rows, in their order."""

    items: list[RowView]
    next: str | None
