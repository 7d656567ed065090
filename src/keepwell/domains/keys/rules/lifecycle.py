"""What may happen to a key: made, replaced by another one while it still works, renamed, revoked. Pure.

A key carries no right that its maker lacks, and what it may do never changes: so any process may remember it once it has seen
the key, and only has to ask whether the key still lives.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from msgspec.structs import replace

from keepwell.domains.keys.errors import INVALID_KEY, KEY_REPLACED, KEY_REVOKED, SCOPE_NOT_HELD
from keepwell.domains.keys.models import (
    ApiKey,
    ChangeKey,
    CreateKey,
    KeyCreated,
    KeyEvent,
    KeyExpiryChanged,
    KeyRenamed,
    KeyReplaced,
    KeyRevoked,
    KeyView,
    ReplaceKey,
    RevokeKey,
    State,
    SucceedKey,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Reference, Snapshot
from keepwell.kernel.permissions import covers, parse_scope
from keepwell.kernel.problems import CONFLICT, Fault, Refusal

KIND = "api-key"
USUAL_LIFE = timedelta(days=365)
LONGEST_LIFE = timedelta(days=730)
LONGEST_OVERLAP_S = 7 * 86_400
_MOST_SCOPES, _MOST_NETWORKS = 64, 64
_NAME_LIMIT = 200
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def decide_create(_state: ApiKey | None, command: CreateKey, context: Context) -> Decision:
    """Whoever makes a key may do themselves, in the whole clinic, all that it may."""
    expires = command.expires_at or context.now + USUAL_LIFE
    faults = (*_name_faults(command.name), *_expiry_faults(expires, context.now), *_network_faults(command.networks))
    faults += tuple(_scope_faults(command.scopes))
    if faults:
        return Refusal(INVALID_KEY, faults=faults)
    if lacking := _not_held(command.scopes, context.actor.scopes):
        return lacking
    networks = tuple(str(ip_network(each)) for each in command.networks)
    scopes, by = command.scopes, context.actor.id
    name = command.name.strip()
    return (KeyCreated(command.id, name, scopes, networks, command.digest, command.pepper, expires, by, context.now),)


def guard_replace(state: ApiKey, _command: ReplaceKey, _context: Context) -> Refusal | None:
    """A key is replaced once. A revoked one may be, too: that is how a leaked key's owner gets another."""
    return None if state.rotated_to is None else Refusal(KEY_REPLACED)


def decide_replace(state: ApiKey, command: ReplaceKey, context: Context) -> Decision:
    """The old key ends by itself after the overlap, if not before."""
    if not 0 <= command.overlap_s <= LONGEST_OVERLAP_S:
        return Refusal(INVALID_KEY, faults=(Fault("/overlap_s", "range", f"Use 0 to {LONGEST_OVERLAP_S} seconds."),))
    ends = context.now if command.overlap_s == 0 else context.now + timedelta(seconds=command.overlap_s)
    return (KeyReplaced(command.successor, min(ends, state.expires_at), context.now),)


def succeed_references(_state: ApiKey | None, command: SucceedKey) -> tuple[Reference, ...]:
    """The key whose place is taken, as it is now."""
    return (Reference(KIND, command.predecessor, fresh=True),)


def decide_succeed(_state: ApiKey | None, command: SucceedKey, context: Context) -> Decision:
    """Only the successor that the old key names. Whoever makes it must have the rights, as for any key."""
    snapshot = context.references.get((KIND, command.predecessor))
    before: ApiKey | None = snapshot.state if snapshot else None
    if before is None or before.rotated_to != command.id:
        return Refusal(CONFLICT, "The key that is to be replaced names no such successor.")
    expires = command.expires_at or context.now + USUAL_LIFE
    if faults := _expiry_faults(expires, context.now):
        return Refusal(INVALID_KEY, faults=faults)
    if lacking := _not_held(before.scopes, context.actor.scopes):
        return lacking
    by, at = context.actor.id, context.now
    rights = (before.account, before.name, before.scopes, before.networks)
    return (KeyCreated(*rights, command.digest, command.pepper, expires, by, at, command.predecessor),)


def guard_not_revoked(state: ApiKey, _command: ChangeKey, _context: Context) -> Refusal | None:
    """What is revoked stays as it is."""
    return None if state.revoked_at is None else Refusal(KEY_REVOKED)


