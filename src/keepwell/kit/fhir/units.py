"""UCUM units that can be converted into each other: prefixes, atoms, products, quotients and powers.

Source: The Unified Code for Units of Measure 2.1, the atoms that clinical forms use. No Python package that keeps UCUM was
small enough: the one that is kept needs Pint and a grammar engine, about a second at start. An atom that is not in the table
makes the unit unknown, never wrong. Amounts of substance and arbitrary units are kept apart from mass and from each other:
converting between them needs to know the substance.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

SYSTEM = "http://unitsofmeasure.org"

_PREFIXES = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip
_BASES = ("m", "s", "g", "rad", "K", "C", "cd", "mol")
_METRIC: dict[str, tuple[str, str]] = {
    **{base: ("1", base) for base in _BASES},
    "L": ("1e-3", "m3"), "l": ("1e-3", "m3"), "t": ("1e6", "g"), "Hz": ("1", "s-1"), "N": ("1e3", "g.m.s-2"),
    "Pa": ("1e3", "g.m-1.s-2"), "J": ("1e3", "g.m2.s-2"), "W": ("1e3", "g.m2.s-3"), "bar": ("1e8", "g.m-1.s-2"),
    "cal": ("4184", "g.m2.s-2"), "eq": ("1", "mol"), "osm": ("1", "osmole"), "kat": ("1", "mol.s-1"), "U": ("1e-6", "mol.min-1"),
    "V": ("1e3", "g.m2.s-2.C-1"), "A": ("1", "C.s-1"), "Ohm": ("1e3", "g.m2.s-1.C-2"), "Bq": ("1", "s-1"),
    "Gy": ("1", "m2.s-2"), "Sv": ("1", "m2.s-2"), "Ci": ("3.7e10", "s-1"), "lm": ("1", "cd"), "lx": ("1", "cd.m-2"),
    "m[H2O]": ("9806650", "g.m-1.s-2"), "m[Hg]": ("133322387.415", "g.m-1.s-2"),
    "[IU]": ("1", "[iU]"), "[iU]": ("1", "[iU]"), "[arb'U]": ("1", "[arb'U]"), "B": ("1", "bel"),
    "bit": ("1", "bit"), "By": ("8", "bit"),
}  # fmt: skip
_PLAIN: dict[str, tuple[str, str]] = {
    "min": ("60", "s"), "h": ("3600", "s"), "d": ("86400", "s"), "wk": ("604800", "s"), "a": ("31557600", "s"),
    "mo": ("2629800", "s"), "%": ("0.01", "1"), "[ppth]": ("1e-3", "1"), "[ppm]": ("1e-6", "1"), "[ppb]": ("1e-9", "1"),
    "10*": ("10", "1"), "10^": ("10", "1"), "[pi]": ("3.1415926535897932384626433832795", "1"),
    "[in_i]": ("0.0254", "m"), "[ft_i]": ("0.3048", "m"), "[yd_i]": ("0.9144", "m"), "[mi_i]": ("1609.344", "m"),
    "[in_us]": ("0.0254000508001016", "m"), "[ft_us]": ("0.304800609601219", "m"), "[mi_us]": ("1609.34721869444", "m"),
    "[nmi_i]": ("1852", "m"), "[lb_av]": ("453.59237", "g"), "[oz_av]": ("28.349523125", "g"), "[gr]": ("0.06479891", "g"),
    "[stone_av]": ("6350.29318", "g"), "[gal_us]": ("3.785411784e-3", "m3"), "[qt_us]": ("0.946352946e-3", "m3"),
    "[pt_us]": ("0.473176473e-3", "m3"), "[cup_us]": ("0.2365882365e-3", "m3"), "[foz_us]": ("29.5735295625e-6", "m3"),
    "[tbs_us]": ("14.78676478125e-6", "m3"), "[tsp_us]": ("4.92892159375e-6", "m3"), "[drp]": ("5e-8", "m3"),
    "[psi]": ("6894757.29316836", "g.m-1.s-2"), "[Cal]": ("4184000", "g.m2.s-2"), "[degRe]": ("1.25", "K"),
    "[sin_i]": ("0.00064516", "m2"), "[sft_i]": ("0.09290304", "m2"), "deg": ("0.017453292519943295", "rad"),
    "[dye'U]": ("1", "[dye'U]"), "{": ("1", "1"),
}  # fmt: skip
_SHIFTED = {"Cel": (Decimal(1), Decimal("273.15")), "[degF]": (Decimal(5) / Decimal(9), Decimal("459.67"))}
"""Degrees to kelvin: add the second, then multiply by the first (for Celsius the first is 1)."""
_COMPONENT = re.compile(
    r"(?P<symbol>(?:10[*^]|\[[^\[\]]*\]|m\[[^\[\]]*\]|[A-Za-z%'])+|\d+)(?P<power>[+-]?\d{1,2})?(?:\{[^{}]*\})?"
)
_SEPARATORS = (".", "/")
_MAX_CODE = 100
_TOLERANCE = Decimal("1e-12")


class Unit(NamedTuple):
    """A unit in base units: what to multiply by, after adding `shift`; and the power of each base dimension."""

    factor: Decimal
    dimensions: Mapping[str, int]
    shift: Decimal = Decimal(0)


@lru_cache(maxsize=4_096)
def unit(code: str) -> Unit | None:
    """The unit a UCUM code spells (case sensitive); None when the table does not know it."""
    if not code or len(code) > _MAX_CODE:
        return None
    if code in _SHIFTED:
        factor, shift = _SHIFTED[code]
        return Unit(factor, {"K": 1}, shift)
    return _Reader(code).all()


class _Reader:
    """Reads one code from left to right; `/` divides by the one component or parenthesis after it."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.at = 0

    def all(self) -> Unit | None:
        found = self.term(0)
        return found if self.at == len(self.code) else None

    def term(self, depth: int) -> Unit | None:
        if depth > 10:
            return None
        product, sign = Unit(Decimal(1), {}), 1
        if self.code.startswith("/", self.at):
            self.at, sign = self.at + 1, -1
        while True:
            part = self.component(depth)
            if part is None:
                return None
            product = _times(product, part, sign)
            separator = self.code[self.at : self.at + 1]
            if separator not in _SEPARATORS:
                return product
            self.at, sign = self.at + 1, 1 if separator == "." else -1

    def component(self, depth: int) -> Unit | None:
        if self.code.startswith("(", self.at):
            self.at += 1
            inside = self.term(depth + 1)
            if inside is None or not self.code.startswith(")", self.at):
                return None
            self.at += 1
            return inside
        if self.code.startswith("{", self.at):
            end = self.code.find("}", self.at)
            if end < 0:
                return None
            self.at = end + 1
            return Unit(Decimal(1), {})
        match = _COMPONENT.match(self.code, self.at)
        if match is None:
            return None
        self.at = match.end()
        one = Unit(Decimal(match["symbol"]), {}) if match["symbol"].isdigit() else _symbol(match["symbol"])
        return None if one is None or not one.factor else _times(Unit(Decimal(1), {}), one, int(match["power"] or 1))


