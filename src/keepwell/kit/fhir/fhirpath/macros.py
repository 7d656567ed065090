"""Functions that run their arguments themselves, once for each value: `$this` is that value while they do."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keepwell.kit.fhir.fhirpath.errors import ExpressionError
from keepwell.kit.fhir.fhirpath.operators import truth
from keepwell.kit.fhir.fhirpath.values import Collection, Element, Scope

_Step = Callable[[Scope, Collection], Collection]


class Macro(NamedTuple):
    """How many arguments it takes, and what it does with them."""

    arity: tuple[int, ...]
    act: Callable[[Scope, Collection, Sequence[_Step]], Collection]


def _each(scope: Scope, focus: Collection, step: _Step) -> "list[tuple[Any, Collection]]":
    """The result of the step for each value, one by one."""
    this, index = scope.this, scope.index
    found: list[tuple[Any, Collection]] = []
    try:
        for at, value in enumerate(focus):
            scope.this, scope.index = [value], at
            result = step(scope, scope.this)
            scope.fuel.spend(1 + len(result))
            found.append((value, result))
    finally:
        scope.this, scope.index = this, index
    return found


def _where(scope: Scope, focus: Collection, steps: Sequence[_Step]) -> Collection:
    return [value for value, result in _each(scope, focus, steps[0]) if truth(result) is True]


def _select(scope: Scope, focus: Collection, steps: Sequence[_Step]) -> Collection:
    return [one for _, result in _each(scope, focus, steps[0]) for one in result]


def _exists(scope: Scope, focus: Collection, steps: Sequence[_Step]) -> Collection:
    return [bool(_where(scope, focus, steps) if steps else focus)]


def _all(scope: Scope, focus: Collection, steps: Sequence[_Step]) -> Collection:
    return [all(truth(result) is True for _, result in _each(scope, focus, steps[0]))]


def _repeat(scope: Scope, focus: Collection, steps: Sequence[_Step]) -> Collection:
    seen = set[Any]()
    found: Collection = []
    level = focus
    while level:
        fresh: Collection = []
        for _, result in _each(scope, level, steps[0]):
            for value in result:
                key: Any = id(value.data) if isinstance(value, Element) else (value, type(value).__name__)
                if key not in seen:
                    seen.add(key)
                    fresh.append(value)
        found += fresh
        level = fresh
    return found


def _choose(scope: Scope, focus: Collection, steps: Sequence[_Step]) -> Collection:
    if len(focus) > 1:
        raise ExpressionError("An expression met several values where it needs one.")
    scope.fuel.spend(1)
    if truth(steps[0](scope, focus)) is True:
        return steps[1](scope, focus)
    return steps[2](scope, focus) if len(steps) > 2 else []


def _aggregate(scope: Scope, focus: Collection, steps: Sequence[_Step]) -> Collection:
    this, index, total = scope.this, scope.index, scope.total
    try:
        scope.total = steps[1](scope, scope.this) if len(steps) > 1 else []
        for at, value in enumerate(focus):
            scope.this, scope.index = [value], at
            scope.total = steps[0](scope, scope.this)
            scope.fuel.spend(1 + len(scope.total))
        return scope.total
    finally:
        scope.this, scope.index, scope.total = this, index, total


def _first_known(scope: Scope, focus: Collection, steps: Sequence[_Step]) -> Collection:
    for step in steps:
        scope.fuel.spend(1)
        found = step(scope, focus)
        if found:
            return found
    return []


MACROS: dict[str, Macro] = {
    "where": Macro((1,), _where),
    "select": Macro((1,), _select),
    "exists": Macro((0, 1), _exists),
    "all": Macro((1,), _all),
    "repeat": Macro((1,), _repeat),
    "iif": Macro((2, 3), _choose),
    "aggregate": Macro((1, 2), _aggregate),
    "coalesce": Macro(tuple(range(1, 20)), _first_known),
}
