"""What the document shows of this room's routes: emergency access from its beginning to its review."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.access.errors import INVALID_EMERGENCY
from keepwell.domains.access.models import EmergencyView, Review
from keepwell.domains.access.routes.bodies import EmergencyGranted, EmergencyList, EmergencyRequest, ReviewRequest
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_ACCESS = "eyJhbGciOiJFZDI1NTE5IiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJrZWVwd2VsbCJ9.c2lnbmF0dXJl"
_REFRESH = "kwr_AQGZTzxSqn4hnBsvaxp9ThABmVIee0F9AopXLG-bHj2EAZlPPFsHfGaPDZHSoMaz9AAAAAA"
_AT = datetime(2026, 9, 15, 22, 10, tzinfo=UTC)
_ADMIN = UUID("01994f3c-5a11-7d30-a9c4-1e7b3f6d8a20")
_VIEW = EmergencyView(
    id=UUID("0199521e-7b40-7c19-9f63-5a8d0e2c4b71"),
    user=UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"),
    role="clinician",
    reason="Unconscious patient, nobody else is reachable",
    purpose="ETREAT",
    patient=None,
    session_id=UUID("0199521e-7b41-7d02-8a57-2c6f9b1e3d84"),
    started_at=_AT,
    expires_at=_AT + timedelta(minutes=30),
    ended_at=None,
    end_reason=None,
    reviewed=False,
    review=None,
    version=1,
)
_ENDED = replace(_VIEW, ended_at=_AT + timedelta(minutes=20), end_reason="ended", version=2)
_REVIEW = Review(True, "Looked up who had seen the record before. Justified.", _ADMIN, _AT + timedelta(hours=10))  # noqa: FBT003 - a field's value
_REVIEWED = replace(_ENDED, reviewed=True, review=_REVIEW, version=3)

START = Example(
    EmergencyRequest(_VIEW.reason),
    EmergencyGranted(
        access_token=_ACCESS,
        expires_in=585,
        refresh_token=_REFRESH,
        session_id=_VIEW.session_id,
        break_glass=_VIEW,
    ),
    (Refusal(INVALID_EMERGENCY, faults=(Fault("/minutes", "range", "Ask for 1 to 60 minutes."),)),),
)
PAGE = Example(answer=EmergencyList([_REVIEWED], None))
SHOW = Example(answer=_REVIEWED)
END = Example(answer=_ENDED)
REVIEW = Example(ReviewRequest(_REVIEW.finding), _REVIEWED)
