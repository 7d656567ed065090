"""What may happen to a response, and what it is after it happened. Pure."""

from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.questionnaires import Definition, Item, Questionnaire, canonical, escape
from keepwell.domains.responses.errors import (
    INVALID_ANSWERS,
    MERGE_CONFLICT,
    QUESTIONNAIRE_NOT_PUBLISHED,
    RESPONSE_INVALID,
    RESPONSE_NOT_SUBMITTED,
    RESPONSE_SUBMITTED,
    RESPONSE_VOIDED,
)
from keepwell.domains.responses.models import (
    IN_PROGRESS,
    VOIDED,
    AddRow,
    AmendResponse,
    CreateResponse,
    GetResponse,
    PatchResponse,
    RemoveRow,
    Response,
    ResponseAmended,
    ResponseCreated,
    ResponseEvent,
    ResponseSubmitted,
    ResponseVoided,
    RowAdded,
    Rows,
    SubmitResponse,
    VoidResponse,
)
from keepwell.domains.responses.rules.addresses import Address, Unaddressable, prefix, read
from keepwell.domains.responses.rules.changes import (
    MAX_FAULTS,
    MAX_ROWS,
    Ground,
    RowIds,
    added_rows,
    too_many_rows,
    understand,
)
from keepwell.domains.responses.rules.evolution import before, changed, evolve, removed
from keepwell.domains.responses.rules.merging import Conflict, changed_inside, cleared, merge
from keepwell.domains.responses.rules.verdicts import filled, shortcomings
from keepwell.kernel.aggregate import Decision, Merge
from keepwell.kernel.envelope import Command, Context, Reference
from keepwell.kernel.problems import INVALID_BODY, NOT_FOUND, VERSION_CONFLICT, Fault, Refusal
from keepwell.kit.time import microseconds

QUESTIONNAIRE = "questionnaire"
_MAX_SUBJECT = 255
_INCOMPLETE = replace(RESPONSE_INVALID, kept=False)
"""Said of a response that was sent as complete: what was sent is at fault, so the corrected one may come under the same key."""


def needs_published(_state: None, command: CreateResponse) -> tuple[Reference, ...]:
    """A creation must see the questionnaire as it is now: it may have been retired a moment ago."""
    return (Reference(QUESTIONNAIRE, command.questionnaire, fresh=True),)


def needs_form(state: Response | None, _command: Any) -> tuple[Reference, ...]:
    """Everything later needs the compiled form only, which never changes."""
    return () if state is None else (Reference(QUESTIONNAIRE, state.questionnaire),)


def guard_open(state: Response, _command: Any, _context: Context) -> Refusal | None:
    """Nothing changes a submitted response but an amendment, and nothing at all one that was declared entered in error."""
    if state.status == IN_PROGRESS:
        return None
    return Refusal(RESPONSE_VOIDED if state.status == VOIDED else RESPONSE_SUBMITTED)


def guard_submitted(state: Response, _command: AmendResponse, _context: Context) -> Refusal | None:
    """Only what was submitted is amended."""
    if state.status == IN_PROGRESS:
        return Refusal(RESPONSE_NOT_SUBMITTED)
    return Refusal(RESPONSE_VOIDED) if state.status == VOIDED else None


def guard_not_voided(state: Response, _command: VoidResponse, _context: Context) -> Refusal | None:
    """What was declared entered in error is so for ever."""
    return Refusal(RESPONSE_VOIDED) if state.status == VOIDED else None


def decide_create(_state: None, command: CreateResponse, context: Context) -> Decision:
    """Begins a response. One that is submitted at once is complete and correct, or does not begin."""
    created = _created(command, context)
    if isinstance(created, Refusal):
        return created
    if not command.submitted:
        return (created,)
    definition: Definition = context.derived[QUESTIONNAIRE, command.questionnaire]
    faults = shortcomings(definition, filled(evolve(None, created), context.now))
    return Refusal(_INCOMPLETE, faults=faults) if faults else (created, ResponseSubmitted())


def _created(command: CreateResponse, context: Context) -> ResponseCreated | Refusal:
    """A response about the person named or else the one who begins it. Rows named in its answers begin with it."""
    found = context.references.get((QUESTIONNAIRE, command.questionnaire))
    if found is None:
        return unknown_questionnaire()
    form: Questionnaire = found.state
    if form.status != "active":
        return Refusal(QUESTIONNAIRE_NOT_PUBLISHED)
    subject = command.subject if command.subject is not None else context.actor.subject
    if subject is not None and (not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable() or " " in subject):
        fault = Fault("/subject", "reference", "The subject must be a FHIR reference such as Patient/<id>.")
        return Refusal(INVALID_BODY, faults=(fault,))
    definition: Definition = context.derived[QUESTIONNAIRE, command.questionnaire]
    ground = Ground(definition, {}, {}, _row_ids(command, context))
    change = understand(ground, command.answers, bring_rows=True, named=command.rows)
    if change.faults:
        return Refusal(INVALID_ANSWERS, faults=change.faults)
    rows = {**change.rows, **{name: ids for name, ids in change.answer_rows.items() if ids}}
    if too_many_rows(definition, rows):
        return _too_many_rows()
    given = {address: value for address, value in change.answers.items() if value is not None}
    version = form.resource.get("version")
    return ResponseCreated(command.questionnaire, given, rows, subject, canonical(form), version, command.elements)


