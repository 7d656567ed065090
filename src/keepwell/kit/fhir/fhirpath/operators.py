"""The operators of FHIRPath on collections. An empty collection means not known, and mostly stays so."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from keepwell.kit.fhir import units
from keepwell.kit.fhir.fhirpath.dates import shifted
from keepwell.kit.fhir.fhirpath.errors import ExpressionError
from keepwell.kit.fhir.fhirpath.values import Amount, Collection, Element, amount, bounded, text_of
from keepwell.kit.fhir.temporal import Clock, Moment, Order, clock, compare, compare_clocks, moment

_MAX_DIGITS = 60
Truth = bool | None
"""True, false or not known."""


def single(collection: Collection, what: str = "value") -> Any:
    """The one value of a collection; None when it is empty.

    Raises:
        ExpressionError: there are several.
    """
    if len(collection) > 1:
        raise ExpressionError(f"An expression met several values where it needs one {what}.")
    return collection[0] if collection else None


def truth(collection: Collection) -> bool | None:
    """A collection as true, false or not known; any one value that is no boolean counts as true.

    Raises:
        ExpressionError: there are several.
    """
    value = single(collection, "boolean")
    return value if value is None or isinstance(value, bool) else True


def number(value: Any) -> int | Decimal | None:
    """The value when it is a number."""
    return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def checked(value: Decimal | int) -> Decimal | int:
    """A number that is not beyond all use.

    Raises:
        ExpressionError: it is.
    """
    if isinstance(value, int):
        if value.bit_length() > 200:
            raise ExpressionError("An expression gave a number that is too large.")
        return value
    if not value.is_finite() or abs(value.adjusted()) > _MAX_DIGITS:
        raise ExpressionError("An expression gave a number that is too large.")
    return value


def equal(one: Any, other: Any) -> bool | None:
    """Whether two values are the same; None when they are dates that agree as far as both say."""
    order = _order_of_times(one, other)
    if order is not None:
        return (order.sign == 0) if order.certain else None
    left, right = amount(one), amount(other)
    if left is not None and right is not None and not (isinstance(one, Element) and isinstance(other, Element)):
        sign = _order_of_amounts(left, right)
        return None if sign is None else sign == 0
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _same(left: Collection, right: Collection) -> Collection:
    if not left or not right:
        return []
    if len(left) != len(right):
        return [False]
    verdicts = [equal(one, other) for one, other in zip(left, right, strict=True)]
    if False in verdicts:
        return [False]
    return [] if None in verdicts else [True]


def _equivalent(left: Collection, right: Collection) -> Collection:
    if len(left) != len(right):
        return [False]
    rest = list(right)
    for one in left:
        for index, other in enumerate(rest):
            if _alike(one, other):
                del rest[index]
                break
        else:
            return [False]
    return [True]


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return " ".join(one.lower().split()) == " ".join(other.lower().split())
    if isinstance(one, Element) and isinstance(other, Element) and one.type == other.type == "Coding":
        return (one.data.get("system"), one.data.get("code")) == (other.data.get("system"), other.data.get("code"))
    return equal(one, other) is True


def negated(collection: Collection) -> Collection:
    """`not()`: what is not known stays so."""
    value = truth(collection)
    return [] if value is None else [not value]


def _order_of_times(one: Any, other: Any) -> Order | None:
    for kind, read, order in ((Moment, moment, compare), (Clock, clock, compare_clocks)):
        if isinstance(one, kind) or isinstance(other, kind):
            left = read(one) if isinstance(one, str) else one
            right = read(other) if isinstance(other, str) else other
            if isinstance(left, kind) and isinstance(right, kind):
                return order(left, right)  # pyright: ignore[reportArgumentType] - both are of the kind just asked for
    return None


def _order_of_amounts(left: Amount, right: Amount) -> int | None:
    compared = units.compare(left.value, left.unit or "1", right.value, right.unit or "1")
    if not compared.comparable:
        return None
    return (compared.left > compared.right) - (compared.left < compared.right)


def order(one: Any, other: Any) -> int | None:
    """-1, 0 or 1; None when the two cannot be told apart.

    Raises:
        ExpressionError: values of these types have no order.
    """
    times = _order_of_times(one, other)
    if times is not None:
        return times.sign if times.certain else None
    left, right = number(one), number(other)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    if isinstance(one, str) and isinstance(other, str):
        return (one > other) - (one < other)
    amounts = (amount(one), amount(other))
    if amounts[0] is not None and amounts[1] is not None:
        return _order_of_amounts(amounts[0], amounts[1])
    raise ExpressionError("An expression compares values that have no order.")


def _ordered(judge: Callable[[int], bool]) -> Callable[[Collection, Collection], Collection]:
    def run(left: Collection, right: Collection) -> Collection:
        if not left or not right:
            return []
        sign = order(single(left), single(right))
        return [] if sign is None else [judge(sign)]

    return run


def _add(one: Any, other: Any) -> Any:
    if isinstance(one, str) and isinstance(other, str):
        return bounded(one + other)
    if isinstance(one, Moment | Clock):
        return shifted(one, amount(other), 1)
    return _arithmetic(one, other, lambda a, b: a + b)


def _subtract(one: Any, other: Any) -> Any:
    if isinstance(one, Moment | Clock):
        return shifted(one, amount(other), -1)
    return _arithmetic(one, other, lambda a, b: a - b)


def _arithmetic(one: Any, other: Any, act: Callable[[Any, Any], Any]) -> Any:
    left, right = number(one), number(other)
    if left is not None and right is not None:
        return checked(act(left, right))
    amounts = (amount(one), amount(other))
    if amounts[0] is not None and amounts[1] is not None and amounts[0].unit == amounts[1].unit:
        return Amount(Decimal(checked(act(amounts[0].value, amounts[1].value))), amounts[0].unit)
    raise ExpressionError("An expression calculates with values that are no numbers.")


def _divide(one: Any, other: Any) -> Any:
    return None if other == 0 else checked(Decimal(_needed(one)) / Decimal(_needed(other)))


def _whole(one: Any, other: Any) -> Any:
    return None if other == 0 else int(checked(Decimal(_needed(one)) / Decimal(_needed(other))))


def _remainder(one: Any, other: Any) -> Any:
    if other == 0:
        return None
    found = Decimal(_needed(one)) % Decimal(_needed(other))
    return int(found) if isinstance(one, int) and isinstance(other, int) else found


def _needed(value: Any) -> int | Decimal:
    found = number(value)
    if found is None:
        raise ExpressionError("An expression calculates with values that are no numbers.")
    return found


def _calculated(act: Callable[[Any, Any], Any]) -> Callable[[Collection, Collection], Collection]:
    def run(left: Collection, right: Collection) -> Collection:
        one, other = single(left), single(right)
        if one is None or other is None:
            return []
        try:
            with localcontext(prec=28):
                found = act(one, other)
        except (InvalidOperation, OverflowError, ZeroDivisionError):
            raise ExpressionError("An expression gave a number that is too large.") from None
        return [] if found is None else [found]

    return run


def _concatenate(left: Collection, right: Collection) -> Collection:
    return [bounded(_text(left) + _text(right))]


def _text(collection: Collection) -> str:
    value = single(collection, "text")
    return "" if value is None else text_of(value) or ""


def distinct(collection: Collection) -> Collection:
    """Each value once, in the order of first appearance. Takes time linear in their size."""
    found: dict[Any, None] = {}
    for value in collection:
        # A boolean is not the number Python takes it for.
        found.setdefault((value, isinstance(value, bool)))
    return [value for value, _ in found]


def _within(left: Collection, right: Collection) -> Collection:
    value = single(left)
    return [] if value is None else [any(equal(value, other) is True for other in right)]


def _and(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: Truth, right: Truth) -> Truth:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def _xor(left: Truth, right: Truth) -> Truth:
    return None if left is None or right is None else left is not right


def _implies(left: Truth, right: Truth) -> Truth:
    return _or(None if left is None else not left, right)


def _logical(judge: Callable[[Truth, Truth], Truth]) -> Callable[[Collection, Collection], Collection]:
    def run(left: Collection, right: Collection) -> Collection:
        found = judge(truth(left), truth(right))
        return [] if found is None else [found]

    return run


OPERATORS: dict[str, Callable[[Collection, Collection], Collection]] = {
    "=": _same,
    "!=": lambda left, right: negated(_same(left, right)),
    "~": _equivalent,
    "!~": lambda left, right: negated(_equivalent(left, right)),
    "<": _ordered(lambda sign: sign < 0),
    ">": _ordered(lambda sign: sign > 0),
    "<=": _ordered(lambda sign: sign <= 0),
    ">=": _ordered(lambda sign: sign >= 0),
    "+": _calculated(_add),
    "-": _calculated(_subtract),
    "*": _calculated(lambda one, other: checked(_needed(one) * _needed(other))),
    "/": _calculated(_divide),
    "div": _calculated(_whole),
    "mod": _calculated(_remainder),
    "&": _concatenate,
    "|": lambda left, right: distinct(left + right),
    "in": _within,
    "contains": lambda left, right: _within(right, left),
    "and": _logical(_and),
    "or": _logical(_or),
    "xor": _logical(_xor),
    "implies": _logical(_implies),
}
