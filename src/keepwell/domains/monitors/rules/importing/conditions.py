"""Gatus' conditions, such as `[BODY].user.name == pat(j*)`: as assertions, as far as one can say the same."""

import re
from collections.abc import Mapping

import msgspec

from keepwell.domains.monitors.models import Assertion, Comparison, Kind, Scalar, Subject
from keepwell.domains.monitors.rules import paths
from keepwell.domains.monitors.rules.importing.reading import duration

_FORM = re.compile(r"(?s)(.+?) (==|!=|<=|>=|<|>) (.*)")
_FLIPPED: Mapping[str, str] = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_DAY_S = 86_400


class UnsaidError(ValueError):
    """No assertion says what the condition does."""


def assertion_of(condition: str, kind: Kind) -> Assertion | None:
    """What a condition asserts; None: it is taken for granted.

    Raises:
        UnsaidError: nothing here says it.
    """
    match = _FORM.fullmatch(condition.strip())
    if match is None:
        raise UnsaidError(condition)
    left, operator, right = match[1].strip(), match[2], match[3].strip()
    if not left.startswith(("[", "len(", "has(")) and right.startswith(("[", "len(", "has(")):
        left, operator, right = right, _FLIPPED[operator], left
    if left.startswith("[BODY]"):
        return _body(left.removeprefix("[BODY]"), operator, right, kind)
    if left.startswith("len([BODY]") and left.endswith(")"):
        return _number("json-length", operator, _integer(right), _path(left[10:-1]))
    if left.startswith("has([BODY]") and left.endswith(")") and operator == "==" and right in ("true", "false"):
        return Assertion("json", "present" if right == "true" else "absent", None, _path(left[10:-1]))
    return _plain(left, operator, right)


def _plain(left: str, operator: str, right: str) -> Assertion | None:
    match left:
        case "[CONNECTED]" if (operator, right) == ("==", "true"):
            return None
        case "[DNS_RCODE]" if (operator, right) == ("==", "NOERROR"):
            return None
        case "[STATUS]":
            return _status(operator, right)
        case "[RESPONSE_TIME]":
            return _number("latency", operator, _integer(right))
        case "[CERTIFICATE_EXPIRATION]" if operator in (">", ">="):
            return _days_left(right)
        case _:
            raise UnsaidError(left)


def _status(operator: str, right: str) -> Assertion:
    if right.startswith("any(") and operator == "==":
        codes = [_integer(each.strip()) for each in right[4:-1].split(",")]
        return Assertion("status", "within", ",".join(str(code) for code in codes))
    return _number("status", operator, _integer(right))


def _days_left(right: str) -> Assertion:
    seconds = duration(right, -1)
    if seconds < 0:
        raise UnsaidError(right)
    return Assertion("certificate-days", "above", seconds / _DAY_S)


def _number(on: Subject, operator: str, value: int | None, name: str = "") -> Assertion:
    """Of whole numbers, so that no less than is less than one more."""
    if value is None:
        raise UnsaidError(on)
    compare: Comparison
    match operator:
        case "==":
            compare = "equals"
        case "!=":
            compare = "not-equals"
        case "<" | "<=":
            compare, value = "below", value + (operator == "<=")
        case _:
            compare, value = "above", value - (operator == ">=")
    if on in ("latency", "certificate-days") and compare in ("equals", "not-equals"):
        raise UnsaidError(on)
    return Assertion(on, compare, value, name)


def _body(path: str, operator: str, right: str, kind: Kind) -> Assertion:
    on: Subject = "record" if kind == "dns" else "json" if path else "body"
    name = _path(path) if on == "json" else ""
    equal = operator == "=="
    if operator not in ("==", "!="):
        if on != "json":
            raise UnsaidError(path)
        return _number("json", operator, _integer(right), name)
    if right.startswith("pat(") and right.endswith(")"):
        return Assertion(on, "matches" if equal else "not-matches", _pattern(right[4:-1]), name)
    if right.startswith("any(") and right.endswith(")"):
        texts = "|".join(re.escape(each.strip()) for each in right[4:-1].split(","))
        return Assertion(on, "matches" if equal else "not-matches", f"^(?:{texts})$", name)
    return Assertion(on, "equals" if equal else "not-equals", _scalar(right) if on == "json" else right, name)


def _pattern(glob: str) -> str:
    """A pattern of RE2 for one with `*` and `?`. What begins and ends with `*` is looked for anywhere."""
    inner = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in glob.strip("*"))
    begins, ends = "" if glob.startswith("*") else "^", "" if glob.endswith("*") else "$"
    return f"(?s){begins}{inner}{ends}"


def _path(text: str) -> str:
    path = "$" + text
    try:
        paths.steps(path)
    except paths.PathError:
        raise UnsaidError(text) from None
    return path


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UnsaidError(text) from None


def _scalar(text: str) -> Scalar:
    """There everything is compared as text; here JSON has kinds, and what looks like a number or a truth is taken for one."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, int | float | bool) else text
