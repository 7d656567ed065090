"""Turns a tree into a program: nested functions from a collection to a collection, each step paid for."""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from keepwell.kit.fhir.fhirpath.errors import ExpressionError
from keepwell.kit.fhir.fhirpath.functions import FUNCTIONS
from keepwell.kit.fhir.fhirpath.macros import MACROS
from keepwell.kit.fhir.fhirpath.operators import OPERATORS, checked, number, single
from keepwell.kit.fhir.fhirpath.syntax import Tree, parse, type_of
from keepwell.kit.fhir.fhirpath.values import Amount, Collection, Element, Scope, child, is_type
from keepwell.kit.fhir.temporal import clock, moment

Step = Callable[[Scope, Collection], Collection]
_SHORT = 300
_LETTERS = 50
"""How many letters of a text built cost one step."""


class Program:
    """A compiled expression. `variables` are the `%names` it uses, besides those every run provides."""

    __slots__ = ("run", "variables")

    def __init__(self, run: Step, variables: frozenset[str]) -> None:
        self.run = run
        self.variables = variables


def compile_expression(text: str) -> Program:
    """The program of an expression; short ones are remembered, because forms repeat themselves.

    Raises:
        ExpressionError: it is no FHIRPath, is too large, or uses a function that is not provided.
    """
    return _remembered(text) if len(text) <= _SHORT else _program(text)


@lru_cache(maxsize=1_024)
def _remembered(text: str) -> Program:
    return _program(text)


def _program(text: str) -> Program:
    tree = parse(text)
    return Program(_compile(tree), frozenset(_variables(tree)))


def _variables(tree: Tree) -> list[str]:
    work, found = [tree], list[str]()
    while work:
        one = work.pop()
        if one.kind == "variable":
            found.append(one.datum)
        work += one.nodes
    return found


def _compile(tree: Tree) -> Step:
    return _COMPILERS[tree.kind](tree)


def _constant(value: Any) -> Step:
    if value is None:
        raise ExpressionError("A date or time in the expression does not exist.")
    result = [value]
    return lambda _scope, _focus: result


def _number(text: str) -> int | Decimal:
    return checked(Decimal(text) if "." in text else int(text[:100]))


def _variable(tree: Tree) -> Step:
    name = tree.datum

    def run(scope: Scope, _focus: Collection) -> Collection:
        found = scope.variable(name)
        scope.fuel.spend(1 + len(found))
        return found

    return run


def _special(tree: Tree) -> Step:
    if tree.datum == "$this":
        return lambda scope, _focus: scope.this
    if tree.datum == "$index":
        return lambda scope, _focus: [scope.index]
    return lambda scope, _focus: scope.total


def _member(tree: Tree) -> Step:
    name: str = tree.datum
    resource = name[:1].isupper()

    def run(scope: Scope, focus: Collection) -> Collection:
        found: Collection = []
        for value in focus:
            if isinstance(value, Element):
                if resource and value.type == name and "resourceType" in value.data:
                    found.append(value)
                else:
                    part = child(value, name)
                    # Paid for one by one: copies of one large element must not be taken apart all at once.
                    scope.fuel.spend(len(part))
                    found += part
            elif isinstance(value, Amount) and name in ("value", "unit", "code"):
                found += [value.value] if name == "value" else [value.unit]
        scope.fuel.spend(1 + len(focus))
        return found

    return run


def _path(tree: Tree) -> Step:
    steps = tuple(_compile(node) for node in tree.nodes)

    def run(scope: Scope, focus: Collection) -> Collection:
        for step in steps:
            focus = step(scope, focus)
        return focus

    return run


def _index(tree: Tree) -> Step:
    at = _compile(tree.nodes[0])

    def run(scope: Scope, focus: Collection) -> Collection:
        where = single(at(scope, scope.this), "index")
        scope.fuel.spend(1)
        return focus[where : where + 1] if isinstance(where, int) and where >= 0 else []

    return run


def _chain(tree: Tree) -> Step:
    first = _compile(tree.nodes[0])
    rest = tuple((OPERATORS[name], _compile(node)) for name, node in zip(tree.datum, tree.nodes[1:], strict=True))

    def run(scope: Scope, focus: Collection) -> Collection:
        left = first(scope, focus)
        for act, operand in rest:
            right = operand(scope, focus)
            scope.fuel.spend(1 + len(left) + len(right))
            left = act(left, right)
            if left and isinstance(left[0], str):
                scope.fuel.spend(len(left[0]) // _LETTERS)
        return left

    return run


def _sign(tree: Tree) -> Step:
    inside = _compile(tree.nodes[0])
    minus = tree.datum == "-"

    def run(scope: Scope, focus: Collection) -> Collection:
        value = single(inside(scope, focus), "number")
        if value is None:
            return []
        if isinstance(value, Amount):
            return [Amount(-value.value if minus else value.value, value.unit)]
        found = number(value)
        if found is None:
            raise ExpressionError("An expression puts a sign before something that is no number.")
        return [-found if minus else found]

    return run


def _type(tree: Tree) -> Step:
    inside = _compile(tree.nodes[0])
    operator, name = tree.datum

    def run(scope: Scope, focus: Collection) -> Collection:
        value = single(inside(scope, focus))
        if value is None:
            return []
        fits = is_type(value, name)
        if operator == "is":
            return [fits]
        return [value] if fits else []

    return run


def _call(tree: Tree) -> Step:
    name: str = tree.datum
    if name in ("is", "as", "ofType"):
        return _typed(name, tree)
    macro, function = MACROS.get(name), FUNCTIONS.get(name)
    if macro is None and function is None:
        raise ExpressionError(f"The function {name[:40]} is not provided here.")
    arguments = tuple(_compile(node) for node in tree.nodes)
    if macro is not None and len(arguments) in macro.arity:
        act = macro.act
        return lambda scope, focus: act(scope, focus, arguments)
    if function is not None and len(arguments) in function.arity:
        return _function(function.act, arguments)
    raise ExpressionError(f"The function {name} cannot take {len(tree.nodes)} arguments.")


def _function(act: Callable[[Scope, Collection, list[Collection]], Collection], arguments: tuple[Step, ...]) -> Step:
    def run(scope: Scope, focus: Collection) -> Collection:
        given = [argument(scope, scope.this) for argument in arguments]
        found = act(scope, focus, given)
        scope.fuel.spend(1 + len(focus) + len(found))
        return found

    return run


def _typed(name: str, tree: Tree) -> Step:
    if len(tree.nodes) != 1:
        raise ExpressionError(f"The function {name} needs a type.")
    wanted = type_of(tree.nodes[0])

    def run(scope: Scope, focus: Collection) -> Collection:
        scope.fuel.spend(1 + len(focus))
        if name == "is":
            value = single(focus)
            return [] if value is None else [is_type(value, wanted)]
        return [value for value in focus if is_type(value, wanted)]

    return run


def _empty(_tree: Tree) -> Step:
    return lambda _scope, _focus: []


_COMPILERS: dict[str, Callable[[Tree], Step]] = {
    "literal": lambda tree: _constant(tree.datum),
    "number": lambda tree: _constant(_number(tree.datum)),
    "moment": lambda tree: _constant(moment(tree.datum.removesuffix("T"))),
    "clock": lambda tree: _constant(clock(tree.datum)),
    "quantity": lambda tree: _constant(Amount(Decimal(_number(tree.datum[0])), tree.datum[1])),
    "empty": _empty,
    "variable": _variable,
    "special": _special,
    "member": _member,
    "path": _path,
    "index": _index,
    "chain": _chain,
    "sign": _sign,
    "type": _type,
    "call": _call,
}
