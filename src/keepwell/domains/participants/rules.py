"""What may be said of a participant, what the record is after it was said, and the id that follows from an external one. Pure."""

import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import asdict, replace

from keepwell.domains.participants.errors import INVALID_PARTICIPANT
from keepwell.domains.participants.models import (
    ChangeParticipant,
    Details,
    Participant,
    ParticipantChanged,
    ParticipantEvent,
    ParticipantRegistered,
    ParticipantView,
    RegisterParticipant,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Fault, Refusal
from keepwell.kit.fhir.temporal import moment
from keepwell.kit.ids import keyed_id

_LENGTHS = {"given_name": 500, "family_name": 500, "email": 254, "phone": 100}
_EXTERNAL_ID, _ATTRIBUTE_NAME, _ATTRIBUTE, _ATTRIBUTES = 255, 100, 2_000, 200
_ZONES = frozenset(zoneinfo.available_timezones())


def participant_id(blind: Callable[[str], bytes], program: UUID | None, external_id: str) -> UUID:
    """The id of the person whom a program calls so: always the same, and not to be guessed without the clinic's key."""
    return keyed_id(blind(f"participant:{'' if program is None else program}:{external_id}"))


def decide_register(_state: None, command: RegisterParticipant, _context: Context) -> Decision:
    """Begins a record with what is properly said."""
    faults = [*_external_id(command.external_id), *_faults(command.details)]
    if faults:
        return Refusal(INVALID_PARTICIPANT, faults=tuple(faults))
    return (ParticipantRegistered(command.id, command.external_id, command.program, command.details),)


def decide_change(state: Participant, command: ChangeParticipant, _context: Context) -> Decision:
    """Only what differs is a change."""
    faults = tuple(_faults(command.details))
    if faults:
        return Refusal(INVALID_PARTICIPANT, faults=faults)
    changed = {name: value for name, value in _set(command.details).items() if value != getattr(state, name)}
    return (ParticipantChanged(Details(**changed)),) if changed else ()


def _external_id(text: str | None) -> Iterator[Fault]:
    if text is not None and not (0 < len(text) <= _EXTERNAL_ID and text.isprintable() and text == text.strip()):
        yield Fault("/external_id", "invalid-value", f"Use 1 to {_EXTERNAL_ID} printable characters, without spaces around them.")


def _faults(details: Details) -> Iterator[Fault]:
    said = {name: value for name, value in _set(details).items() if value is not None}
    for name, most in _LENGTHS.items():
        if name in said and not (0 < len(said[name]) <= most and said[name].isprintable()):
            yield Fault(f"/{name}", "invalid-value", f"Use 1 to {most} printable characters.")
    if "birth_date" in said and ((found := moment(said["birth_date"])) is None or found.timed or len(said["birth_date"]) > 10):
        yield Fault("/birth_date", "invalid-value", "Use a date such as 1970-12-31, a month or a year.")
    if "time_zone" in said and said["time_zone"] not in _ZONES:
        yield Fault("/time_zone", "invalid-value", "Use the IANA name of a zone, such as Europe/Berlin.")
    yield from _attributes(said.get("attributes", {}))


def _attributes(attributes: dict[str, str]) -> Iterator[Fault]:
    proper = all(
        0 < len(name) <= _ATTRIBUTE_NAME and name.isprintable() and 0 < len(value) <= _ATTRIBUTE
        for name, value in attributes.items()
    )
    if not proper or len(attributes) > _ATTRIBUTES:
        message = f"Use at most {_ATTRIBUTES}, with names of 1 to {_ATTRIBUTE_NAME} and texts of 1 to {_ATTRIBUTE} characters."
        yield Fault("/attributes", "limit", message)


def _set(details: Details) -> dict[str, Any]:
    return {name: value for name, value in asdict(details).items() if value is not UNSET}


def evolve(state: Participant | None, event: ParticipantEvent) -> Participant:
    """The record after one event."""
    if isinstance(event, ParticipantRegistered):
        state = Participant(event.id, event.external_id, event.program)
    if state is None:
        raise ValueError("a record begins by being registered")
    return replace(state, **_set(event.details))


def changes(event: ParticipantEvent) -> dict[str, Any]:
    """What an event says, by field."""
    said = _set(event.details)
    if isinstance(event, ParticipantRegistered):
        said = {"external_id": event.external_id, "program": event.program, **said}
    return said


def view(snapshot: Snapshot) -> ParticipantView:
    """What callers see."""
    state: Participant = snapshot.state
    said = asdict(state)
    elements = said.pop("elements") or UNSET
    return ParticipantView(
        **said, version=snapshot.version, created_at=snapshot.created_at, updated_at=snapshot.updated_at, elements=elements
    )
