"""Runs the expressions of a form on a response: variables where they are defined, each at most once, all on one account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keepwell.domains.validation.models import Expression, Expressions, Finding, Form, Node, Severity, Variable
from keepwell.domains.validation.rules.frames import Frame, Step
from keepwell.domains.validation.rules.report import Report
from keepwell.kit.fhir.fhirpath import (
    Collection,
    Element,
    ExhaustedError,
    ExpressionError,
    Fuel,
    Scope,
    UnavailableError,
    from_json,
)
from keepwell.kit.fhir.limits import MAX_DEPTH

_FAILED = Finding("expression-failed", "A rule of this form could not be checked.", "exception", Severity.WARNING)
_COSTLY = Finding("expression-limit", "The rules of this form are too costly to be checked all.", "too-costly", Severity.WARNING)
_PREFIXES = {"vs-": "http://hl7.org/fhir/ValueSet/", "ext-": "http://hl7.org/fhir/StructureDefinition/"}
_CONSTANTS = {"ucum": "http://unitsofmeasure.org", "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}


class Env:
    """The variables of one instance, worked out when asked for, and those of what is around it."""

    __slots__ = ("around", "focus", "known", "qitem", "variables")

    def __init__(
        self, around: "Env | None", variables: tuple[Variable, ...], focus: Collection, qitem: Mapping[str, Any] | None
    ) -> None:
        self.around = around
        self.variables = {one.name: one.expression for one in variables}
        self.focus = focus
        self.qitem = qitem
        self.known: dict[str, Collection | None] = {}


class Evaluator:
    """The expressions of one check. `now` is None when the caller did not tell the time; `launch` are names it gave."""

    def __init__(
        self, form: Form, response: Mapping[str, Any], report: Report, now: datetime | None, launch: Mapping[str, Any]
    ) -> None:
        self.form = form
        self.report = report
        self.now = now
        self.launch = launch
        self.fuel = Fuel()
        self.depth = 0
        self.root: Collection = [Element(response, "QuestionnaireResponse")]
        self.warned: set[str] = set()
        top = form.expressions or Expressions()
        self.top = Env(None, top.variables, self.root, None)

    def env(self, frame: Frame) -> Env:
        """The variables seen by what stands in an instance."""
        if frame.env is None:
            frame.env = self.top if frame.parent is None else self._env(frame, frame.parent)
        return frame.env

    def _env(self, frame: Frame, around: Frame) -> Env:
        if frame.owner is None or frame.owner[0].expressions is None or not frame.owner[0].expressions.variables:
            return self.env(around)
        return self.item_env(*frame.owner, around)

    def item_env(self, node: Node, item: Mapping[str, Any], around: Frame) -> Env:
        """The variables seen by the expressions of an item, which run on the item."""
        variables = () if node.expressions is None else node.expressions.variables
        return Env(self.env(around), variables, [Element(item, "QuestionnaireResponse.item")], node.source)

    def value(
        self, expression: Expression, env: Env, focus: Collection, at: tuple[Frame, tuple[Step, ...], str | None]
    ) -> Collection | None:
        """What an expression gives; None when that cannot be told. Its author's slips draw one warning each."""
        try:
            return self._run(expression, env, focus)
        except UnavailableError:
            return None
        except ExhaustedError:
            self._warn(expression, _COSTLY, at)
        except ExpressionError:
            self._warn(expression, _FAILED, at)
        return None

    def _warn(self, expression: Expression, finding: Finding, at: tuple[Frame, tuple[Step, ...], str | None]) -> None:
        key = finding.code if finding is _COSTLY else expression.place
        if key not in self.warned:
            self.warned.add(key)
            self.report.add(finding, *at)

    def _run(self, expression: Expression, env: Env, focus: Collection) -> Collection:
        program = expression.program
        if program is None:
            raise (UnavailableError if expression.foreign else ExpressionError)(expression.reason)
        if self.depth > MAX_DEPTH:
            raise ExpressionError("Variables look at each other too many times over.")
        self.depth += 1
        try:
            self.fuel.spend(1)
            return program.run(Scope(focus, lambda name: self._lookup(name, env, focus), self.fuel, self.now), focus)
        finally:
            self.depth -= 1

    def _lookup(self, name: str, env: Env, focus: Collection) -> Collection:
        at: Env | None = env
        while at is not None:
            if name in at.variables:
                return self._variable(name, at)
            at = at.around
        return self._provided(name, env, focus)

    def _variable(self, name: str, env: Env) -> Collection:
        if name in env.known:
            known = env.known[name]
            if known is None:
                raise ExpressionError(f"The variable %{name} needs itself.")
            return known
        env.known[name] = None
        try:
            found = self._run(env.variables[name], env, env.focus)
        except ExpressionError:
            del env.known[name]
            raise
        env.known[name] = found
        return found

    def _provided(self, name: str, env: Env, focus: Collection) -> Collection:
        if name in ("resource", "rootResource"):
            return self.root
        if name == "context":
            return focus
        if name == "questionnaire":
            return [Element(self.form.resource, "Questionnaire")]
        if name == "qitem":
            return [] if env.qitem is None else [Element(env.qitem, "Questionnaire.item")]
        if name in self.launch:
            return from_json(self.launch[name])
        return _constant(name)


def _constant(name: str) -> Collection:
    if name in _CONSTANTS:
        return [_CONSTANTS[name]]
    for prefix, base in _PREFIXES.items():
        if name.startswith(prefix):
            return [base + name.removeprefix(prefix)]
    raise UnavailableError(f"The variable %{name} is not at hand.")
