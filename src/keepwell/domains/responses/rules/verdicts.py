"""What the rules of a form say of a response: every issue with its place among the answers, and whether it may be submitted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from keepwell.domains.questionnaires import Definition, Item, escape
from keepwell.domains.responses.models import COMPLETED, IN_PROGRESS, Answers, Response, Rows
from keepwell.domains.responses.rules.addresses import Address, Unaddressable, read
from keepwell.domains.responses.rules.changes import MAX_FAULTS
from keepwell.domains.responses.rules.tree import Place, Tree, items_of, locate
from keepwell.domains.validation import Issue, Severity, check
from keepwell.kernel.problems import Fault

DISABLED = "disabled"
"""The code of an answer to a question that does not apply."""


class Filled(NamedTuple):
    """Answers to a form, about somebody, as they are at an instant."""

    answers: Answers
    rows: Rows
    now: datetime
    subject: str | None = None
    canonical: str | None = None


def filled(state: Response, now: datetime) -> Filled:
    """The answers of a response."""
    return Filled(state.answers, state.rows, now, state.subject, state.canonical)


def as_resource(answered: Filled, tree: Tree, status: str) -> dict[str, Any]:
    """A FHIR R4 QuestionnaireResponse with this tree of items."""
    resource: dict[str, Any] = {"resourceType": "QuestionnaireResponse", "status": status}
    if answered.canonical is not None:
        resource["questionnaire"] = answered.canonical
    if answered.subject is not None:
        resource["subject"] = {"reference": answered.subject}
    resource["authored"] = answered.now.isoformat(timespec="seconds").replace("+00:00", "Z")
    if tree:
        resource["item"] = tree
    return resource


def issues(definition: Definition, answered: Filled, *, strict: bool) -> list[tuple[Issue, Place]]:
    """Everything found, in the order of the form, each with its place. A row that holds nothing is as good as not there."""
    tree = items_of(definition, answered.answers, answered.rows, empty_rows=False)
    resource = as_resource(answered, tree, COMPLETED if strict else IN_PROGRESS)
    found = check(definition.form, resource, strict=strict, now=answered.now)
    return [(issue, locate(definition, tree, issue.pointer, issue.link_id)) for issue in found] if found else []


def shortcomings(definition: Definition, answered: Filled) -> tuple[Fault, ...]:
    """One fault for every faulty item, in the order of the form; none when the response may be submitted."""
    faults: dict[str, Fault] = {}
    for issue, place in issues(definition, answered, strict=True):
        if issue.severity is Severity.ERROR:
            # Of what is wrong with one item, be it with several of its answers, the first is enough to go and look.
            faults.setdefault(place.address, as_fault(issue, place, answered.answers))
    return tuple(faults.values())[:MAX_FAULTS]


def as_fault(issue: Issue, place: Place, answers: Mapping[str, Any]) -> Fault:
    """An issue at its place among the answers."""
    address = place.address
    several = place.answer is not None and isinstance(answers.get(address), list)
    pointer = f"/answers/{escape(address)}" + (f"/{place.answer}" if several else "") + place.below
    return Fault(pointer if address else "", issue.code, issue.message, issue.link_id)


def disabled(definition: Definition, answered: Filled) -> set[str]:
    """The addresses of answers that stand where they do not apply."""
    found = {
        (place.item.link_id, place.rows)
        for issue, place in issues(definition, answered, strict=False)
        if issue.code == DISABLED and place.item is not None
    }
    return {text for text in answered.answers if found and _inside(definition, read(definition, text, answered.rows), found)}


def _inside(definition: Definition, address: Address | Unaddressable, instances: set[tuple[str, tuple[str, ...]]]) -> bool:
    """Whether an answer is one of these items in these rows, or stands in one."""
    if isinstance(address, Unaddressable):
        return False
    item: Item | None = address.item
    while item is not None:
        if (item.link_id, address.rows[: len(item.groups)]) in instances:
            return True
        item = None if item.parent is None else definition.items[item.parent]
    return False
