"""What the document shows of this room's routes: a key from its making to its end. Its text is none that was ever given out."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.audit import AuditedEntity, AuditItem
from keepwell.domains.keys.errors import INVALID_KEY, SCOPE_NOT_HELD
from keepwell.domains.keys.models import KeyUse, KeyView, Network, Use
from keepwell.domains.keys.routes.bodies import (
    IssuedKey,
    KeyChange,
    KeyCreation,
    KeyList,
    KeyRotation,
    KeyUseList,
    LeakedToken,
)
from keepwell.domains.keys.rules.texts import ID_BYTES, compose
from keepwell.domains.keys.rules.unusual import Unusual
from keepwell.domains.keys.service import KeyActivity
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_ID, _NEXT = UUID("01994fa8-10f2-7d35-9b40-6e8c1a7d2f53"), UUID("01994fb8-4c1e-7a06-b7d2-95e3f8a1c064")
_ADMIN = UUID("01994f3c-5a11-7d30-a9c4-1e7b3f6d8a20")
_AT = datetime(2026, 9, 15, 9, 50, tzinfo=UTC)
_TOKEN = compose(bytes(ID_BYTES - 1) + b"\x01", 7)
_KEY = KeyView(
    id=_ID,
    account=_ID,
    name="Nightly import",
    scopes=("system/Questionnaire.rs", "system/QuestionnaireResponse.cru"),
    allowed_addresses=(),
    state="active",
    created_at=_AT,
    created_by=_ADMIN,
    expires_at=_AT + timedelta(days=365),
    valid_until=_AT + timedelta(days=365),
    rotated_from=None,
    rotated_to=None,
    revoked_at=None,
    revoke_reason=None,
    version=1,
)
_CHANGED = replace(_KEY, name="Import at night", version=2)
_SUCCESSOR = replace(_CHANGED, id=_NEXT, rotated_from=_ID, version=1)
_SEEN = (_AT + timedelta(minutes=10), _AT + timedelta(minutes=12))

CREATE = Example(
    KeyCreation(_KEY.name, _KEY.scopes),
    IssuedKey(_TOKEN, _KEY),
    (
        Refusal(
            INVALID_KEY, faults=(Fault("/scopes/0", "scope-syntax", "Use a SMART v2 scope such as system/Questionnaire.rs."),)
        ),
        Refusal(SCOPE_NOT_HELD, faults=(Fault("/scopes/1", "scope-not-held", "You lack it."),)),
    ),
)
PAGE = Example(answer=KeyList([_KEY], None))
SHOW = Example(answer=_KEY)
CHANGE = Example(KeyChange(name=_CHANGED.name), _CHANGED)
ROTATE = Example(KeyRotation(overlap_s=3_600), IssuedKey(_TOKEN, _SUCCESSOR))
REVOKE = Example(answer=replace(_SUCCESSOR, state="revoked", valid_until=_AT, revoked_at=_AT, revoke_reason="revoked", version=2))
UNUSED = Example(answer=KeyUseList([KeyUse(_KEY, None, 0)], None))
LEAKS = Example([LeakedToken(_TOKEN, "keepwell_api_key", "https://github.com/example/notes/blob/main/.env", "content")])
ACTIVITY = Example(
    answer=KeyActivity(
        key=_KEY,
        since=_AT,
        last_used_at=_SEEN[1],
        uses=[Use("http", "response.read", 40, *_SEEN)],
        networks=[Network("4f1c0d9a7be2836510f4a8c2d6e97b13", 40, *_SEEN)],
        unusual=[Unusual("new-operation", "first use of responses.void", _SEEN[0])],
        audit=[
            AuditItem(
                at=_SEEN[1],
                action="read",
                command=None,
                event=None,
                outcome="ok",
                entity=AuditedEntity("response", UUID("01994fa0-37b8-7d1f-9a64-4e5c8b2d0f61"), 2),
                actor=_ID,
                role="service",
                door="http",
                request_id="01994fb3-0d47-7c18-8e52-7a9f4b6c1d30",
                purpose="TREAT",
            )
        ],
        more=False,
    )
)
