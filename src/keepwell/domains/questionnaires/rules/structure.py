"""Checks JSON against the R4 table of elements: closed, typed, every fault at its own place.

Nothing here recurses, and the work is linear in the size of the input, so a hostile document costs no more than its bytes.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, cast

from keepwell.domains.questionnaires.rules.elements import SHAPES, Property, Shape
from keepwell.domains.questionnaires.rules.primitives import PRIMITIVES, is_decimal, is_plain, is_text, unquoted
from keepwell.kernel.problems import Fault

STRUCTURE = "structure"
MAX_FAULTS = 100
MAX_LEVELS = 100
_Work = list[tuple[str, Any, "Place | None"]]

_ASIDE = {"Extension", "Narrative"}
_RESOURCE_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}")


class TooManyFaults(Exception):  # noqa: N818 - it ends a search, it is no error
    """Enough was found to answer with; looking further would help nobody."""


class Findings:
    """Faults and warnings found so far, never more than `MAX_FAULTS` of each. A strict one knows no warnings."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    def fault(self, place: "Place | None", code: str, message: str, link_id: str | None = None) -> None:
        """Adds a fault.

        Raises:
            TooManyFaults: the list is full now.
        """
        self.faults.append(Fault(pointer(place), code, message, link_id))
        if len(self.faults) >= MAX_FAULTS:
            raise TooManyFaults

    def warn(self, place: "Place | None", code: str, message: str, link_id: str | None = None) -> None:
        if self.strict:
            self.fault(place, code, message, link_id)
        elif len(self.warnings) < MAX_FAULTS:
            self.warnings.append(Fault(pointer(place), code, message, link_id))


class Place(NamedTuple):
    """Where a value stands: the place it is in, and its own name or index there.

    `aside`: below an extension or a narrative, whose inner slips change nothing about the form.
    """

    parent: "Place | None"
    step: str | int
    level: int
    aside: bool


def below(place: Place | None, step: str | int, *, aside: bool = False) -> Place:
    """The place one step down."""
    return Place(place, step, 1, aside) if place is None else Place(place, step, place.level + 1, aside or place.aside)


def pointer(place: Place | None) -> str:
    """The JSON pointer (RFC 6901) of a place; the empty text is the whole document."""
    steps: list[str] = []
    while place is not None:
        steps.append(escape(str(place.step)))
        place = place.parent
    return "".join("/" + step for step in reversed(steps))


def escape(step: str) -> str:
    """One step as it stands in a JSON pointer."""
    return step.replace("~", "~0").replace("/", "~1")


def element_faults(type_name: str, value: Any) -> list[Fault]:
    """What is wrong with `value` as an R4 element of this type, such as `Coding`. Pointers start at the value itself."""
    findings = Findings(strict=True)
    with suppress(TooManyFaults):
        examine(type_name, value, findings)
    return findings.faults


def examine(type_name: str, value: Any, findings: Findings) -> None:
    """Adds what is wrong with `value`.

    Unless the findings are strict, three slips that leave no doubt about the form are warnings: a boolean or number
    written as a string, anything inside an extension or a narrative, and a compared answer that is not of its own type.

    Raises:
        TooManyFaults: the list of faults is full.
    """
    work: _Work = [(type_name, value, None)]
    while work:
        kind, found, place = work.pop()
        if place is not None and place.level > MAX_LEVELS:
            findings.fault(place, "limit", f"This is nested deeper than {MAX_LEVELS} levels.")
        elif kind == "Resource":
            _contained(found, place, findings)
        elif not isinstance(found, dict):
            _slip(found, place, f"This must be an object ({kind}).", findings)
        elif not found:
            _slip(None, place, "An element may not be empty.", findings)
        else:
            # Pushed in reverse, so that faults come out in the order of the document.
            work.extend(reversed(_element(SHAPES[kind], kind, cast("dict[str, Any]", found), place, findings)))


def _slip(value: Any, place: Place | None, message: str, findings: Findings) -> None:
    """A departure from R4: a warning where it changes nothing about the form, as long as the value can be stored."""
    if place is None or not place.aside or findings.strict:
        findings.fault(place, STRUCTURE, message)
    else:
        findings.warn(place, STRUCTURE, message)
        _storable(value, place, findings)


def _element(shape: Shape, kind: str, found: dict[str, Any], place: Place | None, findings: Findings) -> _Work:
    """Checks the properties of one element; what stands below it is left to do."""
    work: _Work = []
    for name, value in found.items():
        prop = shape.properties.get(name)
        if prop is not None:
            work += _property(prop, value, found, below(place, name, aside=prop.type in _ASIDE), findings)
        elif name.startswith("_") and (sibling := shape.properties.get(name[1:])) is not None and sibling.primitive:
            work += _sibling(sibling, value, below(place, name, aside=True), findings)
        elif not (name == "resourceType" and "contained" in shape.properties):  # judged by whoever knows which it must be
            _slip(value, below(place, name), f"R4 knows no such element of {kind}.", findings)
    _obligations(shape, kind, found, place, findings)
    return work


