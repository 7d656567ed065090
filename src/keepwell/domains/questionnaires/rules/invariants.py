"""The invariants of an R4 Questionnaire, que-0 to que-13, and what a form needs so that it can be filled in at all.

Source: HL7 FHIR R4 (4.0.1), Questionnaire, constraints. Two deliberate readings:

- que-12 as its sentence says it: more than one `enableWhen` needs `enableBehavior`. The published expression lets exactly
  two slip through, and engines then disagree about what the form means.
- que-0 (the name should be usable as an identifier) is a warning, as published.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import reduce
from typing import Any

from keepwell.domains.questionnaires.models import Verdict
from keepwell.domains.questionnaires.rules.items import Found, dictionaries, walk
from keepwell.domains.questionnaires.rules.primitives import spells_true
from keepwell.domains.questionnaires.rules.structure import Findings, Place, TooManyFaults, below, examine
from keepwell.kit.order import in_order

MAX_ITEMS = 10_000
MAX_DEPTH = 40
_MAX_BYTES = {"url": 1_000, "version": 250, "title": 2_000}
_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,254}")
_WITH_OPTIONS = {"choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"}
_WITH_LENGTH = {"boolean", "decimal", "integer", "string", "text", "url", "open-choice"}
_COMPARABLE = {
    "boolean": {"Boolean"},
    "decimal": {"Decimal", "Integer"},
    "integer": {"Integer", "Decimal"},
    "date": {"Date"},
    "dateTime": {"DateTime", "Date"},
    "time": {"Time"},
    "string": {"String"},
    "text": {"String"},
    "url": {"String"},
    "choice": {"Coding", "String", "Integer", "Date", "Time"},
    "open-choice": {"Coding", "String", "Integer", "Date", "Time"},
    "quantity": {"Quantity"},
    "reference": {"Reference"},
}
_Broken = tuple[tuple[str | int, ...], str, str]
"""The steps below the item, the rule's code, and what to tell the author."""


def verdict(resource: Mapping[str, Any]) -> Verdict:
    """Everything wrong with a resource sent as a Questionnaire, at most `structure.MAX_FAULTS` faults, and what is doubtful.

    A form too large to be judged gets that one fault.
    """
    findings = Findings()
    with suppress(TooManyFaults):
        if resource.get("resourceType") != "Questionnaire":
            findings.fault(below(None, "resourceType"), "structure", "This must be Questionnaire.")
        for name, most in _MAX_BYTES.items():
            if isinstance(value := resource.get(name), str) and len(value.encode(errors="replace")) > most:
                findings.fault(below(None, name), "limit", f"This may have at most {most} bytes.")
        found = _items_within_limits(resource, findings)
        if found is not None:
            examine("Questionnaire", resource, findings)
            _invariants(resource, found, findings)
    return Verdict(tuple(findings.faults), tuple(findings.warnings))


def _invariants(resource: Mapping[str, Any], found: list[Found], findings: Findings) -> None:
    _link_ids(found, findings)
    for one in found:
        for steps, code, message in _broken(one.item):
            _fault(findings, one, steps, code, message)
    _targets(found, findings)
    _doubts(resource, found, findings)


def _place(found: Found, steps: tuple[str | int, ...]) -> Place:
    return reduce(below, steps, found.place)


def _text(element: Mapping[str, Any], name: str) -> str | None:
    """A member that should be a text, when it is one: nothing sent is of the type it should be until that was seen."""
    value = element.get(name)
    return value if isinstance(value, str) else None


def _link_id(found: Found) -> str | None:
    return _text(found.item, "linkId")


def _fault(findings: Findings, found: Found, steps: tuple[str | int, ...], code: str, message: str) -> None:
    findings.fault(_place(found, steps), code, message, _link_id(found))


def _warn(findings: Findings, found: Found, steps: tuple[str | int, ...], code: str, message: str) -> None:
    findings.warn(_place(found, steps), code, message, _link_id(found))


def _items_within_limits(resource: Mapping[str, Any], findings: Findings) -> list[Found] | None:
    found: list[Found] = []
    for one in walk(resource):
        found.append(one)
        if len(found) > MAX_ITEMS:
            findings.fault(below(None, "item"), "limit", f"A form may have at most {MAX_ITEMS} items.")
            return None
        if one.depth > MAX_DEPTH:
            findings.fault(one.place, "limit", f"Items may be nested at most {MAX_DEPTH} deep.")
            return None
    return found


def _link_ids(found: list[Found], findings: Findings) -> None:
    seen: set[str] = set()
    for one in found:
        link_id = one.item.get("linkId")
        if isinstance(link_id, str) and link_id in seen:
            _fault(findings, one, ("linkId",), "que-2", "Another item has this linkId already.")
        elif isinstance(link_id, str):
            seen.add(link_id)