def _symbol(symbol: str) -> Unit | None:
    atom = _METRIC.get(symbol) or _PLAIN.get(symbol)
    if atom is not None:
        return _atom(symbol, *atom)
    for length in (1, 2):
        prefix, rest = symbol[:length], symbol[length:]
        if prefix in _PREFIXES and rest in _METRIC:
            whole = _atom(rest, *_METRIC[rest])
            return None if whole is None else Unit(whole.factor.scaleb(_PREFIXES[prefix]), whole.dimensions)
    return None


def _atom(symbol: str, factor: str, definition: str) -> Unit | None:
    if definition == "1":
        return Unit(Decimal(factor), {})
    if definition == symbol or (definition not in _METRIC and _is_base(definition)):
        return Unit(Decimal(factor), {definition: 1})
    parts = unit(definition)
    return None if parts is None else Unit(Decimal(factor) * parts.factor, parts.dimensions)


def _is_base(definition: str) -> bool:
    """Whether the definition names a dimension of its own, such as arbitrary units."""
    return re.fullmatch(r"\[[^\]]*\]|osmole|bel|bit", definition) is not None


def _times(one: Unit, other: Unit, power: int) -> Unit:
    dimensions = dict(one.dimensions)
    for name, value in other.dimensions.items():
        dimensions[name] = dimensions.get(name, 0) + value * power
    return Unit(one.factor * other.factor**power, {name: value for name, value in dimensions.items() if value})


class Comparison(NamedTuple):
    """Two amounts in base units, or why they have none: `known` is False when a unit is not in the table."""

    left: Decimal
    right: Decimal
    comparable: bool
    known: bool


def compare(left: Decimal, left_code: str, right: Decimal, right_code: str) -> Comparison:
    """Two amounts brought to one unit, if their units measure the same thing."""
    if left_code == right_code:
        return Comparison(left, right, comparable=True, known=True)
    one, other = unit(left_code), unit(right_code)
    if one is None or other is None:
        return Comparison(left, right, comparable=False, known=False)
    if one.dimensions != other.dimensions:
        return Comparison(left, right, comparable=False, known=True)
    a, b = (left + one.shift) * one.factor, (right + other.shift) * other.factor
    # Factors such as 5/9 have no end: what agrees to twelve digits is the same amount.
    return Comparison(a, a if abs(a - b) <= abs(b) * _TOLERANCE else b, comparable=True, known=True)
