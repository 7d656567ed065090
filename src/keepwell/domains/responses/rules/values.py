"""Whether a value can answer an item, by the item's type, its permitted answers and its length."""

from typing import Any, NamedTuple, cast

from keepwell.domains.questionnaires import PRIMITIVES, Item, Option, element_faults

MAX_VALUES = 1_000
_SCALARS = {
    "boolean": "boolean",
    "decimal": "decimal",
    "integer": "integer",
    "date": "date",
    "dateTime": "dateTime",
    "time": "time",
    "string": "string",
    "text": "string",
    "url": "uri",
}
_OBJECTS = {"attachment": "Attachment", "reference": "Reference", "quantity": "Quantity"}
_SAYS_SOMETHING = {"Coding": ("code", "display"), "Reference": ("reference", "identifier", "display")}


class Slip(NamedTuple):
    """What is wrong with a value; `below` is the JSON pointer inside it."""

    below: str
    code: str
    message: str


class Judged(NamedTuple):
    """A value as it is to be stored, and what is wrong with it."""

    value: Any
    slips: tuple[Slip, ...] = ()


def judge(item: Item, value: Any) -> Judged:
    """Judges what was sent for one item: a value, or a list of values where the item repeats. Not for None."""
    if not item.answerable:
        return _slip(value, "not-answerable", "Groups and texts on the form cannot be answered.")
    if not isinstance(value, list):
        return judge_one(item, value)
    values = cast("list[Any]", value)
    if not item.repeats:
        return _slip(value, "not-repeating", "This question takes one answer, not a list.")
    if len(values) > MAX_VALUES:
        return _slip(value, "limit", f"At most {MAX_VALUES} answers can be given to one question.")
    judged = [judge_one(item, one) for one in values]
    slips = [slip._replace(below=f"/{index}{slip.below}") for index, one in enumerate(judged) for slip in one.slips]
    return Judged([one.value for one in judged], tuple(slips))


def judge_one(item: Item, value: Any) -> Judged:
    """Judges a single value."""
    if item.type in ("choice", "open-choice"):
        judged = _choice(item, value)
    elif (scalar := _SCALARS.get(item.type)) is not None:
        check, expected = PRIMITIVES[scalar]
        judged = Judged(value) if check(value) else _slip(value, "wrong-type", f"The answer must be {expected}.")
        if not judged.slips and item.options and not any(_same(option, value) for option in item.options):
            judged = _slip(value, "not-an-option", "The answer must be one of the permitted ones.")
    else:
        judged = _object(_OBJECTS[item.type], value)
    if not judged.slips and item.max_length is not None and isinstance(value, str) and len(value) > item.max_length:
        return _slip(value, "too-long", f"The answer may have at most {item.max_length} characters.")
    return judged


def _slip(value: Any, code: str, message: str) -> Judged:
    return Judged(value, (Slip("", code, message),))


def _object(kind: str, value: Any) -> Judged:
    if not isinstance(value, dict):
        return _slip(value, "wrong-type", f"The answer must be a FHIR {kind}.")
    faults = element_faults(kind, value)
    if faults:
        return Judged(value, tuple(Slip(fault.pointer, "wrong-type", fault.message) for fault in faults))
    needed = _SAYS_SOMETHING.get(kind, ())
    if needed and not any(name in value for name in needed):
        return _slip(cast("Any", value), "wrong-type", f"A {kind} needs one of: {', '.join(needed)}.")
    return Judged(cast("Any", value))


def _choice(item: Item, value: Any) -> Judged:
    if isinstance(value, dict):
        return _coded(item, cast("dict[str, Any]", value))
    text = PRIMITIVES["string"][0](value)
    if any(_same(option, value) for option in item.options) or (text and item.type == "open-choice"):
        return Judged(value)
    if not item.options or not text:
        return _slip(value, "wrong-type", "The answer must be a FHIR Coding.")
    coded = [option.value for option in item.options if option.type == "Coding" and option.value.get("code") == value]
    if len(coded) == 1:
        # A code that means one option is that option.
        return Judged({name: part for name, part in coded[0].items() if name in ("system", "version", "code", "display")})
    return _slip(value, "not-an-option", "The answer must be one of the permitted ones.")


def _coded(item: Item, value: dict[str, Any]) -> Judged:
    if any(option.value == value for option in item.options):
        # Sent just as the form has it, which was checked when it came in; most answers are.
        return Judged(value)
    kinds = {option.type for option in item.options}
    judged = _object("Reference" if "Reference" in kinds and "reference" in value else "Coding", value)
    if not judged.slips and item.options and not any(_same(option, value) for option in item.options):
        return _slip(value, "not-an-option", "The answer must be one of the permitted ones.")
    return judged


def _same(option: Option, value: Any) -> bool:
    """Whether a value is this option: by system and code, by reference, or by being equal and of the same type."""
    if isinstance(value, dict):
        sent = cast("dict[str, Any]", value)
        names = {"Coding": ("system", "code"), "Reference": ("reference",)}.get(option.type)
        if names == ("system", "code") and "code" not in option.value:
            names = ("system", "display")
        return names is not None and all(option.value.get(name) == sent.get(name) for name in names)
    return type(value) is type(option.value) and value == option.value