def _broken(item: Mapping[str, Any]) -> Iterator[_Broken]:
    if item.get("type") == "group" and not item.get("item"):
        yield (), "que-1", "A group must have items."
    if item.get("type") == "display":
        yield from _broken_display(item)
    yield from _broken_answers(item)
    conditions = dictionaries(item.get("enableWhen"))
    if len(conditions) > 1 and "enableBehavior" not in item:
        yield ("enableWhen",), "que-12", "More than one enableWhen needs enableBehavior: all or any."
    for index, condition in enumerate(conditions):
        if condition.get("operator") == "exists" and "answerBoolean" not in condition:
            yield ("enableWhen", index), "que-7", "With the operator exists the answer must be a boolean."


def _broken_display(item: Mapping[str, Any]) -> Iterator[_Broken]:
    if "item" in item:
        yield ("item",), "que-1", "A display item cannot have items."
    if "code" in item:
        yield ("code",), "que-3", "A display item cannot have a code."
    for name in ("required", "repeats"):
        if name in item:
            yield (name,), "que-6", f"A display item cannot be {'required' if name == 'required' else 'repeated'}."
    if "readOnly" in item:
        yield ("readOnly",), "que-9", "A display item cannot be read-only."


def _broken_answers(item: Mapping[str, Any]) -> Iterator[_Broken]:
    kind = _text(item, "type")
    options = [name for name in ("answerOption", "answerValueSet") if name in item]
    if len(options) > 1:
        yield (), "que-4", "An item cannot have both answerOption and answerValueSet."
    if options and kind not in _WITH_OPTIONS:
        yield (options[0],), "que-5", "Items of this type cannot have a list of permitted answers."
    if "maxLength" in item and kind not in _WITH_LENGTH:
        yield ("maxLength",), "que-10", "Items of this type cannot have a maximum length."
    if "initial" in item:
        if kind in ("group", "display"):
            yield ("initial",), "que-8", "A group or display item cannot have an initial value."
        if "answerOption" in item:
            yield ("initial",), "que-11", "With answerOption, mark the initial one with initialSelected instead."
        if len(dictionaries(item["initial"])) > 1 and not spells_true(item.get("repeats")):
            yield ("initial",), "que-13", "Only a repeating item can have several initial values."


def _targets(found: list[Found], findings: Findings) -> None:
    """Every condition looks at another item of the form, and no item waits for itself, directly or round about."""
    known = {one.item["linkId"]: one for one in found if isinstance(one.item.get("linkId"), str)}
    needs: dict[str, set[str]] = {
        link_id: {one.parent} if one.parent is not None and one.parent in known and one.parent != link_id else set()
        for link_id, one in known.items()
    }
    for link_id, one in known.items():
        for index, condition in enumerate(dictionaries(one.item.get("enableWhen"))):
            target = condition.get("question")
            if not isinstance(target, str):
                continue
            if target not in known:
                _fault(findings, one, ("enableWhen", index, "question"), "enable-when-unknown", "No item has this linkId.")
            elif target == link_id:
                _fault(findings, one, ("enableWhen", index, "question"), "enable-when-circle", "An item cannot depend on itself.")
            else:
                needs[link_id].add(target)
    _, circle = in_order(needs)
    for link_id in (link_id for link_id in known if link_id in circle and known[link_id].item.get("enableWhen")):
        message = "This item could only be enabled by an answer that needs it enabled first."
        _fault(findings, known[link_id], ("enableWhen",), "enable-when-circle", message)


def _doubts(resource: Mapping[str, Any], found: list[Found], findings: Findings) -> None:
    name = resource.get("name")
    if isinstance(name, str) and _NAME.fullmatch(name) is None:
        findings.warn(below(None, "name"), "que-0", "The name should be usable as an identifier: letters, digits, underscores.")
    kinds = {_link_id(one): _text(one.item, "type") for one in found}
    for one in found:
        if one.item.get("type") == "question":
            _warn(findings, one, ("type",), "abstract-type", "Items of the abstract type question cannot be answered.")
        for index, condition in enumerate(dictionaries(one.item.get("enableWhen"))):
            question = _text(condition, "question")
            kind = None if question is None else kinds.get(question)
            compared = {key.removeprefix("answer") for key in condition if key.startswith("answer")}
            if condition.get("operator") != "exists" and kind is not None and not compared & _COMPARABLE.get(kind, set()):
                _warn(findings, one, ("enableWhen", index), "enable-when-type", "The item looked at never has such an answer.")
