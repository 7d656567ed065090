"""What may happen to a session: it starts with a login, is refreshed by counting tokens, and ends for a named reason.

Refresh tokens are counted per session. The current one is followed by the next. The one before it, shortly after, means that
the reply was lost or that two tabs raced: the caller gets the current one again. Anything older, or later, means that two
parties hold the session's tokens: it ends for both. No clock or counter is read here but those handed in.
"""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from keepwell.domains.identity.models import (
    ContinueSession,
    EndSession,
    KeepSession,
    ReauthenticateSession,
    RefreshSession,
    Session,
    SessionEnded,
    SessionEvent,
    SessionKept,
    SessionReauthenticated,
    SessionRefreshed,
    SessionStarted,
    SessionView,
    StartEmergencySession,
    StartSession,
    User,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Reference, Snapshot
from keepwell.kernel.problems import NOT_FOUND, UNAUTHENTICATED, Refusal

USER = "user"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENTS = 16
"""How many of them an idle limit has."""
_MAY_END_ANY = frozenset({"admin", "system"})


def start_references(_state: Session | None, command: StartSession) -> tuple[Reference, ...]:
    """A login is decided on the account as it is stored now, and until the login is."""
    return (Reference(USER, command.user, fresh=True),)


def refresh_references(state: Session, _command: RefreshSession | ContinueSession | KeepSession) -> tuple[Reference, ...]:
    """So that a disabled account, a changed role or another password takes effect at the next refresh at the latest."""
    return (Reference(USER, state.user, fresh=True),)


def decide_start(_state: Session | None, command: StartSession, context: Context) -> Decision:
    """The account must be active, and its password still the one it had when the person proved who they are."""
    snapshot = context.references.get((USER, command.user))
    user: User | None = snapshot.state if snapshot else None
    if user is None or not user.active:
        return Refusal(UNAUTHENTICATED, "The account is disabled.")
    if user.password_set_at != command.password_set_at:
        return Refusal(UNAUTHENTICATED, "The password was changed meanwhile.")
    set_at, methods = command.password_set_at, command.methods
    emergency = command.emergency if isinstance(command, StartEmergencySession) else None
    return (SessionStarted(command.user, user.role, command.limits, context.now, set_at, emergency, methods),)


def decide_refresh(state: Session, command: RefreshSession, context: Context) -> Decision:
    """The next generation, the current one again, or the end of the session.

    A refusal says why in `reason`: whoever has the token was in the session, or has stolen it and is found out.
    """
    if expires_at(state) <= context.now:
        return Refusal(UNAUTHENTICATED, "The session is over.", extra={"reason": _over(state, context.now)})
    if command.generation > state.generation:
        # A token we signed but do not remember: the database was set back to an earlier time. Logging in again is safe.
        return Refusal(UNAUTHENTICATED, "The refresh token is not known.", extra={"reason": "unknown-generation"})
    user = _carrier(state, context)
    if not isinstance(user, User):
        return (user,)
    if command.generation == state.generation:
        return (SessionRefreshed(state.generation + 1, user.role, context.now),)
    in_grace = context.now - state.refreshed_at <= timedelta(seconds=state.limits.grace)
    if command.generation == state.generation - 1 and in_grace:
        return ()
    return (SessionEnded("refresh-token-reused", context.now, presented=command.generation),)


def _over(state: Session, now: datetime) -> str:
    """Why the session is worth nothing."""
    if state.end_reason is not None:
        return state.end_reason
    absolute = state.started_at + timedelta(seconds=state.limits.absolute)
    return "session-expired" if absolute <= now else "session-idle"


def decide_continue(state: Session, _command: ContinueSession, context: Context) -> Decision:
    """The idle limit counts from now on, or the session ends. What was noted a moment ago, by another tab, need not be again."""
    if expires_at(state) <= context.now:
        return Refusal(UNAUTHENTICATED, "The session is over.", extra={"reason": _over(state, context.now)})
    user = _carrier(state, context)
    if not isinstance(user, User):
        return (user,)
    if context.now - state.refreshed_at < timedelta(seconds=state.limits.idle / _MOMENTS):
        return ()
    return (SessionRefreshed(state.generation, user.role, context.now),)


def _carrier(state: Session, context: Context) -> User | SessionEnded:
    """The account, while it carries the session; otherwise what becomes of the session."""
    snapshot = context.references.get((USER, state.user))
    user: User | None = snapshot.state if snapshot else None
    if user is None or not user.active:
        return SessionEnded("user-disabled", context.now)
    # Sessions of earlier releases do not know their password.
    if state.password_set_at not in (None, user.password_set_at):
        return SessionEnded("password-changed", context.now)
    return user


def decide_keep(state: Session, command: KeepSession, context: Context) -> Decision:
    """Only its own person keeps a session, and only a live one."""
    snapshot = context.references.get((USER, state.user))
    user: User | None = snapshot.state if snapshot else None
    if context.actor.id != state.user or command.id != context.actor.credential:
        return Refusal(NOT_FOUND)
    if user is None or expires_at(state) <= context.now:
        return Refusal(UNAUTHENTICATED, "The session is over.")
    return (SessionKept(user.password_set_at),)


def decide_reauthenticate(state: Session, command: ReauthenticateSession, context: Context) -> Decision:
    """The holder of a live session may prove again who they are."""
    if context.actor.id != state.user or expires_at(state) <= context.now:
        return Refusal(UNAUTHENTICATED, "The session is over.")
    return (SessionReauthenticated(command.methods, context.now),)


def authenticated_at(state: Session) -> datetime | None:
    """When its holder last proved who they are. A session of an emergency begins without any proof."""
    return state.reauthenticated_at or (state.started_at if state.emergency is None else None)


def decide_end(state: Session, command: EndSession, context: Context) -> Decision:
    """People end their own sessions, administrators any; an ended one stays as it ended."""
    actor = context.actor
    if actor.id != state.user and actor.role not in _MAY_END_ANY:
        return Refusal(NOT_FOUND)
    if state.ended_at is not None:
        return ()
    by_another = command.reason == "ended-by-user" and actor.id != state.user
    return (SessionEnded("ended-by-admin" if by_another else command.reason, context.now),)


def evolve(state: Session | None, event: SessionEvent) -> Session:
    """The session after one event."""
    if isinstance(event, SessionStarted):
        started = Session(event.user, event.role, event.at, event.at, event.limits, password_set_at=event.password_set_at)
        return replace(started, emergency=event.emergency, methods=event.methods)
    if state is None:
        raise ValueError("a session begins with session-started")
    match event:
        case SessionRefreshed():
            return replace(state, generation=event.generation, role=event.role, refreshed_at=event.at)
        case SessionKept():
            return replace(state, password_set_at=event.password_set_at)
        case SessionReauthenticated():
            methods = (*state.methods, *(method for method in event.methods if method not in state.methods))
            return replace(state, methods=methods, reauthenticated_at=event.at)
        case SessionEnded():
            return replace(state, ended_at=event.at, end_reason=event.reason)


def expires_at(state: Session) -> datetime:
    """The instant from which the session is worth nothing.

    An ended session has been worth nothing for ever, so that a node whose clock is behind does not honour it a moment longer.
    """
    if state.ended_at is not None:
        return _LONG_AGO
    absolute = state.started_at + timedelta(seconds=state.limits.absolute)
    return min(absolute, state.refreshed_at + timedelta(seconds=state.limits.idle))


def view(snapshot: Snapshot) -> SessionView:
    """The session as callers and lists see it; `expires_at` of an ended one is when it ended."""
    state: Session = snapshot.state
    return SessionView(
        snapshot.id,
        state.user,
        state.role,
        state.generation,
        state.started_at,
        state.refreshed_at,
        state.ended_at or expires_at(state),
        state.ended_at,
        state.end_reason,
        state.emergency,
        state.methods,
    )
