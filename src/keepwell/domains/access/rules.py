"""What may happen to emergency access: it begins with a reason, ends soon, and is reviewed by another person. Pure."""

from datetime import timedelta

from msgspec.structs import replace

from keepwell.domains.access.errors import (
    ALREADY_REVIEWED,
    EMERGENCY_UNDER_WAY,
    INVALID_EMERGENCY,
    NO_MORE_ACCESS,
    OWN_EMERGENCY,
)
from keepwell.domains.access.models import (
    EmergencyAccess,
    EmergencyEnded,
    EmergencyEvent,
    EmergencyReviewed,
    EmergencyStarted,
    EmergencyView,
    EndEmergency,
    Review,
    ReviewEmergency,
    StartEmergency,
)
from keepwell.domains.identity import EMERGENCY_PURPOSE, EMERGENCY_SCOPES
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import NOT_FOUND, Fault, Refusal

LONGEST_MINUTES = 60
_LEAST_REASON = 10
_MAY_END_ANY = frozenset({"admin", "system"})


def decide_start(_state: EmergencyAccess | None, command: StartEmergency, context: Context) -> Decision:
    """Who has it already cannot prolong it from within: the next one needs a reason of its own."""
    actor = context.actor
    if actor.purpose == EMERGENCY_PURPOSE or not any(role == actor.role and added for role, added in EMERGENCY_SCOPES.items()):
        return Refusal(NO_MORE_ACCESS)
    faults: list[Fault] = []
    if len(command.reason.strip()) < _LEAST_REASON:
        faults.append(Fault("/reason", "reason-length", f"Say why, in at least {_LEAST_REASON} characters."))
    if not 1 <= command.minutes <= LONGEST_MINUTES:
        faults.append(Fault("/minutes", "range", f"Ask for 1 to {LONGEST_MINUTES} minutes."))
    if faults:
        return Refusal(INVALID_EMERGENCY, faults=tuple(faults))
    expires = context.now + timedelta(minutes=command.minutes)
    reason, patient = command.reason.strip(), command.patient
    return (EmergencyStarted(actor.id, actor.role, reason, command.session, expires, context.now, patient),)


def decide_end(state: EmergencyAccess, command: EndEmergency, context: Context) -> Decision:
    """People end their own, administrators any, and time every one; what is over stays as it ended."""
    if context.actor.id != state.user and context.actor.role not in _MAY_END_ANY:
        return Refusal(NOT_FOUND)
    if state.ended_at is not None:
        return ()
    if context.now >= state.expires_at:
        return (EmergencyEnded("expired", state.expires_at),)
    return (EmergencyEnded("ended", context.now),) if command.reason == "ended" else ()


def decide_review(state: EmergencyAccess, command: ReviewEmergency, context: Context) -> Decision:
    """Once, by another person, when it is over."""
    if context.actor.id == state.user:
        return Refusal(OWN_EMERGENCY)
    if state.ended_at is None and context.now < state.expires_at:
        return Refusal(EMERGENCY_UNDER_WAY)
    if state.review is not None:
        return Refusal(ALREADY_REVIEWED)
    if len(command.finding.strip()) == 0:
        return Refusal(INVALID_EMERGENCY, faults=(Fault("/finding", "finding-length", "Say what you found."),))
    over = () if state.ended_at is not None else (EmergencyEnded("expired", state.expires_at),)
    return (*over, EmergencyReviewed(command.justified, command.finding.strip(), context.actor.id, context.now))


def evolve(state: EmergencyAccess | None, event: EmergencyEvent) -> EmergencyAccess:
    """The emergency access after one event."""
    if isinstance(event, EmergencyStarted):
        who = (event.user, event.role, event.reason, event.session)
        return EmergencyAccess(*who, event.at, event.expires_at, event.patient)
    if state is None:
        raise ValueError("emergency access begins with emergency-started")
    match event:
        case EmergencyEnded():
            return replace(state, ended_at=event.at, end_reason=event.reason)
        case EmergencyReviewed():
            return replace(state, review=Review(event.justified, event.finding, event.by, event.at))


def view(snapshot: Snapshot) -> EmergencyView:
    """The emergency access as callers see it."""
    state: EmergencyAccess = snapshot.state
    return EmergencyView(
        snapshot.id,
        state.user,
        state.role,
        state.reason,
        EMERGENCY_PURPOSE,
        state.patient,
        state.session,
        state.started_at,
        state.expires_at,
        state.ended_at,
        state.end_reason,
        state.review is not None,
        state.review,
        snapshot.version,
    )