def unknown_questionnaire() -> Refusal:
    """Said alike of an id and of a canonical that name nothing, or nothing of this clinic."""
    fault = Fault("/questionnaire", "unknown-questionnaire", "There is no such questionnaire.")
    return Refusal(NOT_FOUND, "There is no such questionnaire.", faults=(fault,))


def decide_patch(state: Response, command: PatchResponse, context: Context) -> Decision:
    """Every answer named is written, also one that stays the same: somebody has said so."""
    if not (command.answers or command.rows or command.elements):
        return ()
    definition = _definition(state, context)
    change = understand(_ground(definition, state, command, context), command.answers, named=command.rows)
    if change.faults:
        return Refusal(INVALID_ANSWERS, faults=change.faults)
    if change.answer_rows and too_many_rows(definition, {**state.rows, **change.answer_rows}):
        return _too_many_rows()
    return (changed(state, change.answers, change.answer_rows, elements=command.elements),)


def merge_patch(state: Response, command: PatchResponse, context: Context, since: tuple[ResponseEvent, ...]) -> Merge | Refusal:
    """A change made before `since`. What of it is left to write is one event, with what it takes out of force.

    Only answers are merged.
    """
    if command.rows or command.elements:
        return Refusal(VERSION_CONFLICT)
    definition, base = _definition(state, context), before(state, since)
    ground = Ground(definition, base.answers, base.rows, _row_ids(command, context), state.rows_made)
    change = understand(ground, command.answers)
    if change.faults:
        return Refusal(INVALID_ANSWERS, faults=change.faults)
    merged = merge(base, state, change)
    if merged.conflicts:
        return _conflict(merged.conflicts)
    gone = cleared(definition, base, state, change, merged, context.now)
    answers = {**merged.answers, **dict.fromkeys(gone)}
    if not answers:
        return Merge((), {"merged": True})
    answer_rows = {**merged.answer_rows, **{address: () for address in gone if address in (*state.rows, *merged.answer_rows)}}
    event = changed(state, answers, answer_rows, behind=len(since))
    if answer_rows and too_many_rows(definition, evolve(state, event).rows):
        return _too_many_rows()
    return Merge((event,), {"merged": True, "cleared": gone} if gone else {"merged": True})


def _conflict(conflicts: tuple[Conflict, ...]) -> Refusal:
    faults: list[Fault] = []
    for one in conflicts[:MAX_FAULTS]:
        link_id = one.linkId.rpartition("].")[2]
        message = "Somebody else changed this answer too."
        faults.append(Fault(f"/answers/{escape(one.linkId)}", "conflict", message, link_id))
    return Refusal(MERGE_CONFLICT, faults=tuple(faults), disclosed={"conflicts": conflicts})


def _ground(definition: Definition, state: Response, command: Command, context: Context) -> Ground:
    return Ground(definition, state.answers, state.rows, _row_ids(command, context), state.rows_made)


def _row_ids(command: Command, context: Context) -> RowIds:
    return lambda ordinal: row_id(command.id, ordinal, microseconds(context.now))


def decide_add_row(state: Response, command: AddRow, context: Context) -> Decision:
    """Adds a row at the end of its group."""
    definition = _definition(state, context)
    group = _group(definition, command.group, state)
    if isinstance(group, Fault):
        return Refusal(INVALID_BODY, faults=(group,))
    container, row = str(group), row_id(command.id, state.rows_made, microseconds(context.now))
    rows = added_rows(state.rows, {container: (row,)})
    ground = _ground(definition, state, command, context)._replace(rows=rows, made=state.rows_made + 1)
    change = understand(ground, command.answers, inside=f"{container}[{row}].")
    if change.faults:
        return Refusal(INVALID_ANSWERS, faults=change.faults)
    if too_many_rows(definition, {**rows, **change.answer_rows}):
        return _too_many_rows()
    given = {address: value for address, value in change.answers.items() if value is not None}
    return (RowAdded(container, row, given, {name: ids for name, ids in change.answer_rows.items() if ids}),)


