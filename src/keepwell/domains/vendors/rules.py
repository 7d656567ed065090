"""What may happen to a vendor, and whether what was signed with it holds on a day. Pure."""

from collections.abc import Iterable
from datetime import date
from unicodedata import normalize

from msgspec.structs import replace

from keepwell.domains.vendors.errors import INVALID_VENDOR, VENDOR_ENDED
from keepwell.domains.vendors.models import (
    AddAgreement,
    Agreement,
    AgreementAdded,
    ChangeVendor,
    EndVendor,
    RegisterVendor,
    Vendor,
    VendorChanged,
    VendorEnded,
    VendorEvent,
    VendorRegistered,
    VendorView,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Command, Context, Snapshot
from keepwell.kernel.problems import Fault, Refusal

_NAME_LIMIT = 200
_MOST_AGREEMENTS = 200


def decide_register(_state: Vendor | None, command: RegisterVendor, context: Context) -> Decision:
    """That there is no other one of this name is the database's to say."""
    if faults := _faults(command.name, command.touches):
        return Refusal(INVALID_VENDOR, faults=faults)
    return (VendorRegistered(command.name.strip(), command.touches, command.contact, context.now),)


def guard_active(state: Vendor, _command: Command, _context: Context) -> Refusal | None:
    """What has ended stays as it was."""
    return None if state.ended_at is None else Refusal(VENDOR_ENDED)


def decide_change(state: Vendor, command: ChangeVendor, _context: Context) -> Decision:
    """One event, if anything differs."""
    name = state.name if command.name is None else command.name.strip()
    touches = state.touches if command.touches is None else command.touches
    contact = state.contact if command.contact is None else command.contact
    if faults := _faults(name, touches):
        return Refusal(INVALID_VENDOR, faults=faults)
    changed = VendorChanged(name, touches, contact)
    return () if changed == VendorChanged(state.name, state.touches, state.contact) else (changed,)


def decide_agreement(state: Vendor, command: AddAgreement, _context: Context) -> Decision:
    """Agreements are added, never changed: what held once stays on record."""
    agreement = Agreement(command.agreement, command.kind, command.valid_from, command.valid_until, command.document)
    if len(state.agreements) >= _MOST_AGREEMENTS:
        return Refusal(INVALID_VENDOR, faults=(Fault("", "too-many", f"A vendor has at most {_MOST_AGREEMENTS} agreements."),))
    if agreement.valid_until is not None and agreement.valid_until < agreement.valid_from:
        return Refusal(INVALID_VENDOR, faults=(Fault("/valid_until", "range", "It cannot end before it begins."),))
    return (AgreementAdded(agreement),)


def decide_end(state: Vendor, command: EndVendor, context: Context) -> Decision:
    """Once; a second time changes nothing."""
    return () if state.ended_at is not None else (VendorEnded(command.reason, context.now),)


def evolve(state: Vendor | None, event: VendorEvent) -> Vendor:
    """The vendor after one event."""
    if isinstance(event, VendorRegistered):
        return Vendor(event.name, event.touches, event.contact, event.at)
    if state is None:
        raise ValueError("a vendor begins with vendor-registered")
    match event:
        case VendorChanged():
            return replace(state, name=event.name, touches=event.touches, contact=event.contact)
        case AgreementAdded():
            return replace(state, agreements=(*state.agreements, event.agreement))
        case VendorEnded():
            return replace(state, ended_at=event.at, end_reason=event.reason)


def covered(state: Vendor, day: date) -> bool:
    """Whether the vendor may have health information on a day."""
    return state.ended_at is None and any(_holds(each, day) for each in state.agreements)


def covered_until(state: Vendor) -> date | None:
    """The last day of the agreement that holds longest; the last day there is where one has no end; None without any."""
    if state.ended_at is not None:
        return None
    return max((each.valid_until or date.max for each in _business(state.agreements)), default=None)


def _holds(agreement: Agreement, day: date) -> bool:
    begun = agreement.kind == "BAA" and agreement.valid_from <= day
    return begun and (agreement.valid_until is None or day <= agreement.valid_until)


def _business(agreements: Iterable[Agreement]) -> list[Agreement]:
    return [each for each in agreements if each.kind == "BAA"]


def name_token(name: str) -> str:
    """What the index of a name is made of: however it is written, it is one vendor."""
    return "vendor:" + " ".join(normalize("NFKC", name).casefold().split())


def view(snapshot: Snapshot) -> VendorView:
    """The vendor as callers see it."""
    state: Vendor = snapshot.state
    return VendorView(
        snapshot.id,
        state.name,
        state.touches,
        state.contact,
        state.agreements,
        covered_until(state),
        state.ended_at is None,
        state.registered_at,
        state.ended_at,
        state.end_reason,
        snapshot.version,
    )


def _faults(name: str, touches: tuple[str, ...]) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    if not 0 < len(name.strip()) <= _NAME_LIMIT or not name.isprintable():
        faults.append(Fault("/name", "name-length", f"Use 1 to {_NAME_LIMIT} printable characters."))
    if any(not each.strip() for each in touches):
        faults.append(Fault("/touches", "empty", "Say what is touched in words."))
    return tuple(faults)
