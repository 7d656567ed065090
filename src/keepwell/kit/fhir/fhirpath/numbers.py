"""Functions of FHIRPath on numbers, none of which can run away."""

import math
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from typing import Any

from keepwell.kit.fhir.fhirpath.errors import ExpressionError
from keepwell.kit.fhir.fhirpath.operators import checked, number

_Number = int | Decimal


def calculated(act: Callable[..., _Number | None], values: list[Any]) -> _Number | None:
    """What the function gives for these numbers.

    Raises:
        ExpressionError: they are no numbers, or the result is beyond all use.
    """
    given = [number(value) for value in values]
    if None in given:
        raise ExpressionError("An expression calculates with values that are no numbers.")
    try:
        with localcontext(prec=28):
            found = act(*given)
    except (InvalidOperation, OverflowError, ZeroDivisionError, ValueError):
        raise ExpressionError("An expression gave a number that is too large.") from None
    return None if found is None else checked(found)


def _rounded(mode: str) -> Callable[[_Number], _Number]:
    return lambda value: int(Decimal(value).to_integral_value(rounding=mode))


def _round(value: _Number, places: _Number = 0) -> _Number:
    if not 0 <= places <= 20:
        raise ValueError(places)
    found = Decimal(value).quantize(Decimal(1).scaleb(-int(places)), rounding=ROUND_HALF_UP)
    return int(found) if places == 0 else found


def _power(value: _Number, exponent: _Number) -> _Number | None:
    if abs(exponent) > 1_000 or (value < 0 and exponent != int(exponent)):
        return None
    found = Decimal(value) ** Decimal(exponent)
    whole = isinstance(value, int) and isinstance(exponent, int) and exponent >= 0
    return int(checked(found)) if whole and abs(found.adjusted()) < 28 else found


def _logarithm(value: _Number, base: _Number | None = None) -> _Number | None:
    if value <= 0 or (base is not None and (base <= 0 or base == 1)):
        return None
    natural = Decimal(value).ln()
    return natural if base is None else natural / Decimal(base).ln()


def _root(value: _Number) -> _Number | None:
    return None if value < 0 else Decimal(value).sqrt()


def _exponential(value: _Number) -> _Number:
    return Decimal(math.exp(value))


def _absolute(value: _Number) -> _Number:
    return abs(value)


NUMBERS: dict[str, tuple[Callable[..., _Number | None], tuple[int, ...]]] = {
    "abs": (_absolute, (0,)),
    "ceiling": (_rounded(ROUND_CEILING), (0,)),
    "floor": (_rounded(ROUND_FLOOR), (0,)),
    "truncate": (_rounded(ROUND_DOWN), (0,)),
    "round": (_round, (0, 1)),
    "sqrt": (_root, (0,)),
    "exp": (_exponential, (0,)),
    "ln": (_logarithm, (0,)),
    "log": (_logarithm, (1,)),
    "power": (_power, (1,)),
}
