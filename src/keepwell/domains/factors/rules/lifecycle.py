"""What may happen to a person's factors.

Whatever is presented is journaled with its verdict, also when it was wrong, so that no number of processes and no interleaving
gives more tries than these rules do. A code, a recovery code and a ticket are accepted once, for ever.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from keepwell.domains.factors.errors import (
    CHALLENGE_EXPIRED,
    INVALID_SECOND_FACTOR,
    NO_FACTOR,
    PASSKEY_REFUSED,
    SECOND_FACTOR_DELAYED,
)
from keepwell.domains.factors.models import (
    AddPasskey,
    Answered,
    ConfirmTotp,
    Factors,
    FactorsEvent,
    FactorsReset,
    FactorsView,
    OfferTotp,
    Passkey,
    PasskeyAdded,
    PasskeyRemoved,
    PasskeyUsed,
    PasskeyView,
    Present,
    Presented,
    RecoveryCodesSet,
    RecoveryCodeUsed,
    RemovePasskey,
    RemoveTotp,
    ResetFactors,
    Second,
    SetRecoveryCodes,
    SpendTicket,
    TicketSpent,
    Totp,
    TotpAccepted,
    TotpConfirmed,
    TotpOffered,
    TotpRemoved,
    Tries,
    Verdict,
)
from keepwell.domains.factors.rules.codes import matching_step
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Actor, Command, Context, Snapshot
from keepwell.kernel.problems import NOT_FOUND, Refusal

Decide = Callable[[Any, Any, Context], Decision]
TRIES = 5
"""What may be presented with one ticket."""
MOST_PASSKEYS = 20
SPENT = Refusal(CHALLENGE_EXPIRED, "It was used already: log in again.")
EXHAUSTED = Refusal(CHALLENGE_EXPIRED, "It was tried too often: log in again.")
MOST_FAILURES = 100
"""Wrong codes in a row after which no code is taken any more until the app is set up again (NIST SP 800-63B-4, 3.2.2)."""
_FREE_FAILURES = 5
_LONGEST_DELAY = timedelta(minutes=15)
_RESETS = frozenset({"admin", "system"})


def guard_own(_state: Factors | None, command: Command, context: Context) -> Refusal | None:
    """Nobody touches what another person has."""
    return None if _own(context.actor, command) else Refusal(NOT_FOUND)


def guard_reset(_state: Factors | None, command: ResetFactors, context: Context) -> Refusal | None:
    """Administrators help who lost everything; nobody needs that for themselves."""
    allowed = context.actor.role in _RESETS and not _own(context.actor, command)
    return None if allowed else Refusal(NOT_FOUND, "Ask another administrator of the clinic.")


def _own(actor: Actor, command: Command) -> bool:
    return actor.id == command.id


# -- setting up -------------------------------------------------------------------------------------------------------


def decide_offer(_state: Factors | None, command: OfferTotp, _context: Context) -> Decision:
    """An app set up earlier serves until the new one is confirmed."""
    return (TotpOffered(command.secret),)


def decide_confirm(state: Factors, command: ConfirmTotp, context: Context) -> Decision:
    """The code must be that of the secret offered, and counts as used."""
    if state.offered is None:
        return Refusal(NO_FACTOR)
    step = matching_step(state.offered, command.code, context.now)
    return Refusal(INVALID_SECOND_FACTOR) if step is None else (TotpConfirmed(step, context.now),)


def decide_remove_totp(state: Factors, _command: RemoveTotp, _context: Context) -> Decision:
    """One that is not there is gone already."""
    return () if state.totp is None and state.offered is None else (TotpRemoved(),)


def decide_recovery(state: Factors, command: SetRecoveryCodes, _context: Context) -> Decision:
    """Codes stand in for a factor that is lost: there has to be one."""
    if state.totp is None and not state.passkeys:
        return Refusal(NO_FACTOR)
    return (RecoveryCodesSet(command.digests),)


def decide_add_passkey(state: Factors | None, command: AddPasskey, context: Context) -> Decision:
    """Each credential once, and for each ticket one."""
    state = state or Factors()
    if (refusal := _over(state, command, context.now)) is not None:
        return refusal
    known = any(each.credential_id == command.credential_id for each in state.passkeys)
    if known or len(state.passkeys) >= MOST_PASSKEYS:
        return Refusal(PASSKEY_REFUSED, "It is set up already." if known else f"Nobody has more than {MOST_PASSKEYS}.")
    passkey = Passkey(command.passkey, command.credential_id, command.public_key, command.name, context.now, command.sign_count)
    return (PasskeyAdded(passkey), TicketSpent(command.ticket, command.until, context.now))


def decide_remove_passkey(state: Factors, command: RemovePasskey, _context: Context) -> Decision:
    """It has to be there."""
    there = any(each.id == command.passkey for each in state.passkeys)
    return (PasskeyRemoved(command.passkey),) if there else Refusal(NOT_FOUND, "There is no such passkey.")


def decide_reset(_state: Factors, _command: ResetFactors, _context: Context) -> Decision:
    """Everything goes."""
    return (FactorsReset(),)


# -- presenting -------------------------------------------------------------------------------------------------------


def decide_spend(state: Factors | None, command: SpendTicket, context: Context) -> Decision:
    """A ticket is used up once."""
    if (refusal := _over(state or Factors(), command, context.now)) is not None:
        return refusal
    return (TicketSpent(command.ticket, command.until, context.now),)


def decide_present(state: Factors | None, command: Present, context: Context) -> Decision:
    """What was right, and in any case that it was presented. Refused outright only what must not be looked at any more."""
    state = state or Factors()
    if (refusal := _over(state, command, context.now)) is not None:
        return refusal
    if command.method == "totp" and (wait := delay(state, context.now)):
        return Refusal(SECOND_FACTOR_DELAYED, retry_after=wait)
    verdict, effects = _judged(state, command, context.now)
    return (*effects, Presented(command.ticket, command.until, command.method, verdict, context.now))


def _judged(state: Factors, command: Present, now: datetime) -> tuple[Verdict, tuple[FactorsEvent, ...]]:
    match command.method:
        case "totp":
            return _code_judged(state, command, now)
        case "recovery-code":
            if command.digest not in state.recovery:
                return "wrong-recovery-code", ()
            return "accepted", (RecoveryCodeUsed(command.digest),)
        case "passkey":
            passkey = next((each for each in state.passkeys if each.id == command.passkey), None)
            if passkey is None:
                return "unknown-passkey", ()
            # Authenticators that do not count always say 0 (WebAuthn Level 3, 7.2, step 22).
            regressed = command.sign_count <= passkey.sign_count and (command.sign_count, passkey.sign_count) != (0, 0)
            return "accepted", (PasskeyUsed(passkey.id, command.sign_count, now, regressed),)


def _code_judged(state: Factors, command: Present, now: datetime) -> tuple[Verdict, tuple[FactorsEvent, ...]]:
    secret = state.offered if command.enrolling else state.totp and state.totp.secret
    if secret is None:
        return "no-such-factor", ()
    if state.failures >= MOST_FAILURES and not command.enrolling:
        return "code-too-many-failures", ()
    step = matching_step(secret, command.code, now)
    if step is None:
        return "wrong-code", ()
    if command.enrolling:
        return "accepted", (TotpConfirmed(step, now),)
    if state.totp is not None and step <= state.totp.last_step:
        return "code-used", ()
    return "accepted", (TotpAccepted(step),)


def delay(state: Factors, now: datetime) -> int:
    """Seconds until the next code is looked at: none at first, then twice as many after each wrong one, up to 15 minutes."""
    beyond = state.failures - _FREE_FAILURES
    if beyond < 0 or state.failed_at is None:
        return 0
    wait = min(timedelta(seconds=2 ** min(beyond, 10)), _LONGEST_DELAY)
    left = (state.failed_at + wait - now).total_seconds()
    return int(left) + 1 if left > 0 else 0


def methods(state: Factors | None) -> tuple[Second, ...]:
    """What a person can present."""
    if state is None:
        return ()
    found: list[Second] = []
    if state.totp is not None:
        found.append("totp")
    if state.passkeys:
        found.append("passkey")
    if state.recovery and found:
        found.append("recovery-code")
    return tuple(found)


def _over(state: Factors, command: SpendTicket | Present | AddPasskey, now: datetime) -> Refusal | None:
    """Why a ticket cannot be used any more; None: it can."""
    for each in state.tries:
        if each.ticket == command.ticket and (each.spent or each.count >= TRIES):
            return SPENT if each.spent else EXHAUSTED
    return Refusal(CHALLENGE_EXPIRED) if command.until <= now else None


# -- what it is after -------------------------------------------------------------------------------------------------


def evolve(state: Factors | None, event: FactorsEvent) -> Factors:  # noqa: C901, PLR0911 - one case an event
    """The factors after one event."""
    state = state or Factors()
    match event:
        case TotpOffered():
            return replace(state, offered=event.secret)
        case TotpConfirmed():
            totp = Totp(state.offered or b"", event.at, event.step)
            return replace(state, totp=totp, offered=None, failures=0, failed_at=None)
        case TotpRemoved():
            return replace(state, totp=None, offered=None, failures=0, failed_at=None)
        case RecoveryCodesSet():
            return replace(state, recovery=event.digests)
        case PasskeyAdded():
            return replace(state, passkeys=(*state.passkeys, event.passkey))
        case PasskeyRemoved():
            return replace(state, passkeys=tuple(each for each in state.passkeys if each.id != event.passkey))
        case FactorsReset():
            return Factors(tries=state.tries)
        case TotpAccepted():
            return state if state.totp is None else replace(state, totp=replace(state.totp, last_step=event.step))
        case RecoveryCodeUsed():
            return replace(state, recovery=tuple(each for each in state.recovery if each != event.digest))
        case PasskeyUsed():
            return replace(state, passkeys=tuple(_used(each, event) for each in state.passkeys))
        case Presented():
            return _presented(state, event)
        case TicketSpent():
            return replace(state, tries=(*_kept(state, event.at), Tries(event.ticket, event.until, spent=True)))


def _used(passkey: Passkey, event: PasskeyUsed) -> Passkey:
    if passkey.id != event.passkey:
        return passkey
    count, regressions = max(passkey.sign_count, event.sign_count), passkey.regressions + event.regressed
    return replace(passkey, sign_count=count, last_used_at=event.at, regressions=regressions)


def _presented(state: Factors, event: Presented) -> Factors:
    earlier = next((each.count for each in state.tries if each.ticket == event.ticket), 0)
    accepted = event.verdict == "accepted"
    others = tuple(each for each in _kept(state, event.at) if each.ticket != event.ticket)
    tries = (*others, Tries(event.ticket, event.until, earlier + 1, accepted))
    state = replace(state, tries=tries, answered=Answered(event.ticket, event.method, event.verdict))
    if event.method != "totp":
        return state
    if accepted:
        return replace(state, failures=0, failed_at=None)
    return replace(state, failures=state.failures + 1, failed_at=event.at)


def _kept(state: Factors, now: datetime) -> tuple[Tries, ...]:
    """What has to be remembered of tickets: nothing of those that nobody would take any more."""
    return tuple(each for each in state.tries if each.until > now)


def view(snapshot: Snapshot) -> FactorsView:
    """What the person has."""
    state: Factors = snapshot.state
    passkeys = [PasskeyView(each.id, each.name, each.created_at, each.last_used_at) for each in state.passkeys]
    return FactorsView(snapshot.id, state.totp is not None, len(state.recovery), passkeys, snapshot.version, state.answered)