def _property(prop: Property, value: Any, found: Mapping[str, Any], place: Place, findings: Findings) -> _Work:
    if not prop.many:
        if not prop.primitive:
            return [(prop.type, value, place)]
        _primitive(prop, value, place, findings)
        return []
    if not isinstance(value, list) or not value:
        _slip(value, place, "This must be an array that is not empty.", findings)
        return []
    values = cast("list[Any]", value)
    if not prop.primitive:
        return [(prop.type, item, below(place, index)) for index, item in enumerate(values)]
    siblings: Any = found.get("_" + prop.name)
    beside = cast("list[Any]", siblings) if isinstance(siblings, list) else []
    for index, item in enumerate(values):
        # A null keeps the place of an item that has extensions only.
        if item is not None or index >= len(beside) or beside[index] is None:
            _primitive(prop, item, below(place, index), findings)
    return []


def _primitive(prop: Property, value: Any, place: Place, findings: Findings) -> None:
    check, expected = PRIMITIVES[prop.type]
    if not check(value):
        if findings.strict or unquoted(prop.type, value) is None:
            compared = prop.choice == "answer[x]" and is_text(value)
            _slip(value, place._replace(aside=place.aside or compared), f"This must be {expected}.", findings)
        else:
            findings.warn(place, STRUCTURE, f"This must be {expected}, not a text; it is read as meant.")
    elif prop.codes is not None and value not in prop.codes:
        _slip(value, place, f"This must be one of: {', '.join(sorted(prop.codes))}.", findings)


def _sibling(prop: Property, value: Any, place: Place, findings: Findings) -> _Work:
    """The `_name` beside a primitive, which carries its id and extensions."""
    if not prop.many:
        return [("Element", value, place)]
    if not isinstance(value, list) or not value:
        _slip(value, place, "This must be an array that is not empty.", findings)
        return []
    return [("Element", item, below(place, index)) for index, item in enumerate(cast("list[Any]", value)) if item is not None]


def _obligations(shape: Shape, kind: str, found: Mapping[str, Any], place: Place | None, findings: Findings) -> None:
    for name, spellings in shape.required.items():
        if not any(spelling in found or (len(spellings) > 1 and "_" + spelling in found) for spelling in spellings):
            missing = place if len(spellings) > 1 else below(place, name)
            _slip(None, missing, f"{kind} must have {name}.", findings)
    chosen = [prop.choice for name in found if (prop := shape.properties.get(name)) is not None and prop.choice is not None]
    if len(chosen) != len(set(chosen)):
        _slip(None, place, f"{kind} may have one value of one type only.", findings)
    if kind == "Extension" and ("extension" in found) == any(name.lstrip("_").startswith("value") for name in found):
        findings.warn(place, "ext-1", "An extension must have either extensions or a value, not both and not neither.")


def _contained(value: Any, place: Place | None, findings: Findings) -> None:
    """A contained resource: its kind and id, and that it can be stored; its own rules are its own kind's."""
    if not isinstance(value, dict):
        findings.fault(place, STRUCTURE, "This must be a resource.")
        return
    resource = cast("dict[str, Any]", value)
    named = resource.get("resourceType")
    if not isinstance(named, str) or _RESOURCE_TYPE.fullmatch(named) is None:
        findings.fault(below(place, "resourceType"), STRUCTURE, "This must be the name of a resource type.")
    if "id" in resource and not PRIMITIVES["id"][0](resource["id"]):
        findings.fault(below(place, "id"), STRUCTURE, f"This must be {PRIMITIVES['id'][1]}.")
    if "contained" in resource:
        findings.fault(below(place, "contained"), "dom-2", "A contained resource may not contain others.")
    _storable(resource, place, findings)


def _storable(value: Any, place: Place | None, findings: Findings) -> None:
    """Whether free JSON can be kept as it is: no control characters, numbers within 64 bits, not too deep."""
    work: _Work = [("", value, place)]
    while work:
        _, found, at = work.pop()
        if at is not None and at.level > MAX_LEVELS:
            findings.fault(at, "limit", f"This is nested deeper than {MAX_LEVELS} levels.")
        elif isinstance(found, dict):
            for name, child in cast("dict[str, Any]", found).items():
                if not is_plain(name):
                    findings.fault(at, STRUCTURE, "The name of an element here has control characters.")
                work.append(("", child, below(at, name)))
        elif isinstance(found, list):
            work += [("", child, below(at, index)) for index, child in enumerate(cast("list[Any]", found))]
        elif isinstance(found, str):
            if not is_plain(found):
                findings.fault(at, STRUCTURE, "This text has control characters.")
        elif not (found is None or isinstance(found, bool) or is_decimal(found)):
            findings.fault(at, STRUCTURE, "This number is too large.")
