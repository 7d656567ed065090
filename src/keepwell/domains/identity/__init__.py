"""People who log in: accounts, passwords, sessions, tokens, and what each role may do."""

from keepwell.domains.identity.errors import (
    CHALLENGE_REQUIRED,
    INVALID_CREDENTIALS,
    LOGIN_METHOD_NOT_ALLOWED,
    SECOND_FACTOR_REQUIRED,
)
from keepwell.domains.identity.models import (
    LOGIN_RATE,
    REFRESH_RATE,
    ChangeUser,
    ContinueSession,
    CreateUser,
    EndSession,
    KeepSession,
    Method,
    ReauthenticateSession,
    RefreshSession,
    Role,
    Session,
    SessionEvent,
    SessionLimits,
    SetPassword,
    StartEmergencySession,
    StartSession,
    User,
    UserEvent,
    UserView,
)
from keepwell.domains.identity.routes.bodies import Entered
from keepwell.domains.identity.routes.sessions import entered, visit_of
from keepwell.domains.identity.rules import people, sessions
from keepwell.domains.identity.rules.people import EMERGENCY_PURPOSE, EMERGENCY_SCOPES, SCOPES
from keepwell.domains.identity.service import (
    Attempt,
    DefenceSettings,
    IdentityService,
    LoggedIn,
    Pair,
    Person,
    Proven,
    Reason,
    SecondFactor,
    Settings,
    Step,
    Visit,
    bearer,
    ending,
)
from keepwell.domains.identity.service.attempts import ATTEMPTED_BY, ATTEMPTS
from keepwell.domains.identity.store import SESSIONS, USERS
from keepwell.kernel import Aggregate, CommandType, Permission

LOGGED_IN = "sessions.start"
"""The command that every login which succeeds ends with."""


def _user(action: str) -> Permission:
    return Permission("User", action)


def _session(action: str) -> Permission:
    return Permission("Session", action)


AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        kind="user",
        resource="User",
        state=User,
        event=UserEvent,
        evolve=people.evolve,
        view=people.view,
        commands=(
            CommandType(
                "users.create",
                CreateUser,
                _user("c"),
                people.decide_create,
                creates=True,
                guarded=False,
                made_by_door=("password_hash",),
                sensitive=people.makes_an_administrator,
            ),
            CommandType("users.change", ChangeUser, _user("u"), people.decide_change, sensitive=people.changes_what_one_may_do),
            CommandType("users.set-password", SetPassword, _user("u"), people.decide_set_password, guarded=False),
        ),
        lookup=USERS,
        subject=people.subject,
    ),
    Aggregate(
        kind="session",
        resource="Session",
        state=Session,
        event=SessionEvent,
        evolve=sessions.evolve,
        view=sessions.view,
        commands=(
            CommandType(
                LOGGED_IN,
                StartSession,
                _session("c"),
                sessions.decide_start,
                creates=True,
                guarded=False,
                references=sessions.start_references,
                holds=True,
            ),
            CommandType(
                "sessions.start-emergency",
                StartEmergencySession,
                _session("c"),
                sessions.decide_start,
                creates=True,
                guarded=False,
                references=sessions.start_references,
                holds=True,
                made_by_door=("emergency",),
            ),
            CommandType(
                "sessions.refresh",
                RefreshSession,
                _session("u"),
                sessions.decide_refresh,
                guarded=False,
                references=sessions.refresh_references,
                holds=True,
            ),
            CommandType(
                "sessions.reauthenticate", ReauthenticateSession, _session("u"), sessions.decide_reauthenticate, guarded=False
            ),
            CommandType(
                "sessions.continue",
                ContinueSession,
                _session("u"),
                sessions.decide_continue,
                guarded=False,
                references=sessions.refresh_references,
                holds=True,
            ),
            CommandType(
                "sessions.keep",
                KeepSession,
                _session("u"),
                sessions.decide_keep,
                guarded=False,
                references=sessions.refresh_references,
                holds=True,
            ),
            CommandType("sessions.end", EndSession, _session("d"), sessions.decide_end, guarded=False),
        ),
        lookup=SESSIONS,
        valid_until=sessions.expires_at,
        authenticated_at=sessions.authenticated_at,
        announced=True,
    ),
)

__all__ = [
    "AGGREGATES",
    "ATTEMPTED_BY",
    "ATTEMPTS",
    "CHALLENGE_REQUIRED",
    "EMERGENCY_PURPOSE",
    "EMERGENCY_SCOPES",
    "INVALID_CREDENTIALS",
    "LOGGED_IN",
    "LOGIN_METHOD_NOT_ALLOWED",
    "LOGIN_RATE",
    "REFRESH_RATE",
    "SCOPES",
    "SECOND_FACTOR_REQUIRED",
    "Attempt",
    "DefenceSettings",
    "Entered",
    "IdentityService",
    "LoggedIn",
    "Method",
    "Pair",
    "Person",
    "Proven",
    "Reason",
    "ReauthenticateSession",
    "Role",
    "SecondFactor",
    "SessionLimits",
    "Settings",
    "Step",
    "UserView",
    "Visit",
    "bearer",
    "ending",
    "entered",
    "visit_of",
]
