"""What may happen to a response, and what it is after it happened. Pure."""

from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.questionnaires import Definition, Item, Questionnaire, canonical
from keepwell.domains.responses.errors import (
    INVALID_ANSWERS,
    QUESTIONNAIRE_NOT_PUBLISHED,
    RESPONSE_INVALID,
    RESPONSE_NOT_SUBMITTED,
    RESPONSE_SUBMITTED,
)
from keepwell.domains.responses.models import (
    AMENDED,
    COMPLETED,
    IN_PROGRESS,
    AddRow,
    AmendResponse,
    Answers,
    AnswersChanged,
    CreateResponse,
    PatchResponse,
    RemoveRow,
    Response,
    ResponseAmended,
    ResponseCreated,
    ResponseEvent,
    ResponseSubmitted,
    ResponseView,
    RowAdded,
    RowRemoved,
    Rows,
    SubmitResponse,
)
from keepwell.domains.responses.rules.addresses import Address, Unaddressable, prefix, read
from keepwell.domains.responses.rules.changes import MAX_ROWS, Ground, RowIds, added_rows, too_many_rows, understand
from keepwell.domains.responses.rules.verdicts import filled, shortcomings
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Command, Context, Reference, Snapshot
from keepwell.kernel.problems import INVALID_BODY, NOT_FOUND, Fault, Refusal
from keepwell.kit.time import microseconds

QUESTIONNAIRE = "questionnaire"
_MAX_SUBJECT = 255


def needs_published(_state: None, command: CreateResponse) -> tuple[Reference, ...]:
    """A creation must see the questionnaire as it is now: it may have been retired a moment ago."""
    return (Reference(QUESTIONNAIRE, command.questionnaire, fresh=True),)


def needs_form(state: Response | None, _command: Any) -> tuple[Reference, ...]:
    """Everything later needs the compiled form only, which never changes."""
    return () if state is None else (Reference(QUESTIONNAIRE, state.questionnaire),)


def guard_open(state: Response, _command: Any, _context: Context) -> Refusal | None:
    """Nothing changes a submitted response but an amendment."""
    return None if state.status == IN_PROGRESS else Refusal(RESPONSE_SUBMITTED)


def guard_submitted(state: Response, _command: AmendResponse, _context: Context) -> Refusal | None:
    """Only what was submitted is amended."""
    return Refusal(RESPONSE_NOT_SUBMITTED) if state.status == IN_PROGRESS else None


def decide_create(_state: None, command: CreateResponse, context: Context) -> Decision:
    """Begins a response, about the person named or else the one who begins it. Rows named in its answers begin with it."""
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
    change = understand(ground, command.answers, bring_rows=True)
    if change.faults:
        return Refusal(INVALID_ANSWERS, faults=change.faults)
    rows = {**change.rows, **{name: ids for name, ids in change.answer_rows.items() if ids}}
    if too_many_rows(definition, rows):
        return _too_many_rows()
    given = {address: value for address, value in change.answers.items() if value is not None}
    version = form.resource.get("version")
    return (ResponseCreated(command.questionnaire, given, rows, subject, canonical(form), version),)


def unknown_questionnaire() -> Refusal:
    """Said alike of an id and of a canonical that name nothing, or nothing of this clinic."""
    fault = Fault("/questionnaire", "unknown-questionnaire", "There is no such questionnaire.")
    return Refusal(NOT_FOUND, "There is no such questionnaire.", faults=(fault,))


def decide_patch(state: Response, command: PatchResponse, context: Context) -> Decision:
    """Every answer named is written, also one that stays the same: somebody has said so."""
    if not command.answers:
        return ()
    definition = _definition(state, context)
    change = understand(_ground(definition, state, command, context), command.answers)
    if change.faults:
        return Refusal(INVALID_ANSWERS, faults=change.faults)
    if change.answer_rows and too_many_rows(definition, {**state.rows, **change.answer_rows}):
        return _too_many_rows()
    return (AnswersChanged(change.answers, change.answer_rows),)


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
    gone = f"{container}[{row}]."
    return (RowRemoved(container, row, {address: ids for address, ids in state.rows.items() if address.startswith(gone)}),)


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
    change = understand(_ground(definition, state, command, context), command.answers, bring_rows=True)
    if change.faults:
        return Refusal(INVALID_ANSWERS, faults=change.faults)
    event = ResponseAmended(command.reason, change.answers, change.rows, change.answer_rows)
    after = evolve(state, event)
    if too_many_rows(definition, after.rows):
        return _too_many_rows()
    faults = shortcomings(definition, filled(after, context.now))
    return Refusal(RESPONSE_INVALID, faults=faults) if faults else (event,)


