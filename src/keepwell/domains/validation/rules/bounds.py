"""The rules for single values: length, pattern, range, decimal places, units, size and type of a file, allowed references.

Each is built once from the form. Its finding is made then, too, so that it can say nothing of the answer.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

from keepwell.domains.validation.models import Finding, Rule, Severity
from keepwell.domains.validation.rules import extensions as ext
from keepwell.domains.validation.rules.extensions import Extensions
from keepwell.domains.validation.rules.notebook import Notebook
from keepwell.domains.validation.rules.outline import Entry
from keepwell.domains.validation.rules.resource_types import RESOURCE_TYPES
from keepwell.domains.validation.rules.values import as_decimal, decoded_size
from keepwell.kit.fhir import temporal, units
from keepwell.kit.fhir.patterns import PatternError, matcher

_TEXTS = ("string", "text", "url", "open-choice")
_RESOURCE_TYPE = re.compile(
    r"(?:^|/)([A-Z][A-Za-z]{1,63})/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?(?:#.*)?$", re.ASCII
)


def bounds(entry: Entry, notebook: Notebook) -> tuple[Rule, ...]:
    """The rules of an item. What cannot be checked is noted: a pattern that cannot be run is a fault, the rest warnings."""
    found = Extensions(entry.item)
    rules: list[Rule] = []
    if entry.type in _TEXTS:
        rules += _lengths(entry, found) + _patterns(entry, found, notebook)
    if entry.type == "string":
        rules.append(_one_line)
    if entry.type in ("integer", "decimal", "date", "dateTime", "time", "quantity"):
        rules += _ranges(entry, found, notebook)
    if entry.type in ("decimal", "quantity"):
        rules += _decimals(found)
    if entry.type == "quantity":
        rules += _units(found)
    if entry.type == "attachment":
        rules += _files(found)
    if entry.type == "reference":
        rules += _references(found)
    return tuple(rules)


def _fails(finding: Finding, good: Callable[[Any], bool]) -> Rule:
    return lambda value: None if good(value) else finding


_LINES = Finding("line-break", "This answer should be on one line.", severity=Severity.WARNING)


def _one_line(value: Any) -> Finding | None:
    return _LINES if "\n" in value or "\r" in value else None


def _lengths(entry: Entry, found: Extensions) -> list[Rule]:
    rules: list[Rule] = []
    most: Any = entry.item.get("maxLength")
    least = found.whole(ext.MIN_LENGTH)
    if isinstance(most, int) and not isinstance(most, bool) and most >= 0:
        long = Finding("too-long", f"This answer may have at most {most} characters.")
        rules.append(_fails(long, lambda value: not isinstance(value, str) or len(value) <= most))
    if least is not None and least > 0:
        short = Finding("too-short", f"This answer must have at least {least} characters.")
        rules.append(_fails(short, lambda value: not isinstance(value, str) or len(value) >= least))
    return rules


def _patterns(entry: Entry, found: Extensions, notebook: Notebook) -> list[Rule]:
    rules: list[Rule] = []
    example = found.text(ext.ENTRY_FORMAT)
    hint = f" Expected: {example[:200]}" if example else ""
    for place, extension in found.all(ext.REGEX):
        pattern = extension.get("valueString")
        if not isinstance(pattern, str):
            continue
        try:
            matches = matcher(pattern)
        except PatternError as error:
            notebook.fault(f"{entry.pointer}/extension/{place}/valueString", "regex", str(error), entry.link_id)
            continue
        finding = Finding("pattern", f"This answer is not written in the form that is asked for.{hint}")
        rules.append(_fails(finding, lambda value, matches=matches: not isinstance(value, str) or matches(value)))
    return rules


def _decimals(found: Extensions) -> list[Rule]:
    most = found.whole(ext.MAX_DECIMALS)
    if most is None or most < 0:
        return []
    finding = Finding("too-many-decimals", f"This number may have at most {most} decimal places.")

    def good(value: Any) -> bool:
        number = as_decimal(cast("dict[str, Any]", value).get("value") if isinstance(value, dict) else value)
        if number is None:
            return True
        exponent = number.normalize().as_tuple().exponent
        return not isinstance(exponent, int) or -exponent <= most

    return [_fails(finding, good)]


_Sign = Callable[[Any], int | None]
"""How a value compares with a bound: -1, 0, 1, or None when it cannot be told."""


def _ranges(entry: Entry, found: Extensions, notebook: Notebook) -> list[Rule]:
    rules: list[Rule] = []
    for url, code, least in (
        (ext.MIN_VALUE, "too-small", True),
        (ext.MAX_VALUE, "too-large", False),
        (ext.MIN_QUANTITY, "too-small", True),
        (ext.MAX_QUANTITY, "too-large", False),
    ):
        for (place, _), (kind, bound) in zip(found.all(url), found.values(url), strict=True):
            rule = (
                _quantity_bound(bound, code, least=least) if entry.type == "quantity" else _bound(entry.type, bound, code, least)
            )
            if rule is not None:
                rules.append(rule)
            elif kind:
                message = f"This limit cannot be checked: it is no value that an answer of type {entry.type} compares with."
                notebook.warn(f"{entry.pointer}/extension/{place}", "bound-unusable", message, entry.link_id)
    return rules


def _bound(type_: str, bound: Any, code: str, least: bool) -> Rule | None:  # noqa: FBT001 - a table above calls it
    sign = _sign_of(type_, bound)
    if sign is None:
        return None
    word = ("least" if least else "most") if type_ in ("integer", "decimal") else ("from" if least else "until")
    message = f"This must be at {word} {bound}." if word in ("least", "most") else f"This must be {word} {bound}."
    finding = Finding(code, message)

    def rule(value: Any) -> Finding | None:
        found = sign(value)
        return finding if found is not None and (found < 0 if least else found > 0) else None

    return rule


def _sign_of(type_: str, bound: Any) -> _Sign | None:
    if type_ in ("integer", "decimal"):
        limit = as_decimal(bound)
        return None if limit is None else lambda value: _number_sign(value, limit)
    if not isinstance(bound, str):
        return None
    if type_ == "time":
        until = temporal.clock(bound)
        return None if until is None else lambda value: _clock_sign(value, until)
    when = temporal.moment(bound)
    return None if when is None else lambda value: _moment_sign(value, when)


def _number_sign(value: Any, limit: Decimal) -> int | None:
    number = value if value.__class__ is int else as_decimal(value)
    return None if number is None else (number > limit) - (number < limit)


def _clock_sign(value: Any, limit: temporal.Clock) -> int | None:
    found = temporal.clock(value)
    return None if found is None else temporal.compare_clocks(found, limit).sign


def _moment_sign(value: Any, limit: temporal.Moment) -> int | None:
    found = temporal.moment(value)
    return None if found is None else temporal.compare(found, limit).sign


def _quantity_bound(bound: Any, code: str, *, least: bool) -> Rule | None:
    limit = cast("dict[str, Any]", bound) if isinstance(bound, dict) else {"value": bound}
    number = as_decimal(limit.get("value"))
    if number is None:
        return None
    unit = limit.get("unit", limit.get("code", ""))
    finding = Finding(code, f"This must be at {'least' if least else 'most'} {number:f} {unit}".rstrip() + ".")
    strange = Finding("unit-incomparable", f"This needs a unit that can be compared with {unit or 'a plain number'}.")
    unknown = Finding(
        "unit-unknown", "Whether this amount is within its limits could not be checked in this unit.", severity=Severity.WARNING
    )

    def rule(value: Any) -> Finding | None:
        given = cast("dict[str, Any]", value)
        amount = as_decimal(given.get("value"))
        if amount is None:
            return None
        if not isinstance(bound, dict):
            compared = units.Comparison(amount, number, comparable=True, known=True)
        else:
            compared = compare_quantities(amount, given, number, limit)
        if not compared.comparable:
            return strange if compared.known else unknown
        return finding if (compared.left < compared.right if least else compared.left > compared.right) else None

    return rule


def compare_quantities(left: Decimal, one: Mapping[str, Any], right: Decimal, other: Mapping[str, Any]) -> units.Comparison:
    """Two quantities in one unit: by UCUM codes; by equal codes of one other system; without codes, by equal unit texts."""
    same = units.Comparison(left, right, comparable=True, known=True)
    codes = (one.get("code"), other.get("code"))
    if isinstance(codes[0], str) and isinstance(codes[1], str):
        systems = (one.get("system"), other.get("system"))
        if systems[0] != systems[1]:
            return same._replace(comparable=False)
        if codes[0] == codes[1]:
            return same
        if systems[0] == units.SYSTEM:
            return units.compare(left, codes[0], right, codes[1])
        return same._replace(comparable=False)
    plain = codes == (None, None) and _folded(one.get("unit")) == _folded(other.get("unit"))
    return same if plain else same._replace(comparable=False)


def _folded(unit: Any) -> str:
    return unit.strip().casefold() if isinstance(unit, str) else ""


def _units(found: Extensions) -> list[Rule]:
    options = [cast("dict[str, Any]", value) for _, value in found.values(ext.UNIT_OPTION) if isinstance(value, dict)]
    declared = found.first(ext.UNIT)[1]
    if options and found.text(ext.UNIT_OPEN) in (None, "optionsOnly"):
        names = ", ".join(str(option.get("display", option.get("code", ""))) for option in options[:20])
        finding = Finding("unit-not-allowed", f"This needs one of the units offered: {names}.")
        return [_fails(finding, lambda value: any(_has_unit(value, option) for option in options))]
    if not options and isinstance(declared, dict):
        unit = cast("dict[str, Any]", declared)
        name = unit.get("display", unit.get("code", ""))
        finding = Finding("unit-unexpected", f"This amount is usually given in {name}.", severity=Severity.WARNING)
        one = Decimal(1)
        return [_fails(finding, lambda value: compare_quantities(one, value, one, unit).comparable)]
    return []


def _has_unit(quantity: Mapping[str, Any], option: Mapping[str, Any]) -> bool:
    """Whether a quantity is in this unit: what the option says of system, code and name is what the quantity says.

    Where system and code agree the quantity may leave the name out, but not give another.
    """
    system, code, name = option.get("system"), option.get("code"), option.get("display")
    if system is not None and quantity.get("system") != system:
        return False
    if code is not None and quantity.get("code") != code:
        return False
    unit = quantity.get("unit")
    return name is None or unit == name or (unit is None and code is not None)


def _files(found: Extensions) -> list[Rule]:
    rules: list[Rule] = [_stated_size]
    patterns = found.texts(ext.MIME_TYPE)
    if patterns:
        allowed = ", ".join(patterns[:20])
        finding = Finding("file-type", f"This must be a file of one of these types: {allowed}.", "required", deep=False)
        rules.append(_fails(finding, lambda value: any(_is_mime(value.get("contentType"), pattern) for pattern in patterns)))
    most = as_decimal(found.first(ext.MAX_SIZE)[1])
    if most is not None:
        large = Finding("file-too-large", f"This file may have at most {most:f} bytes.", "required", deep=False)
        rules.append(_fails(large, lambda value: _size(value) <= most))
    return rules


_WRONG_SIZE = Finding("file-size", "This file does not have the size it says.", "structure")


def _stated_size(value: Any) -> Finding | None:
    data, size = value.get("data"), value.get("size")
    return _WRONG_SIZE if data is not None and size is not None and decoded_size(data) != size else None


def _size(value: Mapping[str, Any]) -> int:
    """How large the file is; what it says when it is kept elsewhere."""
    data = value.get("data")
    return (decoded_size(data) or 0) if isinstance(data, str) else value.get("size", 0)


def _is_mime(given: Any, pattern: str) -> bool:
    """Whether a media type, parameters aside, is the one named, or of the kind that `image/*` or `image` name."""
    if not isinstance(given, str):
        return False
    own = given.partition(";")[0].strip().lower()
    wanted = pattern.strip().lower()
    if wanted in ("*", "*/*") or own == wanted.partition(";")[0]:
        return True
    kind = wanted.removesuffix("/*").removesuffix("/")
    return "/" not in kind and own.startswith(kind + "/")


_UNKNOWN_TYPE = Finding("reference-type", "This must refer to something that FHIR R4 knows.")


def _references(found: Extensions) -> list[Rule]:
    allowed = frozenset(found.texts(ext.REFERENCE_RESOURCE))
    finding = Finding("reference-type", f"This must refer to one of these: {', '.join(sorted(allowed))}.")
    untold = Finding("reference-unclear", f"This must say which kind it refers to: {', '.join(sorted(allowed))}.")

    def rule(value: Any) -> Finding | None:
        kind, address = resource_type(value), value.get("reference")
        if not allowed:
            relative = isinstance(address, str) and ":" not in address and kind is not None
            return _UNKNOWN_TYPE if relative and kind not in RESOURCE_TYPES else None
        if kind is None:
            return untold if isinstance(address, str) and not address.startswith("#") else None
        return None if kind in allowed else finding

    return [rule]


def resource_type(reference: Mapping[str, Any]) -> str | None:
    """The kind of resource a reference points at, by its own word or else by its address; None when neither tells."""
    stated: Any = reference.get("type")
    if isinstance(stated, str):
        return stated.rpartition("/")[2]
    address: Any = reference.get("reference")
    match = _RESOURCE_TYPE.search(address[:2_000]) if isinstance(address, str) else None
    return None if match is None else match[1]
