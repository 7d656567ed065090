"""What may happen to an account, how addresses and passwords must look, and which scopes a role carries."""

import re
from collections.abc import Mapping
from datetime import datetime
from unicodedata import normalize
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.identity.errors import INVALID_USER, OWN_ACCOUNT
from keepwell.domains.identity.models import (
    ChangeUser,
    CreateUser,
    PasswordSet,
    Role,
    SetPassword,
    User,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    UserRenamed,
    UserRoleChanged,
    UserView,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import CONFLICT, Fault, Refusal

SCOPES: Mapping[Role, tuple[str, ...]] = {
    "admin": ("user/*.cruds",),
    "clinician": (
        "user/BreakGlass.cd",
        "user/Batch.crus",
        "user/Factor.ru",
        "user/Organization.r",
        "user/Patient.crus",
        "user/Program.crus",
        "user/Questionnaire.crus",
        "user/QuestionnaireResponse.crus",
        "user/Session.ruds",
        "user/User.r",
    ),
    "patient": (
        "patient/QuestionnaireResponse.crus",
        "patient/User.r",
        "user/Factor.ru",
        "user/Organization.r",
        "user/Questionnaire.rs",
        "user/Session.ruds",
    ),
}
"""What each role may do in its clinic. A command on sessions or factors is held to the
person's own by its decision besides."""

EMERGENCY_SCOPES: Mapping[Role, tuple[str, ...]] = {
    "admin": (),
    "clinician": ("user/AuditEvent.rs", "user/Incident.rs", "user/User.rs"),
    "patient": (),
}
"""What emergency access adds for its time: looking at more, never changing more. A clinician sees who saw and did what, what is
wrong with the system, and whom else there is to turn to.
"""
EMERGENCY_PURPOSE = "ETREAT"
"""HL7 v3 ActReason: emergency treatment."""

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]+")
_EMAIL_LIMIT = 254
_NAME_LIMIT = 200


def compartment(user: UUID, role: Role) -> str | None:
    """The FHIR reference of the person's own compartment; only patients have one."""
    return f"Patient/{user}" if role == "patient" else None


def tidy_email(text: str) -> str:
    """The form in which an address is kept and written to: NFC, trimmed."""
    return normalize("NFC", text).strip()


def normal_email(text: str) -> str:
    """The form of an address under which an account is found: tidy and casefolded.

    Local parts may differ by case by RFC 5321, 2.4, yet no provider of note tells them apart and people do not either.
    """
    folded = normalize("NFC", tidy_email(text).casefold())
    return normalize("NFC", folded.casefold())


def _name_fault(name: str) -> Fault | None:
    if 0 < len(name.strip()) <= _NAME_LIMIT and name.isprintable():
        return None
    return Fault("/name", "name-length", f"Use 1 to {_NAME_LIMIT} printable characters.")


def decide_create(_state: User | None, command: CreateUser, context: Context) -> Decision:
    """An account begins active; without a password nobody can log in to it yet."""
    faults = [fault for fault in (_name_fault(command.name),) if fault]
    if len(command.email) > _EMAIL_LIMIT or not _EMAIL.fullmatch(command.email):
        faults.append(Fault("/email", "email-syntax", "Use an address like name@example.org."))
    if faults:
        return Refusal(INVALID_USER, faults=tuple(faults))
    name = normalize("NFC", command.name.strip())
    created = UserCreated(command.id, command.email, command.email_index, name, command.role, context.now, command.password_hash)
    return (created,)


def makes_an_administrator(command: CreateUser) -> bool:
    """Whether the new account may do everything."""
    return command.role == "admin"


def changes_what_one_may_do(command: ChangeUser) -> bool:
    """Whether more than the name is to change."""
    return command.role is not None or command.active is not None


def decide_change(state: User, command: ChangeUser, context: Context) -> Decision:
    """One event for each thing that differs. Nobody changes their own role or disables themselves: a clinic keeps an admin."""
    events: list[UserEvent] = []
    if command.name is not None:
        if fault := _name_fault(command.name):
            return Refusal(INVALID_USER, faults=(fault,))
        name = normalize("NFC", command.name.strip())
        if name != state.name:
            events.append(UserRenamed(name))
    changes_role = command.role is not None and command.role != state.role
    changes_active = command.active is not None and command.active != state.active
    if (changes_role or changes_active) and context.actor.id == state.id:
        return Refusal(OWN_ACCOUNT)
    if command.role is not None and changes_role:
        events.append(UserRoleChanged(command.role))
    if changes_active:
        events.append(UserEnabled() if command.active else UserDisabled())
    return tuple(events)


def decide_set_password(state: User, command: SetPassword, context: Context) -> Decision:
    """A new password holds from the next login on."""
    if command.replaces is not None and command.replaces != state.password_set_at:
        return Refusal(CONFLICT, "The password was changed meanwhile.")
    return (PasswordSet(command.password_hash, context.now),)


def evolve(state: User | None, event: UserEvent) -> User:
    """The account after one event."""
    if isinstance(event, UserCreated):
        set_at: datetime | None = event.at if event.password_hash else None
        return User(event.id, event.email, event.email_index, event.name, event.role, event.at, event.password_hash, set_at)
    if state is None:
        raise ValueError("an account begins with user-created")
    match event:
        case UserRenamed():
            return replace(state, name=event.name)
        case UserRoleChanged():
            return replace(state, role=event.role)
        case UserDisabled():
            return replace(state, active=False)
        case UserEnabled():
            return replace(state, active=True)
        case PasswordSet():
            return replace(state, password_hash=event.password_hash, password_set_at=event.at)


def subject(state: User) -> str | None:
    """Whose compartment the account lies in: a patient reads their own and no other."""
    return compartment(state.id, state.role)


def view(snapshot: Snapshot) -> UserView:
    """The account without its password hash and index."""
    user: User = snapshot.state
    return UserView(user.id, user.email, user.name, user.role, user.active, user.created_at, snapshot.version)
