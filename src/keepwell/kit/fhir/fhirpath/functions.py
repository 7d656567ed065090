"""Functions of FHIRPath that take what their arguments gave. Those on texts and numbers stand in their own modules."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, cast

from keepwell.kit.fhir.fhirpath import conversions, numbers, texts
from keepwell.kit.fhir.fhirpath.errors import ExpressionError
from keepwell.kit.fhir.fhirpath.operators import OPERATORS, distinct, negated, order, single, truth
from keepwell.kit.fhir.fhirpath.values import Collection, Element, Scope, child, children
from keepwell.kit.fhir.temporal import Clock, from_datetime

Act = Callable[[Scope, Collection, list[Collection]], Collection]


class Function(NamedTuple):
    """How many arguments it takes, and what it does with what they gave."""

    arity: tuple[int, ...]
    act: Act


def _none(act: Callable[[Collection], Collection]) -> Function:
    def run(_scope: Scope, focus: Collection, _given: list[Collection]) -> Collection:
        return act(focus)

    return Function((0,), run)


def _one(act: Callable[[Collection, Collection], Collection]) -> Function:
    def run(_scope: Scope, focus: Collection, given: list[Collection]) -> Collection:
        return act(focus, given[0])

    return Function((1,), run)


def _count(given: Collection) -> int:
    value = single(given, "number")
    if not isinstance(value, int) or isinstance(value, bool):
        raise ExpressionError("An expression needs a whole number where it has none.")
    return value


def _all_are(*, wanted: bool) -> Function:
    return _none(lambda focus: [all(truth([value]) is wanted for value in focus)])


def _any_is(*, wanted: bool) -> Function:
    return _none(lambda focus: [any(truth([value]) is wanted for value in focus)])


def _inside(one: Collection, other: Collection) -> bool:
    known = distinct(other)
    return len(distinct(known + one)) == len(known)


def _without(focus: Collection, other: Collection, *, shared: bool) -> Collection:
    """The values of the focus that are, or are not, in the other collection."""
    known = {(value, isinstance(value, bool)) for value in other}
    return [value for value in focus if ((value, isinstance(value, bool)) in known) is shared]


def _descendants(scope: Scope, focus: Collection, _given: list[Collection]) -> Collection:
    found: Collection = []
    level = focus
    while level:
        level = _children(scope, level, [])
        found += level
    return found


def _children(scope: Scope, focus: Collection, _given: list[Collection]) -> Collection:
    found: Collection = []
    for value in focus:
        if isinstance(value, Element):
            part = children(value)
            scope.fuel.spend(len(part))
            found += part
    return found


def _extension(scope: Scope, focus: Collection, given: list[Collection]) -> Collection:
    url = single(given[0], "text")
    found: Collection = []
    for value in focus:
        if isinstance(value, Element):
            extensions = child(value, "extension")
            scope.fuel.spend(len(extensions))
            found += [one for one in extensions if isinstance(one, Element) and one.data.get("url") == url]
    return found


def _extreme(focus: Collection, wanted: int) -> Collection:
    if not focus:
        return []
    best = focus[0]
    for value in focus[1:]:
        sign = order(value, best)
        if sign is None:
            return []
        best = value if sign == wanted else best
    return [best]


def _sum(focus: Collection) -> Collection:
    total: Collection = [0] if not focus else focus[:1]
    for value in focus[1:]:
        total = OPERATORS["+"](total, [value])
    return total


def _average(focus: Collection) -> Collection:
    return OPERATORS["/"](_sum(focus), [len(focus)]) if focus else []


def _unchanged(_scope: Scope, focus: Collection, _given: list[Collection]) -> Collection:
    return focus


def _now(scope: Scope, _focus: Collection, _given: list[Collection]) -> Collection:
    return [from_datetime(scope.clock())]


def _today(scope: Scope, _focus: Collection, _given: list[Collection]) -> Collection:
    now = from_datetime(scope.clock())
    return [now._replace(fields=now.fields[:3], fraction=0, offset=None)]


def _time_of_day(scope: Scope, _focus: Collection, _given: list[Collection]) -> Collection:
    now = from_datetime(scope.clock())
    return [Clock(now.fields[3:], now.fraction)]


def _has_value(focus: Collection) -> Collection:
    return [len(focus) == 1 and not isinstance(focus[0], Element)]


def _only(focus: Collection) -> Collection:
    value = single(focus)
    return [] if value is None else [value]


def _value(focus: Collection) -> Any:
    return single(focus)


def _on_text(act: Callable[..., Any], arity: tuple[int, ...]) -> Function:
    """A function from a text and its arguments; nothing known in, nothing known out."""

    def run(scope: Scope, focus: Collection, given: list[Collection]) -> Collection:
        values = [_value(focus), *(_value(one) for one in given)]
        if None in values:
            return []
        if not isinstance(values[0], str):
            raise ExpressionError("An expression needs a text where it has none.")
        scope.fuel.spend(len(values[0]) // 100)
        try:
            found = act(*values)
        except TypeError:
            raise ExpressionError("An expression gives a function something it cannot take.") from None
        if isinstance(found, list):
            return cast("list[Any]", found)
        return [] if found is None else [found]

    return Function(arity, run)


def _on_number(act: Callable[..., int | Decimal | None], arity: tuple[int, ...]) -> Function:
    def run(_scope: Scope, focus: Collection, given: list[Collection]) -> Collection:
        values = [_value(focus), *(_value(one) for one in given)]
        if None in values:
            return []
        found = numbers.calculated(act, values)
        return [] if found is None else [found]

    return Function(arity, run)


def _converts(act: Callable[[Any], Any]) -> Function:
    return _none(lambda focus: [act(focus[0]) is not None] if len(focus) == 1 else [])


def _to(act: Callable[[Any], Any]) -> Function:
    def run(focus: Collection) -> Collection:
        value = single(focus)
        found = None if value is None else act(value)
        return [] if found is None else [found]

    return _none(run)


def _join(_scope: Scope, focus: Collection, given: list[Collection]) -> Collection:
    separator = str(single(given[0]) or "") if given else ""
    return [texts.joined([value for value in focus if isinstance(value, str)], separator)] if focus else []


FUNCTIONS: dict[str, Function] = {
    "empty": _none(lambda focus: [not focus]),
    "not": _none(negated),
    "count": _none(lambda focus: [len(focus)]),
    "allTrue": _all_are(wanted=True),
    "allFalse": _all_are(wanted=False),
    "anyTrue": _any_is(wanted=True),
    "anyFalse": _any_is(wanted=False),
    "subsetOf": _one(lambda focus, other: [_inside(focus, other)]),
    "supersetOf": _one(lambda focus, other: [_inside(other, focus)]),
    "distinct": _none(distinct),
    "isDistinct": _none(lambda focus: [len(distinct(focus)) == len(focus)]),
    "single": _none(_only),
    "first": _none(lambda focus: focus[:1]),
    "last": _none(lambda focus: focus[-1:]),
    "tail": _none(lambda focus: focus[1:]),
    "skip": _one(lambda focus, given: focus[max(_count(given), 0) :]),
    "take": _one(lambda focus, given: focus[: max(_count(given), 0)]),
    "union": _one(lambda focus, other: distinct(focus + other)),
    "combine": _one(lambda focus, other: focus + other),
    "intersect": _one(lambda focus, other: distinct(_without(focus, other, shared=True))),
    "exclude": _one(lambda focus, other: _without(focus, other, shared=False)),
    "children": Function((0,), _children),
    "descendants": Function((0,), _descendants),
    "extension": Function((1,), _extension),
    "hasValue": _none(_has_value),
    "getValue": _none(lambda focus: focus if _has_value(focus)[0] else []),
    "trace": Function((1, 2), _unchanged),
    "sum": _none(_sum),
    "avg": _none(_average),
    "min": _none(lambda focus: _extreme(focus, -1)),
    "max": _none(lambda focus: _extreme(focus, 1)),
    "now": Function((0,), _now),
    "today": Function((0,), _today),
    "timeOfDay": Function((0,), _time_of_day),
    "join": Function((0, 1), _join),
    **{name: _on_text(act, arity) for name, (act, arity) in texts.TEXTS.items()},
    **{name: _on_number(act, arity) for name, (act, arity) in numbers.NUMBERS.items()},
    **{"to" + name: _to(act) for name, act in conversions.CONVERSIONS.items()},
    **{"convertsTo" + name: _converts(act) for name, act in conversions.CONVERSIONS.items()},
}
