"""What a response is after something happened to it, what it was before, and how callers see it. Pure."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from keepwell.domains.responses.models import (
    AMENDED,
    COMPLETED,
    IN_PROGRESS,
    VOIDED,
    Answers,
    AnswersChanged,
    Elements,
    Response,
    ResponseAmended,
    ResponseChange,
    ResponseCreated,
    ResponseEvent,
    ResponseSubmitted,
    ResponseView,
    ResponseVoided,
    RowAdded,
    RowRemoved,
    Rows,
    RowView,
)
from keepwell.domains.responses.rules.changes import added_rows
from keepwell.kernel.envelope import Snapshot
from keepwell.kernel.journal import event_name


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
            event.elements,
        )
    if state is None:
        raise ValueError("a response begins by being created")
    if isinstance(event, AnswersChanged):
        if event.elements:
            state = _told(state, event.elements)
        if event.answer_rows:
            return answered(state, event.answers, event.answer_rows)
        return replace(state, answers=_with(state.answers, event.answers))
    return _evolve_rarely(state, event)


def _evolve_rarely(
    state: Response, event: RowAdded | RowRemoved | ResponseSubmitted | ResponseAmended | ResponseVoided
) -> Response:
    match event:
        case RowAdded():
            return answered(_with_rows(state, {event.group: (event.row,)}), event.answers, event.answer_rows)
        case RowRemoved():
            return without_row(state, event.group, event.row)
        case ResponseSubmitted():
            return replace(state, status=COMPLETED)
        case ResponseAmended():
            amended = _with_rows(_told(replace(state, status=AMENDED), event.elements), event.rows)
            return answered(amended, event.answers, event.answer_rows)
        case ResponseVoided():
            return replace(state, status=VOIDED)


def _told(state: Response, elements: Elements) -> Response:
    return replace(state, elements=_with(state.elements, elements))


def _with_rows(state: Response, more: Rows) -> Response:
    made = state.rows_made + sum(len(ids) for ids in more.values())
    return replace(state, rows=added_rows(state.rows, more), rows_made=made)


def answered(state: Response, answers: Answers, answer_rows: Rows) -> Response:
    """With these answers, and the rows named as they are now. What stood in rows that went goes too."""
    for name, ids in answer_rows.items():
        before = state.rows.get(name, ())
        for row in set(before) - set(ids):
            state = without_row(state, name, row)
        rows = {address: ids_ for address, ids_ in {**state.rows, name: ids}.items() if ids_}
        state = replace(state, rows=rows, rows_made=state.rows_made + len(set(ids) - set(before)))
    return replace(state, answers=_with(state.answers, answers))


def _with(answers: Answers, changes: Answers) -> Answers:
    merged = {**answers, **changes}
    if None in changes.values():
        return {address: value for address, value in merged.items() if value is not None}
    return merged


def without_row(state: Response, container: str, row: str) -> Response:
    """Everything inside goes with the row, inner rows too. An item without rows is not mentioned any more."""
    gone = f"{container}[{row}]."
    rows = {address: ids for address, ids in state.rows.items() if not address.startswith(gone)}
    rows[container] = tuple(one for one in state.rows[container] if one != row)
    answers = {address: value for address, value in state.answers.items() if not address.startswith(gone)}
    return replace(state, answers=answers, rows={address: ids for address, ids in rows.items() if ids})


def changed(
    state: Response, answers: Answers, answer_rows: Rows, behind: int = 0, elements: Elements | None = None
) -> AnswersChanged:
    """The event that gives a response these answers and elements, with what they replace."""
    event = AnswersChanged(answers, answer_rows, behind=behind)
    if elements:
        event = replace(event, elements=elements, replaced_elements={name: state.elements.get(name) for name in elements})
    if answer_rows:
        return replace(event, **_replaced(state, evolve(state, event), answers))
    return replace(event, replaced={address: state.answers.get(address) for address in answers})


def removed(state: Response, container: str, row: str) -> RowRemoved:
    """The event that takes a row away, with all that goes along."""
    return replace(RowRemoved(container, row), **_replaced(state, without_row(state, container, row), {}))


def _replaced(before: Response, after: Response, named: Answers) -> dict[str, Answers | Rows]:
    gone = (address for address in before.answers if address not in after.answers)
    rows = {
        address: before.rows.get(address, ())
        for address in dict.fromkeys((*before.rows, *after.rows))
        if before.rows.get(address) != after.rows.get(address)
    }
    return {"replaced": {address: before.answers.get(address) for address in (*named, *gone)}, "replaced_rows": rows}


def change_of(version: int, event: ResponseEvent) -> ResponseChange:
    """What an event changed, as those are told who have the version before it."""
    told = ResponseChange(version, event_name(event), IN_PROGRESS)
    match event:
        case ResponseCreated():
            told = replace(told, answers=event.answers, rows=event.rows, elements=event.elements)
        case AnswersChanged():
            answers = {**dict.fromkeys(event.replaced), **event.answers}
            told = replace(told, answers=answers, rows=event.answer_rows, elements=event.elements)
        case RowAdded():
            told = replace(told, answers=event.answers, rows=event.answer_rows, rows_added={event.group: (event.row,)})
        case RowRemoved():
            told = replace(told, answers=dict.fromkeys(event.replaced), rows_removed={event.group: (event.row,)})
        case ResponseSubmitted():
            told = replace(told, status=COMPLETED)
        case ResponseAmended():
            told = replace(told, status=AMENDED, answers=event.answers, rows=event.answer_rows, rows_added=event.rows)
            told = replace(told, elements=event.elements, reason=event.reason)
        case ResponseVoided():
            told = replace(told, status=VOIDED, reason=event.reason)
    return told


def before(state: Response, events: Sequence[ResponseEvent]) -> Response:
    """A response as it was before `events`, the last of which led to `state`. All of it was in progress."""
    answers, rows, elements = dict(state.answers), dict(state.rows), dict(state.elements)
    for event in reversed(events):
        match event:
            case AnswersChanged() | RowRemoved():
                answers |= event.replaced
                rows |= event.replaced_rows
                if isinstance(event, AnswersChanged):
                    elements |= event.replaced_elements
            case RowAdded():
                gone = f"{event.group}[{event.row}]."
                answers = {address: value for address, value in answers.items() if not address.startswith(gone)}
                rows = {address: ids for address, ids in rows.items() if not address.startswith(gone)}
                rows[event.group] = tuple(row for row in rows[event.group] if row != event.row)
            case _:
                raise ValueError("only what happens in progress can be undone")
    return replace(
        state,
        answers={address: value for address, value in answers.items() if value is not None},
        rows={address: ids for address, ids in rows.items() if ids},
        elements={name: value for name, value in elements.items() if value is not None},
    )


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
        state.elements or msgspec.UNSET,
    )


def newest_row(body: bytes, group: str) -> RowView:
    """The row that a response shown like this got last: it stands last in its group, whose address may have been given short."""
    after = msgspec.json.decode(body, type=ResponseView)
    short = "." + group.lower()
    address = group if group in after.rows else next(name for name in after.rows if name.lower().endswith(short))
    row = after.rows[address][-1]
    return RowView(row, row, address, after.version, after)
