"""What the document shows of this room's routes: a run of a schedule that failed for good."""

from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.queue.models import JobView
from keepwell.domains.queue.routes.bodies import JobList
from keepwell.kernel.http import Example

_HELD = JobView(
    id=UUID("01994fb7-40a2-7b19-8d36-52e0c7f1a948"),
    kind="schedules.run",
    key="01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25-2026-11-26T01:30:00+00:00",
    status="held",
    attempts=8,
    most_attempts=8,
    error="DatabaseUnavailable",
    enqueued_at=datetime(2026, 11, 26, 1, 30, 1, tzinfo=UTC),
    due_at=datetime(2026, 11, 26, 1, 34, 10, tzinfo=UTC),
)

PAGE = Example(answer=JobList([_HELD], None))
RETRY = Example(answer=replace(_HELD, status="ready", attempts=0, due_at=datetime(2026, 11, 26, 8, 0, tzinfo=UTC)))
