"""What the document shows of this room's routes: one person, registered as a FHIR Patient."""

from datetime import UTC, datetime
from uuid import UUID

from msgspec import structs

from keepwell.domains.participants.models import ParticipantView
from keepwell.domains.participants.routes.bodies import Merging, ParticipantHistory, ParticipantList, Unmerging
from keepwell.domains.participants.service import ParticipantHistoryItem
from keepwell.kernel.http import Example

_ELEMENTS = {
    "identifier": [{"system": "urn:keepwell:external-id", "value": "E-7"}],
    "name": [{"family": "Doe", "given": ["Ann"]}],
    "birthDate": "1970-05",
}
_SEEN = ParticipantView(
    id=UUID("6b1f0c9e-4d27-8a53-b7e8-0f5c2d9a3e14"),
    external_id="E-7",
    program=None,
    given_name="Ann",
    family_name="Doe",
    birth_date="1970-05",
    email=None,
    phone=None,
    time_zone=None,
    attributes={},
    version=2,
    created_at=datetime(2026, 9, 15, 20, 0, tzinfo=UTC),
    updated_at=datetime(2026, 9, 15, 20, 2, 10, tzinfo=UTC),
    responses="/v1/responses?subject=Patient/6b1f0c9e-4d27-8a53-b7e8-0f5c2d9a3e14",
    elements=_ELEMENTS,
)
_CHANGE = ParticipantHistoryItem(
    version=2,
    at=_SEEN.updated_at,
    type="changed",
    actor=UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"),
    role="clinician",
    door="fhir",
    request_id="01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25",
    changes={"birth_date": "1970-05", "elements": _ELEMENTS},
)

_OTHER = UUID("2d90b3a7-6c41-8e58-9b10-7f3e5d1c8a26")

MERGE = Example(
    body=Merging(_OTHER, "The same person, enrolled twice."), answer=structs.replace(_SEEN, version=3, merged_into=_OTHER)
)
UNMERGE = Example(body=Unmerging("They are twins."), answer=structs.replace(_SEEN, version=4))
SHOW = Example(answer=_SEEN)
PAGE = Example(answer=ParticipantList([_SEEN], None))
HISTORY = Example(answer=ParticipantHistory([_CHANGE], None))
