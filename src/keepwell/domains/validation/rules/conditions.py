"""`enableWhen`: compiled to where the looked-at answers stand and how each is judged."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from keepwell.domains.validation.models import Condition
from keepwell.domains.validation.rules.bounds import compare_quantities
from keepwell.domains.validation.rules.extensions import objects
from keepwell.domains.validation.rules.notebook import Notebook
from keepwell.domains.validation.rules.outline import Entry
from keepwell.domains.validation.rules.values import PRIMITIVES, as_decimal, malformed, typed
from keepwell.kit.fhir import temporal

_SIGNS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_NUMBERS = ("integer", "decimal")
_DAYS = ("date", "dateTime")
_TEXTS = ("string", "uri")


def conditions(entry: Entry, known: Mapping[str, Entry], notebook: Notebook) -> tuple[Condition, ...]:
    """The conditions of an item. One that looks at nothing, or at the item itself, is a fault."""
    found: list[Condition] = []
    for index, source in enumerate(objects(entry.item.get("enableWhen"))):
        place = f"{entry.pointer}/enableWhen/{index}"
        question = source.get("question")
        target = known.get(question) if isinstance(question, str) else None
        if target is None:
            notebook.fault(place + "/question", "enable-when-unknown", "No item has this linkId.", entry.link_id)
        elif target is entry:
            notebook.fault(place + "/question", "enable-when-circle", "An item cannot depend on itself.", entry.link_id)
        elif (condition := _condition(source, entry, target)) is None:
            notebook.fault(place + "/operator", "structure", "This must be exists, =, !=, >, <, >= or <=.", entry.link_id)
        else:
            found.append(condition)
    if len(found) > 1 and entry.item.get("enableBehavior") not in ("all", "any"):
        message = "More than one enableWhen needs enableBehavior: any one condition is taken to be enough."
        notebook.warn(entry.pointer + "/enableWhen", "que-12", message, entry.link_id)
    return tuple(found)


def _condition(source: Mapping[str, Any], entry: Entry, target: Entry) -> Condition | None:
    level = _shared(entry.around, target.around)
    path = (*target.around[level:], target.link_id)
    name = source.get("operator")
    kind, wanted = _meant(*typed(source, "answer"), target.type)
    if name == "exists":
        return Condition(level, path, wanted is not False, None)
    if not isinstance(name, str) or name not in _SIGNS:
        return None
    return Condition(level, path, wanted=True, holds=_judge(name, kind, wanted))


def _meant(kind: str, wanted: Any, target: str) -> tuple[str, Any]:
    """A wanted answer that is not of the type it claims is taken as what it spells, or as of the type it is compared with."""
    if kind not in PRIMITIVES or malformed(kind, wanted) is None:
        return kind, wanted
    if kind == "boolean" and wanted in ("true", "false"):
        return kind, wanted == "true"
    if kind in _NUMBERS and isinstance(wanted, str) and _NUMBER.fullmatch(wanted):
        return kind, float(wanted)
    return (target if target in PRIMITIVES else kind), wanted


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the items around both are the same."""
    count = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        count += 1
    return count


def _judge(name: str, kind: str, wanted: Any) -> Callable[[str, Any], bool]:
    """Whether an answer of a type stands to the wanted one as the operator says. What cannot be compared is merely unequal."""
    act = _SIGNS[name]
    unequal = name == "!="

    def holds(type_: str, value: Any) -> bool:
        sign = _sign(type_, value, kind, wanted)
        return unequal if sign is None else act(sign, 0)

    return holds


def _sign(type_: str, value: Any, kind: str, wanted: Any) -> int | None:
    """-1, 0 or 1; None when the two have no common measure. Of codings and references 0 says the same, None another."""
    if type_ in _NUMBERS and kind in _NUMBERS:
        left, right = as_decimal(value), as_decimal(wanted)
        return None if left is None or right is None else (left > right) - (left < right)
    if type_ in _DAYS and kind in _DAYS:
        one, other = temporal.moment(str(value)), temporal.moment(str(wanted))
        return None if one is None or other is None else _certain(temporal.compare(one, other))
    if type_ == kind == "time":
        start, end = temporal.clock(str(value)), temporal.clock(str(wanted))
        return None if start is None or end is None else _certain(temporal.compare_clocks(start, end))
    if type_ in _TEXTS and kind in _TEXTS:
        return (value > wanted) - (value < wanted) if isinstance(value, str) and isinstance(wanted, str) else None
    if type_ == kind == "boolean":
        return 0 if value is wanted else None
    return _sign_of_objects(type_, value, kind, wanted)


def _certain(order: temporal.Order) -> int | None:
    """Dates that agree only as far as both say are not the same: a form may offer a year and a month of it as two choices."""
    return order.sign if order.certain else None


def _sign_of_objects(type_: str, value: Any, kind: str, wanted: Any) -> int | None:
    if type_ != kind or not isinstance(value, dict) or not isinstance(wanted, dict):
        return None
    one, other = cast("dict[str, Any]", value), cast("dict[str, Any]", wanted)
    if kind == "Coding":
        return 0 if same_coding(one, other) else None
    if kind == "Reference":
        return 0 if one.get("reference") == other.get("reference") else None
    left, right = as_decimal(one.get("value")), as_decimal(other.get("value"))
    if kind != "Quantity" or left is None or right is None:
        return None
    compared = compare_quantities(left, one, right, other)
    return (compared.left > compared.right) - (compared.left < compared.right) if compared.comparable else None


def same_coding(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a Coding is the wanted one: code and, where one is wanted, system; by name where no code is wanted."""
    system, code = wanted.get("system"), wanted.get("code")
    if system is not None and given.get("system") != system:
        return False
    return given.get("code") == code if code is not None else given.get("display") == wanted.get("display")
