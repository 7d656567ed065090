"""Enrollment: files of people become participants of a program, row by row or all or none, tried out first by the same path."""

from keepwell.domains.enrollment.models import Batch, BatchEvent, Part, PartEvent
from keepwell.domains.enrollment.rules import batches, parts
from keepwell.domains.enrollment.service import BATCH, PART, RESOURCE, EnrollmentService, EnrollmentSettings
from keepwell.domains.enrollment.service.retention import Retention
from keepwell.domains.enrollment.service.watching import StallWatch
from keepwell.domains.enrollment.store import BATCH_LOOKUP, PART_LOOKUP
from keepwell.kernel.aggregate import Aggregate, CommandType
from keepwell.kernel.permissions import Permission

_CREATE, _UPDATE = Permission(RESOURCE, "c"), Permission(RESOURCE, "u")

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind=BATCH,
        resource=RESOURCE,
        state=Batch,
        event=BatchEvent,
        evolve=batches.evolve,
        view=batches.view,
        commands=tuple(
            CommandType(f"enrollment.{name}", type_, _CREATE if creates else _UPDATE, decide, creates=creates, guarded=False)
            for name, type_, decide, creates in batches.COMMANDS
        ),
        lookup=BATCH_LOOKUP,
    ),
    Aggregate(
        kind=PART,
        resource=RESOURCE,
        state=Part,
        event=PartEvent,
        evolve=parts.evolve,
        view=parts.view,
        commands=tuple(
            CommandType(f"enrollment.{name}", type_, _UPDATE, decide, begins=begins, guarded=False)
            for name, type_, decide, begins in parts.COMMANDS
        ),
        lookup=PART_LOOKUP,
    ),
)
"""Kinds `batch` and `batch-part`."""

__all__ = ["AGGREGATES", "EnrollmentService", "EnrollmentSettings", "Retention", "StallWatch"]
