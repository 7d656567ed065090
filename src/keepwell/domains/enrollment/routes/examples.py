"""What the document shows of this room's routes: three people, one of whose birth dates cannot be read."""

from datetime import UTC, datetime
from uuid import UUID

from keepwell.domains.enrollment.models import BatchView, Correction, Counts, RowContent, RowView
from keepwell.domains.enrollment.routes.bodies import BatchList, Retry, RowList
from keepwell.kernel.http import Example

_UPLOAD = (
    "external_id,given_name,family_name,birth_date\nE-1,Ann,Doe,1970-05-17\nE-2,Bob,Roe,1981-11-02\nE-3,Cal,Poe,31.01.1990\n"
)
_AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
_SEEN = BatchView(
    id=UUID("01994fb3-1c52-7e44-9a0d-5b8e2f6c7d18"),
    program=UUID("01994fb2-6a1d-7c30-8b52-0e7f4a9c1d63"),
    status="completed",
    dry_run=False,
    atomic=False,
    rows=Counts(3, enrolled=2, dead=1),
    received_at=_AT,
    started_at=_AT,
    finished_at=_AT,
    reason=None,
    left=0,
    rate=3000.0,
    estimated_end=None,
    stalled=False,
)
_ROW = RowView(1, "enrolled", None, UUID("6b1f0c9e-4d27-8a53-b7e8-0f5c2d9a3e14"), 1)
_REPORT = "row,outcome,reason,participant,attempts\n1,enrolled,,6b1f0c9e-4d27-8a53-b7e8-0f5c2d9a3e14,1\n"
_EVENT = (
    'event: progress\ndata: {"id":"01994fb3-1c52-7e44-9a0d-5b8e2f6c7d18","status":"running","rows":{"total":3,"enrolled":1}}\n\n'
)

UPLOAD = Example(body=_UPLOAD, answer=_SEEN)
SHOW = Example(answer=_SEEN)
PAGE = Example(answer=BatchList([_SEEN], None))
_DEAD = {"external_id": "E-3", "given_name": "Cal", "family_name": "Poe", "birth_date": "31.01.1990"}
ROW = Example(answer=RowContent(3, "dead", "invalid-birth-date", None, 1, _DEAD))
ROWS = Example(answer=RowList([_ROW], None))
RETRY = Example(body=Retry([3], [Correction(3, {"birth_date": "1990-01-31"})]), answer=_SEEN)
REPORT = Example(answer=_REPORT)
EVENTS = Example(answer=_EVENT)