def _group(definition: Definition, text: str, state: Response) -> Address | Fault:
    """The repeating group at an address, all rows around which are there."""
    group = read(definition, text, state.rows)
    if isinstance(group, Unaddressable):
        return Fault("/group", group.code, group.message)
    groups, rows = group.item.groups, group.rows
    there = (
        rows[depth] in state.rows.get(prefix(groups[:depth], rows[:depth]) + groups[depth], ()) for depth in range(len(rows))
    )
    if not all(there):
        return Fault("/group", "unknown-row", "There is no such row.", group.item.link_id)
    if group.item.type != "group" or not group.item.rows:
        return Fault("/group", "not-repeating", "Only a repeating group has rows.", group.item.link_id)
    return group


def row_id(response: UUID, ordinal: int, instant: int) -> str:
    """The id of a response's nth row: a UUID version 7 (RFC 9562, 5.7) whose random part follows from response and ordinal.

    Derived, because a decision must come out the same however often it is taken. `instant` is in microseconds.
    """
    noise = int.from_bytes(sha256(response.bytes + ordinal.to_bytes(8, "big")).digest()[:10], "big")
    milliseconds = (instant // 1_000) & ((1 << 48) - 1)
    number = milliseconds << 80 | 0x7 << 76 | (noise >> 68 & 0xFFF) << 64 | 0b10 << 62 | noise & ((1 << 62) - 1)
    return str(UUID(int=number))


def decide_remove_row(state: Response, command: RemoveRow, context: Context) -> Decision:
    """A row of a group that is not there is not found. An answer of a question goes by changing the question's answers."""
    definition, row = _definition(state, context), str(command.row)
    container = next((address for address, ids in state.rows.items() if row in ids), None)
    if container is None or _item(definition, container, state.rows).type != "group":
        return Refusal(NOT_FOUND)
    return (removed(state, container, row),)


def merge_remove_row(state: Response, command: RemoveRow, context: Context, since: tuple[ResponseEvent, ...]) -> Merge | Refusal:
    """The removal of a row that was there before `since`: in order unless somebody changed something inside."""
    base, row = before(state, since), str(command.row)
    found = decide_remove_row(base, command, context)
    if isinstance(found, Refusal):
        return found
    container = next(address for address, ids in base.rows.items() if row in ids)
    if row not in state.rows.get(container, ()):
        return Merge((), {"merged": True})
    conflicts = changed_inside(base, state, f"{container}[{row}].")
    if conflicts:
        return _conflict(tuple(conflicts))
    return Merge((replace(removed(state, container, row), behind=len(since)),), {"merged": True})


def _item(definition: Definition, address: str, rows: Rows) -> Item:
    """The item at an address of the state, which always leads somewhere."""
    found = read(definition, address, rows)
    if isinstance(found, Unaddressable):
        raise ValueError("a stored address leads nowhere")  # noqa: TRY004 - it is a value that went wrong
    return found.item


def decide_submit(state: Response, _command: SubmitResponse, context: Context) -> Decision:
    """Only a complete and correct response is submitted."""
    faults = shortcomings(_definition(state, context), filled(state, context.now))
    return Refusal(RESPONSE_INVALID, faults=faults) if faults else (ResponseSubmitted(),)


def decide_amend(state: Response, command: AmendResponse, context: Context) -> Decision:
    """A correction needs a reason, and leaves the response as complete and correct as submitting it would ask."""
    if not command.reason.strip():
        return Refusal(INVALID_BODY, faults=(Fault("/reason", "required", "Say why the response is amended."),))
    definition = _definition(state, context)
    change = understand(_ground(definition, state, command, context), command.answers, bring_rows=True, named=command.rows)
    if change.faults:
        return Refusal(INVALID_ANSWERS, faults=change.faults)
    event = ResponseAmended(command.reason, change.answers, change.rows, change.answer_rows, command.elements)
    after = evolve(state, event)
    if too_many_rows(definition, after.rows):
        return _too_many_rows()
    faults = shortcomings(definition, filled(after, context.now))
    return Refusal(RESPONSE_INVALID, faults=faults) if faults else (event,)


def decide_get(_state: Response, _command: GetResponse, _context: Context) -> Decision:
    """Looking changes nothing."""
    return ()


def decide_void(_state: Response, command: VoidResponse, _context: Context) -> Decision:
    """Whatever a response is, it may turn out that it should never have been."""
    if not command.reason.strip():
        return Refusal(INVALID_BODY, faults=(Fault("/reason", "required", "Say why the response was entered in error."),))
    return (ResponseVoided(command.reason),)


def _too_many_rows() -> Refusal:
    return Refusal(
        INVALID_ANSWERS, faults=(Fault("", "limit", f"A response may have at most {MAX_ROWS} rows, fewer in large groups."),)
    )


def _definition(state: Response, context: Context) -> Definition:
    return context.derived[QUESTIONNAIRE, state.questionnaire]
