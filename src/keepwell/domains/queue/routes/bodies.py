"""What asks for jobs, and the list it gets."""

import msgspec

from keepwell.domains.queue.models import JobView, Status
from keepwell.kernel.http import Part


class JobPart(Part, frozen=True):
    """As `Part`; in which status, if in one only."""

    status: Status | None = None


class JobList(msgspec.Struct, frozen=True):
    """Jobs, the newest first."""

    items: list[JobView]
    next: str | None