def decide_change(state: ApiKey, command: ChangeKey, context: Context) -> Decision:
    """One event for each thing that differs."""
    events: list[KeyEvent] = []
    faults = _name_faults(command.name) if command.name is not None else ()
    if command.expires_at is not None:
        faults += _expiry_faults(command.expires_at, context.now)
        # Who lets a key live longer gives its rights anew.
        if command.expires_at > state.expires_at and (lacking := _not_held(state.scopes, context.actor.scopes)):
            return lacking
    if faults:
        return Refusal(INVALID_KEY, faults=faults)
    if command.name is not None and command.name.strip() != state.name:
        events.append(KeyRenamed(command.name.strip()))
    if command.expires_at not in (None, state.expires_at):
        events.append(KeyExpiryChanged(command.expires_at))
    return tuple(events)


def decide_revoke(state: ApiKey, command: RevokeKey, context: Context) -> Decision:
    """Once. That a revoked key was found in public besides is worth knowing, and changes why it was revoked."""
    if state.revoked_at is not None and command.reason in ("revoked", state.revoke_reason):
        return ()
    return (KeyRevoked(command.reason, state.revoked_at or context.now),)


def evolve(state: ApiKey | None, event: KeyEvent) -> ApiKey:
    """The key after one event."""
    if isinstance(event, KeyCreated):
        rights = (event.account, event.name, event.scopes, event.networks)
        return ApiKey(*rights, event.digest, event.pepper, event.at, event.by, event.expires_at, event.rotated_from)
    if state is None:
        raise ValueError("a key begins with api-key-created")
    match event:
        case KeyReplaced():
            return replace(state, rotated_to=event.successor, ends_at=event.ends_at)
        case KeyRenamed():
            return replace(state, name=event.name)
        case KeyExpiryChanged():
            return replace(state, expires_at=event.expires_at)
        case KeyRevoked():
            return replace(state, revoked_at=event.at, revoke_reason=event.reason)


def valid_until(state: ApiKey) -> datetime:
    """The instant from which the key is worth nothing; a revoked one has been for ever, whatever a node's clock says."""
    if state.revoked_at is not None:
        return _LONG_AGO
    return state.expires_at if state.ends_at is None else min(state.ends_at, state.expires_at)


def view(snapshot: Snapshot) -> KeyView:
    """The key without its digest."""
    key: ApiKey = snapshot.state
    return KeyView(
        snapshot.id,
        key.account,
        key.name,
        key.scopes,
        key.networks,
        state_of(key),
        key.created_at,
        key.created_by,
        key.expires_at,
        key.revoked_at or valid_until(key),
        key.rotated_from,
        key.rotated_to,
        key.revoked_at,
        key.revoke_reason,
        snapshot.version,
    )


def state_of(key: ApiKey) -> State:
    """Whether it works, works until its overlap ends, or was ended by somebody. That time ended it is another matter."""
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.rotated_to is None else "retiring"


def _name_faults(name: str) -> tuple[Fault, ...]:
    if 0 < len(name.strip()) <= _NAME_LIMIT and name.isprintable():
        return ()
    return (Fault("/name", "name-length", f"Use 1 to {_NAME_LIMIT} printable characters."),)


def _expiry_faults(expires: datetime, now: datetime) -> tuple[Fault, ...]:
    if now < expires <= now + LONGEST_LIFE:
        return ()
    return (Fault("/expires_at", "range", f"Use an instant to come, at most {LONGEST_LIFE.days} days ahead."),)


def _network_faults(networks: tuple[str, ...]) -> tuple[Fault, ...]:
    if len(networks) > _MOST_NETWORKS:
        return (Fault("/allowed_addresses", "too-many", f"Use at most {_MOST_NETWORKS} ranges."),)
    faults: list[Fault] = []
    for place, network in enumerate(networks):
        try:
            ip_network(network)
        except ValueError:
            faults.append(Fault(f"/allowed_addresses/{place}", "address-range", "Use a range such as 192.0.2.0/24."))
    return tuple(faults)


def _scope_faults(scopes: tuple[str, ...]) -> Iterator[Fault]:
    if not 0 < len(scopes) <= _MOST_SCOPES:
        yield Fault("/scopes", "scope-count", f"Use 1 to {_MOST_SCOPES} scopes.")
    for place, scope in enumerate(scopes):
        try:
            level, _, _ = parse_scope(scope)
        except ValueError:
            yield Fault(f"/scopes/{place}", "scope-syntax", "Use a SMART v2 scope such as system/Questionnaire.rs.")
        else:
            if level == "patient":
                yield Fault(f"/scopes/{place}", "scope-level", "A key belongs to no patient: use system/ or user/.")


def _not_held(scopes: tuple[str, ...], own: tuple[str, ...]) -> Refusal | None:
    lacking = [place for place, scope in enumerate(scopes) if not covers(own, scope)]
    if not lacking:
        return None
    return Refusal(SCOPE_NOT_HELD, faults=tuple(Fault(f"/scopes/{place}", "scope-not-held", "You lack it.") for place in lacking))
