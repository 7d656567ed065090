"""What the document shows of this room's routes: a clinic, its people, a session."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from keepwell.domains.identity.errors import (
    CHALLENGE_REQUIRED,
    INVALID_USER,
    LOGIN_METHOD_NOT_ALLOWED,
    SECOND_FACTOR_REQUIRED,
    UNSUITABLE_PASSWORD,
)
from keepwell.domains.identity.models import UnusedUser, UserView
from keepwell.domains.identity.routes.bodies import (
    Login,
    PasswordChange,
    Puzzle,
    Refresh,
    SessionItem,
    SessionList,
    SessionsEnded,
    UnusedUserList,
    UserChange,
    UserCreation,
    UserList,
)
from keepwell.domains.identity.rules.people import SCOPES
from keepwell.domains.identity.service import Diagnostic, LoggedIn, Me, Pair, Person, PublicKey, PublicKeys, StepHealth
from keepwell.domains.tenants import Clinic
from keepwell.kernel.http import Example
from keepwell.kernel.problems import Fault, Refusal

_CLINIC = Clinic(UUID("01994f3c-52aa-7e21-9c1b-2f6b1a7d4e10"), "demo", "Demo Clinic")
_PERSON = Person(UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4"), "clinician@demo.test", "Cleo Clinician", "clinician")
_SESSION = UUID("01994f7e-0c31-7a90-b7de-5d2f8e9a4c22")
_ACCESS = "eyJhbGciOiJFZDI1NTE5IiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJrZWVwd2VsbCJ9.c2lnbmF0dXJl"
_REFRESH = "kwr_AQGZTzxSqn4hnBsvaxp9ThABmU98DDF6kLfeXS-OmkwiAZlPPFsHfGaPDZHSoMaz9AAAAAA"
_NEW_PASSWORD = "correct horse battery staple"  # noqa: S105 - everybody knows it
_USER = UserView(
    UUID("01994f81-7d15-7f4e-a3c8-0b9d6e2f5a77"),
    "new.nurse@clinic.example",
    "New Nurse",
    "clinician",
    True,  # noqa: FBT003 - a field's value
    datetime(2026, 9, 15, 8, 0, tzinfo=UTC),
    1,
)

_PUZZLE: dict[str, Any] = {
    "parameters": {
        "algorithm": "SHA-256",
        "cost": 1,
        "keyLength": 32,
        "keyPrefix": "3a7bd3e2360a3d29eea436fcfb7e44c7",
        "nonce": "8f14e45fceea167a5a36dedd4bea2543",
        "salt": "c9f0f895fb98ab9159f51fd0297e236d",
        "data": {"work": 20_000, "until": 1_789_459_200},
    },
    "signature": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
}
CHALLENGE = Example(answer=Puzzle(_PUZZLE))
HELD_UP = Refusal(CHALLENGE_REQUIRED, extra={"challenge": _PUZZLE}, retry_after=1)
PASSWORD = Example(body=PasswordChange(_NEW_PASSWORD, "a longer way to say good morning"))
LOGIN = Example(
    body=Login(_PERSON.email, "keepwell-demo-pass"),
    answer=LoggedIn(
        access_token=_ACCESS,
        expires_in=585,
        refresh_token=_REFRESH,
        session_id=_SESSION,
        clinic=_CLINIC,
        user=_PERSON,
    ),
    problems=(
        HELD_UP,
        Refusal(
            SECOND_FACTOR_REQUIRED,
            extra={"challenge": "kwt_3q2-7wAAAAAA", "methods": ["totp", "recovery-code"], "enrol": False},
        ),
        Refusal(LOGIN_METHOD_NOT_ALLOWED, extra={"methods": ["passkey"]}),
    ),
)
PUBLIC_KEYS = Example(answer=PublicKeys([PublicKey("u8f0cXv1mJt9fD2a", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]))
REFRESH = Example(
    body=Refresh(_REFRESH),
    answer=Pair(access_token=_ACCESS, expires_in=592, refresh_token=_REFRESH, session_id=_SESSION),
)
SESSIONS = Example(
    answer=SessionList(
        [
            SessionItem(
                _SESSION,
                datetime(2026, 9, 15, 8, 0, tzinfo=UTC),
                datetime(2026, 9, 15, 8, 9, 45, tzinfo=UTC),
                datetime(2026, 9, 15, 9, 9, 45, tzinfo=UTC),
                True,  # noqa: FBT003 - a field's value
                ["password"],
            )
        ],
        None,
    )
)
ENDED = Example(answer=SessionsEnded(1))
ME = Example(answer=Me(_PERSON, _CLINIC, _PERSON.role, SCOPES["clinician"], _SESSION))
DIAGNOSTIC = Example(
    answer=Diagnostic(
        True,  # noqa: FBT003 - a field's value
        (
            StepHealth("database", ok=True, took_ms=1.2),
            StepHealth("clinic-directory", ok=True, took_ms=1.4),
            StepHealth("hashing", ok=True, took_ms=0.0),
            StepHealth("signing-key", ok=True, took_ms=0.1),
            StepHealth("session-store", ok=True, took_ms=1.3),
        ),
    )
)
CREATE = Example(
    UserCreation(_USER.email, _USER.name, _USER.role, _NEW_PASSWORD),
    _USER,
    (
        Refusal(INVALID_USER, faults=(Fault("/email", "email-syntax", "Use an address like name@example.org."),)),
        Refusal(UNSUITABLE_PASSWORD, faults=(Fault("/password", "password-too-short", "Use at least 15 characters."),)),
    ),
)
SHOW = Example(answer=_USER)
PAGE = Example(answer=UserList([_USER], None))
UNUSED = Example(answer=UnusedUserList([UnusedUser(_USER, None)], None))
CHANGE = Example(
    body=UserChange(name="Head Nurse"),
    answer=UserView(_USER.id, _USER.email, "Head Nurse", _USER.role, _USER.active, _USER.created_at, 2),
)
