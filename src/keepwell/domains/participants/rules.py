"""What may be said of a participant, what the record is after it was said, and the id that follows from an external one. Pure."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import asdict, replace

from keepwell.domains.participants.errors import (
    ANOTHER_BIRTH_DATE,
    CHANGED_SINCE,
    INVALID_MERGE,
    INVALID_PARTICIPANT,
    PARTICIPANT_MERGED,
)
from keepwell.domains.participants.models import (
    ChangeParticipant,
    Details,
    Enrollment,
    EnrollmentUpdated,
    EnrollmentWithdrawn,
    EnrollParticipant,
    MergeParticipant,
    Participant,
    ParticipantChanged,
    ParticipantEnrolled,
    ParticipantEvent,
    ParticipantMerged,
    ParticipantRegistered,
    ParticipantUnmerged,
    ParticipantView,
    RegisterParticipant,
    UnmergeParticipant,
    WithdrawEnrollment,
)
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Reference, Snapshot
from keepwell.kernel.problems import Fault, Refusal
from keepwell.kit import zones
from keepwell.kit.fhir.temporal import moment
from keepwell.kit.ids import keyed_id

_LENGTHS = {"given_name": 500, "family_name": 500, "email": 254, "phone": 100}
_EXTERNAL_ID, _ATTRIBUTE_NAME, _ATTRIBUTE, _ATTRIBUTES = 255, 100, 2_000, 200
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHOWN = ParticipantView.__struct_fields__[: ParticipantView.__struct_fields__.index("version")]


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


def decide_enroll(state: Participant | None, command: EnrollParticipant, _context: Context) -> Decision:
    """What a row says is added to what is known. Of somebody else it seems to speak when the day of birth is another one."""
    faults = (*_external_id(command.external_id), *_faults(command.details))
    if faults:
        return Refusal(INVALID_PARTICIPANT, faults=faults)
    source = (command.batch, command.row)
    if state is None or state.withdrawn:
        return (ParticipantEnrolled(command.id, command.external_id, command.program, *source, command.details),)
    if state.merged_into is not None:
        return Refusal(PARTICIPANT_MERGED)
    said = _set(command.details)
    if "attributes" in said:
        said["attributes"] = {**state.attributes, **said["attributes"]}
    changed = {name: value for name, value in said.items() if value != getattr(state, name)}
    if "birth_date" in changed and not changed["birth_date"].startswith(state.birth_date or ""):
        return Refusal(ANOTHER_BIRTH_DATE)
    if not changed:
        return ()
    before = {name: getattr(state, name) for name in changed}
    return (EnrollmentUpdated(*source, Details(**changed), command.details, Details(**before)),)


def decide_withdraw(state: Participant, command: WithdrawEnrollment, _context: Context) -> Decision:
    """Only what nobody has touched since is taken back."""
    enrollment = state.enrollment
    if enrollment is None or (enrollment.batch, enrollment.row) != (command.batch, command.row):
        return Refusal(CHANGED_SINCE)
    return (EnrollmentWithdrawn(command.batch, command.row, enrollment.before),)


def merge_references(_state: Participant | None, command: MergeParticipant) -> tuple[Reference, ...]:
    """A merge looks at the record that is to speak for both."""
    return (Reference("participant", command.into, fresh=True),)


def guard_merge(state: Participant, command: MergeParticipant, context: Context) -> Refusal | None:
    """Records are merged one deep, so that who speaks for whom is never a chain or a circle."""
    other = context.references.get(("participant", command.into))
    if other is None or command.into == command.id or other.state.withdrawn or state.withdrawn:
        return Refusal(INVALID_MERGE, "The other record has to be there, and to be another one.")
    if state.merged_into is not None or other.state.merged_into is not None:
        return Refusal(PARTICIPANT_MERGED)
    return None


def decide_merge(_state: Participant, command: MergeParticipant, _context: Context) -> Decision:
    """The guard has looked: the other record speaks for this one."""
    return (ParticipantMerged(command.into, command.reason),)


def decide_unmerge(state: Participant, command: UnmergeParticipant, _context: Context) -> Decision:
    """What was said of the record before it was merged was kept, and counts again."""
    if state.merged_into is None:
        return Refusal(INVALID_MERGE, "It is not merged.")
    return (ParticipantUnmerged(command.reason),)


def _external_id(text: str | None) -> Iterator[Fault]:
    if text is not None and not (0 < len(text) <= _EXTERNAL_ID and text.isprintable() and text == text.strip()):
        yield Fault("/external_id", "invalid-value", f"Use 1 to {_EXTERNAL_ID} printable characters, without spaces around them.")


def _faults(details: Details) -> Iterator[Fault]:
    said = _set(details)
    for name, most in _LENGTHS.items():
        text = said.get(name)
        if text is not None and not (0 < len(text) <= most and text.isprintable()):
            yield Fault(f"/{name}", "invalid-value", f"Use 1 to {most} printable characters.")
    if (day := said.get("birth_date")) is not None and not _is_date(day):
        yield Fault("/birth_date", "invalid-value", "Use a date such as 1970-12-31, a month or a year.")
    if (zone := said.get("time_zone")) is not None and not zones.is_zone(zone):
        yield Fault("/time_zone", "invalid-value", "Use the IANA name of a zone, such as Europe/Berlin.")
    if attributes := said.get("attributes"):
        yield from _attributes(attributes)


def _is_date(text: str) -> bool:
    if _DAY.fullmatch(text):  # nearly all are; the rest takes the long way
        try:
            date.fromisoformat(text)
        except ValueError:
            return False
        return True
    found = moment(text)
    return found is not None and not found.timed and len(text) <= 10


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
    if isinstance(event, ParticipantRegistered | ParticipantEnrolled):
        state = Participant(event.id, event.external_id, event.program)
    if state is None:
        raise ValueError("a record begins by being registered or enrolled")
    match event:
        case ParticipantMerged():
            return replace(state, merged_into=event.into, enrollment=None)
        case ParticipantUnmerged():
            return replace(state, merged_into=None, enrollment=None)
        case EnrollmentWithdrawn():
            restored = {"withdrawn": True} if event.restored is None else _set(event.restored)
            return replace(state, enrollment=None, **restored)
        case ParticipantEnrolled():
            enrollment = Enrollment(event.batch, event.row, event.details)
        case EnrollmentUpdated():
            enrollment = Enrollment(event.batch, event.row, event.said, event.before)
        case _:
            enrollment = None
    return replace(state, enrollment=enrollment, **_set(event.details))


def changes(event: ParticipantEvent) -> dict[str, Any]:
    """What an event says, by field."""
    match event:
        case ParticipantMerged():
            return {"merged_into": event.into, "reason": event.reason}
        case ParticipantUnmerged():
            return {"merged_into": None, "reason": event.reason}
        case EnrollmentWithdrawn():
            return {"withdrawn": True} if event.restored is None else _set(event.restored)
        case _:
            said = _set(event.details)
    if isinstance(event, ParticipantRegistered | ParticipantEnrolled):
        said = {"external_id": event.external_id, "program": event.program, **said}
    return said


def view(snapshot: Snapshot) -> ParticipantView:
    """What callers see."""
    state: Participant = snapshot.state
    said = {name: getattr(state, name) for name in _SHOWN}
    return ParticipantView(
        **said,
        version=snapshot.version,
        created_at=snapshot.created_at,
        updated_at=snapshot.updated_at,
        responses=f"/v1/responses?subject=Patient/{state.id}",
        elements=state.elements or UNSET,
        withdrawn=state.withdrawn or UNSET,
        merged_into=state.merged_into or UNSET,
    )
