"""Compiles a form, once for each published version. Its cost is bounded by `limits`, whatever the form is."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from keepwell.domains.validation.models import Condition, Conditional, Form, FormRefused, Level, Node, Period, Rule, ValueSet
from keepwell.domains.validation.rules import extensions as ext
from keepwell.domains.validation.rules import standard
from keepwell.domains.validation.rules.bounds import bounds
from keepwell.domains.validation.rules.conditions import conditions
from keepwell.domains.validation.rules.expressions import Found, Reader
from keepwell.domains.validation.rules.extensions import Extensions, objects
from keepwell.domains.validation.rules.notebook import EnoughFaultsError, Notebook
from keepwell.domains.validation.rules.options import initial, options
from keepwell.domains.validation.rules.outline import Entry, outline
from keepwell.domains.validation.rules.values import CHECKS, KEYS
from keepwell.domains.validation.rules.valuesets import compile_value_set
from keepwell.kit.fhir.limits import MAX_EXPANSION, MAX_PATTERNS
from keepwell.kit.fhir.temporal import moment
from keepwell.kit.order import in_order

_CHOICE = ("Coding", "date", "time", "integer", "string")
_TYPES: dict[str, tuple[str, ...]] = {
    "group": (),
    "display": (),
    "question": (),
    "text": ("string",),
    "url": ("uri",),
    "choice": _CHOICE,
    "open-choice": _CHOICE,
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
    **{name: (name,) for name in ("boolean", "decimal", "integer", "date", "dateTime", "time", "string")},
}
"""The FHIR types of the answers of each type of item."""
_KEYS = {kind: {key: (type_, CHECKS[type_]) for key, type_ in KEYS.items() if type_ in types} for kind, types in _TYPES.items()}


def compile_form(resource: Mapping[str, Any]) -> Form:
    """A FHIR R4 Questionnaire compiled for checking responses. Whether it obeys R4 in all else is not looked at.

    Raises:
        FormRefused: it cannot be used: too large, linkIds missing or twice, conditions on nothing or in a circle, a regular
            expression that cannot be run in bounded time and memory, expressions beyond measure.
    """
    notebook = Notebook()
    form = None
    with suppress(EnoughFaultsError):
        form = _form(resource, notebook)
    if form is None or notebook.faults:
        raise FormRefused(tuple(notebook.faults))
    return form


def _form(resource: Mapping[str, Any], notebook: Notebook) -> Form | None:
    entries = outline(resource, notebook)
    _count_patterns(entries, notebook)
    if notebook.faults:
        return None
    known = {entry.link_id: entry for entry in entries}
    found = {entry.link_id: conditions(entry, known, notebook) for entry in entries}
    order = _order(entries, found, notebook)
    reader = Reader(resource, notebook)
    whole = reader.read(resource, "", frozenset(), None)
    read: dict[str, Found] = {}
    for entry in entries:
        around = read[entry.around[-1]].seen if entry.around else whole.seen
        read[entry.link_id] = reader.read(entry.item, entry.pointer, around, entry.link_id)
    contained = _contained(resource)
    for entry in entries:
        _doubts(entry, contained, notebook)
    top = _levels(entries, found, read, notebook)
    return Form(
        resource,
        top,
        _conditional(top, entries, order),
        frozenset(known),
        contained,
        _period(resource),
        whole.expressions,
        reader.launch,
        tuple(notebook.warnings),
    )


def _count_patterns(entries: list[Entry], notebook: Notebook) -> None:
    patterns = {text for entry in entries for text in Extensions(entry.item).texts(ext.REGEX)}
    if len(patterns) > MAX_PATTERNS:
        notebook.fault("/item", "limit", f"A form may have at most {MAX_PATTERNS} different regular expressions.")


def _order(entries: list[Entry], found: Mapping[str, tuple[Condition, ...]], notebook: Notebook) -> list[str]:
    """The linkIds in an order in which each can be judged after all it depends on. A circle is a fault."""
    needs = {entry.link_id: {one.path[-1] for one in found[entry.link_id]} | set(entry.around[-1:]) for entry in entries}
    order, stuck = in_order(needs)
    for entry in entries:
        if entry.link_id in stuck and found[entry.link_id]:
            message = "This item could only be enabled by an answer that needs it enabled first."
            notebook.fault(entry.pointer + "/enableWhen", "enable-when-circle", message, entry.link_id)
    return order


def _conditional(top: Level, entries: list[Entry], order: list[str]) -> tuple[Conditional, ...]:
    around = {entry.link_id: entry.around for entry in entries}
    nodes: dict[str, Node] = {}
    work = [top]
    while work:
        for node in work.pop().nodes:
            work.append(node.children)
            if node.conditional:
                nodes[node.link_id] = node
    return tuple(Conditional(nodes[link_id], around[link_id]) for link_id in order if link_id in nodes)


def _levels(
    entries: list[Entry], found: Mapping[str, tuple[Condition, ...]], read: Mapping[str, Found], notebook: Notebook
) -> Level:
    """The top level; children are compiled before the items they stand in."""
    below: dict[str, list[Node]] = {}
    for entry in reversed(entries):
        inside = _level(below.pop(entry.link_id, []))
        node = _node(entry, inside, found[entry.link_id], read[entry.link_id], notebook)
        below.setdefault(entry.around[-1] if entry.around else "", []).append(node)
    return _level(below.pop("", []))


def _level(backwards: list[Node]) -> Level:
    nodes = tuple(reversed(backwards))
    return Level(nodes, {node.link_id: place for place, node in enumerate(nodes)})


def _node(entry: Entry, inside: Level, found: tuple[Condition, ...], read: Found, notebook: Notebook) -> Node:
    item, extensions = entry.item, Extensions(entry.item)
    rules: tuple[Rule, ...] = bounds(entry, notebook)
    allowed = options(item)
    text, value_set, unit_set = item.get("text"), item.get("answerValueSet"), extensions.text(ext.UNIT_VALUE_SET)
    return Node(
        link_id=entry.link_id,
        type=entry.type,
        text=text if isinstance(text, str) else None,
        level=len(entry.around),
        source=item,
        keys=_KEYS.get(entry.type, {}),
        rules=rules,
        children=inside,
        required=_is_set(item.get("required")),
        repeats=_is_set(item.get("repeats")),
        fixed=_is_set(item.get("readOnly")),
        hidden=extensions.flag(ext.HIDDEN),
        least=extensions.whole(ext.MIN_OCCURS),
        most=extensions.whole(ext.MAX_OCCURS),
        options=allowed,
        value_set=value_set if isinstance(value_set, str) else None,
        unit_value_set=unit_set,
        initial=initial(item),
        conditions=found,
        any_condition=item.get("enableBehavior") != "all",
        enabled_by=read.enabled_by,
        expressions=read.expressions,
        group=entry.type == "group",
        question=bool(_KEYS.get(entry.type)),
        conditional=bool(found) or read.enabled_by is not None,
        swift=_is_swift(entry, inside, allowed is not None, read),
        plain=not rules and allowed is None and value_set is None and unit_set is None and entry.type != "choice",
    )


def _is_swift(entry: Entry, inside: Level, listed: bool, read: Found) -> bool:  # noqa: FBT001 - one caller
    """Whether one answer by itself tells whether the item is fine: nothing below it, no value sets, no expressions."""
    item, extensions = entry.item, Extensions(entry.item)
    watched = ("answerValueSet", "initial")
    beyond = (ext.UNIT_VALUE_SET, ext.MIN_OCCURS, ext.MAX_OCCURS)
    return (
        bool(_KEYS.get(entry.type))
        and not inside.nodes
        and read.expressions is None
        and not any(name in item for name in watched)
        and not any(extensions.all(url) for url in beyond)
        and (listed or entry.type != "choice")
        and not any(option.get("initialSelected") for option in objects(item.get("answerOption")))
    )


def _is_set(flag: Any) -> bool:
    """Form tools write `"true"` for `true` often enough; what is meant is beyond doubt."""
    return flag is True or flag == "true"


def _contained(resource: Mapping[str, Any]) -> dict[str, ValueSet]:
    sources = [one for one in objects(resource.get("contained")) if one.get("resourceType") == "ValueSet"]
    found: dict[str, ValueSet] = {}
    left = MAX_EXPANSION
    for one in sources:
        if isinstance(one.get("id"), str):
            compiled = compile_value_set(one, standard.code_system, standard.value_set, left)
            left -= sum(len(codes) for codes in compiled.codes.values())
            found[one["id"]] = compiled
    return found


def _period(resource: Mapping[str, Any]) -> Period | None:
    written: Any = resource.get("effectivePeriod")
    if not isinstance(written, dict):
        return None
    period = cast("dict[str, Any]", written)
    start, end = (_instant(period.get(name)) for name in ("start", "end"))
    return Period(start, end) if start or end else None


def _instant(value: Any) -> str | None:
    return value if isinstance(value, str) and moment(value) is not None else None


def _doubts(entry: Entry, contained: Mapping[str, ValueSet], notebook: Notebook) -> None:
    """What the author should know: an item nobody can answer, a count that says nothing, a value set that is not there."""
    item, extensions = entry.item, Extensions(entry.item)
    if entry.type not in _TYPES:
        notebook.warn(entry.pointer + "/type", "type", "FHIR R4 knows no such type: it cannot be answered.", entry.link_id)
    elif entry.type == "question":
        notebook.warn(entry.pointer + "/type", "abstract-type", "The abstract type question cannot be answered.", entry.link_id)
    repeats = _is_set(item.get("repeats"))
    if (extensions.whole(ext.MAX_OCCURS) or 1) > 1 and not repeats:
        notebook.warn(entry.pointer, "max-occurs", "maxOccurs says nothing without repeats.", entry.link_id)
    if (extensions.whole(ext.MIN_OCCURS) or 0) > 1 and not (repeats and _is_set(item.get("required"))):
        notebook.warn(entry.pointer, "min-occurs", "minOccurs needs required and repeats.", entry.link_id)
    canonical = item.get("answerValueSet")
    if isinstance(canonical, str) and canonical.startswith("#") and canonical[1:] not in contained:
        message = "The form does not contain this value set: answers will not be compared with it."
        notebook.warn(entry.pointer + "/answerValueSet", "value-set", message, entry.link_id)
    if _is_set(item.get("required")) and extensions.flag(ext.HIDDEN) and not initial(item):
        notebook.warn(entry.pointer, "hidden-required", "Nobody can answer this item: it is required and hidden.", entry.link_id)