def _too_many_rows() -> Refusal:
    return Refusal(
        INVALID_ANSWERS, faults=(Fault("", "limit", f"A response may have at most {MAX_ROWS} rows, fewer in large groups."),)
    )


def _definition(state: Response, context: Context) -> Definition:
    return context.derived[QUESTIONNAIRE, state.questionnaire]


def evolve(state: Response | None, event: ResponseEvent) -> Response:
    """The response after one event."""
    if isinstance(event, ResponseCreated):
        return Response(
            event.questionnaire,
            IN_PROGRESS,
            event.answers,
            event.rows,
            sum(len(ids) for ids in event.rows.values()),
            event.subject,
            event.canonical,
            event.questionnaire_version,
        )
    if state is None:
        raise ValueError("a response begins by being created")
    if isinstance(event, AnswersChanged):
        if event.answer_rows:
            return _answered(state, event.answers, event.answer_rows)
        return replace(state, answers=_merged(state.answers, event.answers))
    return _evolve_rarely(state, event)


def _evolve_rarely(state: Response, event: RowAdded | RowRemoved | ResponseSubmitted | ResponseAmended) -> Response:
    match event:
        case RowAdded():
            return _answered(_with_rows(state, {event.group: (event.row,)}), event.answers, event.answer_rows)
        case RowRemoved():
            return _without_row(state, event.group, event.row)
        case ResponseSubmitted():
            return replace(state, status=COMPLETED)
        case ResponseAmended():
            return _answered(_with_rows(replace(state, status=AMENDED), event.rows), event.answers, event.answer_rows)


def _with_rows(state: Response, more: Rows) -> Response:
    made = state.rows_made + sum(len(ids) for ids in more.values())
    return replace(state, rows=added_rows(state.rows, more), rows_made=made)


def _answered(state: Response, answers: Answers, answer_rows: Rows) -> Response:
    """With these answers, and the rows of the questions among them as they are now. What stood in rows that went goes too."""
    for name, ids in answer_rows.items():
        before = state.rows.get(name, ())
        for row in set(before) - set(ids):
            state = _without_row(state, name, row)
        rows = {address: ids_ for address, ids_ in {**state.rows, name: ids}.items() if ids_}
        state = replace(state, rows=rows, rows_made=state.rows_made + len(set(ids) - set(before)))
    return replace(state, answers=_merged(state.answers, answers))


def _merged(answers: Answers, changes: Answers) -> Answers:
    merged = {**answers, **changes}
    if None in changes.values():
        return {address: value for address, value in merged.items() if value is not None}
    return merged


def _without_row(state: Response, container: str, row: str) -> Response:
    """Everything inside goes with the row, inner rows too. An item without rows is not mentioned any more."""
    gone = f"{container}[{row}]."
    rows = {address: ids for address, ids in state.rows.items() if not address.startswith(gone)}
    rows[container] = tuple(one for one in state.rows[container] if one != row)
    answers = {address: value for address, value in state.answers.items() if not address.startswith(gone)}
    return replace(state, answers=answers, rows={address: ids for address, ids in rows.items() if ids})


def view(snapshot: Snapshot) -> ResponseView:
    """What callers see."""
    state: Response = snapshot.state
    return ResponseView(
        snapshot.id,
        state.questionnaire,
        state.canonical,
        state.questionnaire_version,
        state.subject,
        state.status,
        snapshot.version,
        state.answers,
        state.rows,
        snapshot.created_at,
        snapshot.updated_at,
    )
