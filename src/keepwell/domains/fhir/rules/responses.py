"""A QuestionnaireResponse as what may be asked of a response, and back.

Answers and rows are the room's own; status, form and subject too. Whatever else a resource says at its top is kept as sent.
"""

from typing import Any, cast

import msgspec

from keepwell.domains.fhir.models import Resource
from keepwell.domains.fhir.rules.resources import instant, structure_faults, told, versioned
from keepwell.domains.questionnaires import Definition
from keepwell.domains.responses import (
    AMENDED,
    COMPLETED,
    IN_PROGRESS,
    VOIDED,
    AmendResponse,
    CreateResponse,
    Elements,
    PatchResponse,
    Reading,
    Response,
    SubmitResponse,
    VoidResponse,
    items_of,
    replacement,
)
from keepwell.kernel import Command, Fault, Snapshot
from keepwell.kit.ids import NIL

QUESTIONNAIRE_RESPONSE = "QuestionnaireResponse"
_HELD = ("questionnaire", "status", "item")
_BEGINS_AS = (IN_PROGRESS, COMPLETED)
_BECOMES = (IN_PROGRESS, COMPLETED, AMENDED, VOIDED)


def response_of(snapshot: Snapshot, definition: Definition) -> Resource:
    """The QuestionnaireResponse that shows a response."""
    state: Response = snapshot.state
    elements = {
        **state.elements,
        "questionnaire": state.canonical or f"Questionnaire/{state.questionnaire}",
        "status": state.status,
    }
    if state.subject is not None:
        elements["subject"] = {"reference": state.subject, **cast("dict[str, Any]", state.elements.get("subject", {}))}
    elements.setdefault("authored", instant(snapshot.updated_at))
    items = _worded(definition, items_of(definition, state.answers, state.rows))
    if items:
        elements["item"] = items
    return versioned(elements, QUESTIONNAIRE_RESPONSE, str(snapshot.id), snapshot.version, snapshot.updated_at)


def _worded(definition: Definition, tree: list[Resource]) -> list[Resource]:
    """A tree with the texts and definitions that the form gives its items."""
    return [_worded_item(definition, one) for one in tree]


def _worded_item(definition: Definition, one: Resource) -> Resource:
    item = definition.items[one["linkId"]]
    words = {"definition": item.definition, "text": item.text}
    found = {name: one[name] for name in ("id", "linkId") if name in one}
    found |= {name: text for name, text in words.items() if text is not None}
    if "answer" in one:
        found["answer"] = [
            {**answer, "item": _worded(definition, answer["item"])} if "item" in answer else answer for answer in one["answer"]
        ]
    if "item" in one:
        found["item"] = _worded(definition, one["item"])
    return found


def subject_of(resource: Resource) -> str | None:
    """The reference to the person it is about."""
    subject: Any = resource.get("subject")
    reference = cast("dict[str, Any]", subject).get("reference") if isinstance(subject, dict) else None
    return reference if isinstance(reference, str) else None


def elements_of(resource: Resource, base: Snapshot | None = None) -> Elements:
    """What is kept as it was sent. When it was authored counts only where that is not what the server said by itself."""
    found = told(resource, without=_HELD)
    if isinstance(found.get("subject"), dict):
        _without(found, "subject", "reference")
    if base is not None and "authored" not in base.state.elements and found.get("authored") == instant(base.updated_at):
        del found["authored"]
    return found


def _without(elements: Elements, name: str, part: str) -> None:
    rest = {key: value for key, value in elements[name].items() if key != part}
    if rest:
        elements[name] = rest
    else:
        del elements[name]


def head_faults(resource: Resource) -> list[Fault]:
    """What of the elements beside the items cannot be stored."""
    return structure_faults(QUESTIONNAIRE_RESPONSE, {name: value for name, value in resource.items() if name != "item"})


def begin_faults(resource: Resource) -> list[Fault]:
    """As `head_faults`, for a response that is to begin."""
    if resource.get("status") in _BEGINS_AS or "status" not in resource:
        return head_faults(resource)
    fault = Fault("/status", "status", f"A response begins as one of: {', '.join(_BEGINS_AS)}.")
    return [*head_faults(resource), fault]


def update_faults(base: Snapshot, resource: Resource) -> list[Fault]:
    """As `head_faults`, for one that is to replace another: form and subject stay what they are."""
    state: Response = base.state
    faults = head_faults(resource)
    if "status" in resource and resource["status"] not in _BECOMES:
        faults.append(Fault("/status", "status", f"The status can be one of: {', '.join(_BECOMES)}."))
    if resource.get("questionnaire") not in _names(state):
        faults.append(Fault("/questionnaire", "fixed", "A response stays with its questionnaire."))
    if subject_of(resource) != state.subject:
        faults.append(Fault("/subject", "fixed", "A response stays with its subject."))
    return faults


def _names(state: Response) -> tuple[str, ...]:
    """All that the form of a response may be called."""
    form = str(state.questionnaire)
    canonical = () if state.canonical is None else (state.canonical, state.canonical.partition("|")[0])
    return (form, f"Questionnaire/{form}", *canonical)


def create(questionnaire: Any, resource: Resource, reading: Reading) -> CreateResponse:
    """The command that begins a response. Rows that its answers bring along are not named, as no other door would."""
    rows = {name: ids for name, ids in reading.rows.items() if not _brought(name, ids, reading)}
    return CreateResponse(
        NIL,
        questionnaire,
        subject_of(resource),
        reading.answers,
        rows,
        elements_of(resource),
        resource.get("status") == COMPLETED,
    )


def _brought(name: str, ids: tuple[str, ...], reading: Reading) -> bool:
    """Whether the rows of a group begin, in this order, where the answers name them."""
    if name in reading.answers:
        return False
    direct = [f"{name}[{row}]." for row in ids]
    return all(any(address.startswith(row) and "]." not in address[len(row) :] for address in reading.answers) for row in direct)


def update(base: Snapshot, resource: Resource, reading: Reading, reason: str) -> tuple[Command, ...]:
    """The commands that make a response say what a resource says: those that any other door would have been sent."""
    state: Response = base.state
    status = resource.get("status")
    change = replacement(state, reading.answers, reading.rows, elements_of(resource, base))
    if status == AMENDED:
        return (AmendResponse(base.id, reason, *change),)
    patch = PatchResponse(base.id, *change)
    if status not in (COMPLETED, VOIDED) or (status == state.status and not change.empty):
        return (patch,)
    last = SubmitResponse(base.id) if status == COMPLETED else VoidResponse(base.id, reason)
    return (last,) if change.empty else (patch, last)


def seed(resource: Resource, base: Snapshot | None) -> bytes:
    """What the ids of new rows follow from, so that the same request brings the same rows, and no other the same."""
    version = "" if base is None else f"{base.id}/{base.version}"
    return version.encode() + msgspec.json.encode(resource.get("item"), order="deterministic")
