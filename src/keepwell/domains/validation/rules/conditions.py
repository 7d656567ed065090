"""`enableWhen`: compiled to where the looked-at answers stand and how each is judged."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from keepwell.domains.validation import temporal
from keepwell.domains.validation.models import Condition
from keepwell.domains.validation.rules.bounds import compare_quantities
from keepwell.domains.validation.rules.extensions import objects
from keepwell.domains.validation.rules.notebook import Notebook
from keepwell.domains.validation.rules.outline import Entry
from keepwell.domains.validation.rules.values import as_decimal, typed

_SIGNS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
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
    kind, wanted = typed(source, "answer")
    if name == "exists":
        return Condition(level, path, wanted is not False, None)
    if name not in _SIGNS:
        return None
    return Condition(level, path, wanted=True, holds=_judge(name, kind, wanted))


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
        return None if one is None or other is None else temporal.compare(one, other).sign
    if type_ == kind == "time":
        start, end = temporal.clock(str(value)), temporal.clock(str(wanted))
        return None if start is None or end is None else temporal.compare_clocks(start, end).sign
    if type_ in _TEXTS and kind in _TEXTS:
        return (value > wanted) - (value < wanted) if isinstance(value, str) and isinstance(wanted, str) else None
    if type_ == kind == "boolean":
        return 0 if value is wanted else None
    return _sign_of_objects(type_, value, kind, wanted)


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


def circles(needs: Mapping[str, set[str]]) -> set[str]:
    """The items that stand in a circle of needing each other; those that only hang on one are not among them."""
    left = {key: set(wanted) & needs.keys() for key, wanted in needs.items()}
    for graph in (left, _turned(left)):
        free = [key for key, wanted in graph.items() if key in left and not wanted & left.keys()]
        used: dict[str, list[str]] = {}
        count: dict[str, int] = {}
        for key in left:
            around = graph[key] & left.keys()
            count[key] = len(around)
            for other in around:
                used.setdefault(other, []).append(key)
        while free:
            key = free.pop()
            left.pop(key, None)
            for other in used.get(key, ()):
                count[other] -= 1
                if count[other] == 0:
                    free.append(other)
    return set(left)


def _turned(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    turned: dict[str, set[str]] = {key: set() for key in needs}
    for key, wanted in needs.items():
        for other in wanted:
            turned[other].add(key)
    return turned
