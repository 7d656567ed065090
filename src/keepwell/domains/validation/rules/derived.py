"""Checks answers that other answers determine: `calculatedExpression`, and `initialExpression` where nobody can change it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from keepwell.domains.validation.models import Node, Severity
from keepwell.domains.validation.rules import findings as say
from keepwell.domains.validation.rules.evaluating import Env, Evaluator
from keepwell.domains.validation.rules.frames import Frame, Step, given_by
from keepwell.domains.validation.rules.report import Report
from keepwell.kit.fhir.fhirpath import Collection, Element, from_json
from keepwell.kit.fhir.fhirpath.operators import equal

_TOLERANCE = Decimal("1e-9")


def check_derived(
    node: Node,
    item: Mapping[str, Any],
    evaluator: Evaluator,
    env: Env,
    at: tuple[Frame, tuple[Step, ...], str | None],
    report: Report,
) -> None:
    """Reports answers that differ from what their expression gives. One that gives nothing, or cannot be run, asks nothing.

    Where nobody can change the answer a difference is an error, but only once the response is submitted: until then the form
    that is being filled in may lag behind its own answers. Where a person may overrule the result it is a warning.
    """
    expressions = node.expressions
    expression = None if expressions is None else expressions.calculated or expressions.initial
    given = given_by(item)
    if expression is None or not given:
        return
    found = evaluator.value(expression, env, env.focus, at)
    if not found:
        return
    own = [one for type_, value in given for one in from_json(value, type_)]
    if _same(own, found):
        return
    severity = Severity.ERROR if node.fixed and report.strict else Severity.WARNING
    report.add(say.CALCULATED, *at, severity=severity)


def _same(given: Collection, found: Collection) -> bool:
    return len(given) == len(found) and all(_alike(one, other) for one, other in zip(given, found, strict=True))


def _alike(one: Any, other: Any) -> bool:
    numbers = [value for value in (one, other) if isinstance(value, int | Decimal) and not isinstance(value, bool)]
    if len(numbers) == 2:
        left, right = Decimal(numbers[0]), Decimal(numbers[1])
        return abs(left - right) <= _TOLERANCE * max(abs(left), abs(right), Decimal(1))
    if isinstance(one, Element) and one.type == "Coding":
        code = other.data.get("code") if isinstance(other, Element) else other
        return one.data.get("code") == code
    if isinstance(one, Element) and one.type == "Quantity" and not isinstance(other, Element) and len(numbers) == 1:
        return bool(from_json(one.data.get("value")) == [other])
    # What agrees as far as both say is no contradiction.
    return equal(one, other) is not False
