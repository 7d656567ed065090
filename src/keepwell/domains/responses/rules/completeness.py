"""Whether a response may be submitted: everything required is there, nothing stands where it may not, every value fits.

A group that is not required and has nothing in it asks for nothing; nor does what stands below an unanswered question.
Source: HL7 FHIR SDC 3.0.0, form behaviour, and R4 Questionnaire.item.required.
"""

from typing import Any

from keepwell.domains.questionnaires import Definition, Item, escape
from keepwell.domains.responses.models import Answers, Rows
from keepwell.domains.responses.rules.addresses import Address, prefix, read
from keepwell.domains.responses.rules.changes import MAX_FAULTS
from keepwell.domains.responses.rules.enablement import Filled, Instance, filled_instances
from keepwell.domains.responses.rules.values import judge
from keepwell.kernel.problems import Fault


def shortcomings(definition: Definition, answers: Answers, rows: Rows) -> tuple[Fault, ...]:
    """One fault for every faulty item, in the order of the form; none when the response may be submitted."""
    addresses = [address for text in answers if isinstance(address := read(definition, text, rows), Address)]
    present = filled_instances(definition, addresses)
    filled = Filled(definition, answers, rows)
    faults: list[Fault] = []
    for item in definition.items.values():
        for path in filled.paths(item.groups):
            text = prefix(item.groups, path) + item.link_id
            found = _shortcoming(item, (item.link_id, path), answers.get(text), filled, present)
            if found is not None:
                faults.append(Fault(f"/answers/{escape(text)}", *found, item.link_id))
                if len(faults) >= MAX_FAULTS:
                    return tuple(faults)
    return tuple(faults)


def _shortcoming(item: Item, at: Instance, value: Any, filled: Filled, present: set[Instance]) -> tuple[str, str] | None:
    """The code and sentence for one item in one place."""
    if at not in filled.enabled:
        return ("not-enabled", "This question does not apply here and cannot have an answer.") if value is not None else None
    if value is not None:
        slips = judge(item, value).slips
        return (slips[0].code, slips[0].message) if slips else None
    if not item.required or not _asked(item, at[1], present):
        return None
    if item.type == "group":
        return None if at in present else ("required", "Something in this part must be answered.")
    return ("required", "This question must be answered.") if item.answerable else None


def _asked(item: Item, path: tuple[str, ...], present: set[Instance]) -> bool:
    """Whether what stands around the item is there, so that the item is asked for at all."""
    return item.parent is None or (item.parent, path) in present
