"""The FHIRPath expressions of a form: found, parsed and checked for what they can see.

One that cannot be run never stands in the way of an answer: its author is warned when the form comes in.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from keepwell.domains.validation.models import Constraint, Expression, Expressions, Severity, Variable
from keepwell.domains.validation.rules import extensions as ext
from keepwell.domains.validation.rules.extensions import Extensions, objects
from keepwell.domains.validation.rules.notebook import Notebook
from keepwell.kit.fhir.fhirpath import ExpressionError, compile_expression
from keepwell.kit.fhir.limits import MAX_EXPRESSION, MAX_EXPRESSIONS

PROVIDED = frozenset(("resource", "rootResource", "context", "questionnaire", "qitem", "ucum", "sct", "loinc"))
"""The names every expression sees."""
_FHIRPATH = ("text/fhirpath", None)


class Reader:
    """Reads the expressions of one form, and keeps the account of their size. `launch` are names given from outside."""

    def __init__(self, resource: Mapping[str, Any], notebook: Notebook) -> None:
        self.notebook = notebook
        self.left = MAX_EXPRESSIONS
        self.launch = frozenset(_launch_names(resource))

    def read(self, element: Mapping[str, Any], pointer: str, seen: frozenset[str], link_id: str | None) -> "Found":
        """The expressions of an item, or of the form. `seen` are the variables of what is around it."""
        extensions = Extensions(element)
        variables: list[Variable] = []
        for place, extension in extensions.all(ext.VARIABLE):
            source: Any = extension.get("valueExpression")
            own = cast("dict[str, Any]", source) if isinstance(source, dict) else {}
            name = own.get("name")
            if isinstance(name, str):
                where = f"{pointer}/extension/{place}/valueExpression"
                variables.append(Variable(name, self._expression(own, where, seen, link_id)))
                seen |= {name}
        single = {
            url: self._first(extensions, url, pointer, seen, link_id) for url in (ext.CALCULATED, ext.INITIAL, ext.ENABLE_WHEN)
        }
        constraints = tuple(self._constraints(extensions, pointer, seen, link_id))
        found = Expressions(tuple(variables), constraints, single[ext.CALCULATED], single[ext.INITIAL])
        return Found(None if found == Expressions() else found, single[ext.ENABLE_WHEN], seen)

    def _first(
        self, extensions: Extensions, url: str, pointer: str, seen: frozenset[str], link_id: str | None
    ) -> Expression | None:
        for place, extension in extensions.all(url):
            source: Any = extension.get("valueExpression")
            own = cast("dict[str, Any]", source) if isinstance(source, dict) else None
            if own is not None:
                where = f"{pointer}/extension/{place}/valueExpression"
                return self._expression(own, where, seen, link_id)
        return None

    def _constraints(
        self, extensions: Extensions, pointer: str, seen: frozenset[str], link_id: str | None
    ) -> Iterator[Constraint]:
        for url in (ext.CONSTRAINT, ext.TARGET_CONSTRAINT):
            for place, extension in extensions.all(url):
                parts = Extensions(extension)
                type_, value = parts.first("expression")
                source: Any = value if type_ == "Expression" else {"expression": value}
                own = cast("dict[str, Any]", source) if isinstance(source, dict) else {}
                where = f"{pointer}/extension/{place}"
                expression = self._expression(own, where, seen, link_id)
                severity = Severity.WARNING if parts.text("severity") == "warning" else Severity.ERROR
                message = parts.text("human") or "The answers do not fit together as this form asks."
                yield Constraint(parts.text("key") or "", expression, severity, message[:1_000])

    def _expression(self, source: Mapping[str, Any], place: str, seen: frozenset[str], link_id: str | None) -> Expression:
        text, language = source.get("expression"), source.get("language")
        if not isinstance(text, str):
            return self._unusable(place, "This expression is empty.", link_id)
        if language not in _FHIRPATH:
            message = "Only expressions in text/fhirpath can be run here."
            self.notebook.warn(place, "expression", message, link_id)
            return Expression(None, message, place, foreign=True)
        self.left -= len(text)
        if len(text) > MAX_EXPRESSION or self.left < 0:
            message = f"A form may have {MAX_EXPRESSION} characters in one expression and {MAX_EXPRESSIONS} in all."
            self.notebook.fault(place, "limit", message, link_id)
            return Expression(None, message, place)
        try:
            program = compile_expression(text)
        except ExpressionError as error:
            return self._unusable(place, str(error), link_id)
        strange = sorted(
            name for name in program.variables - seen - PROVIDED - self.launch if not name.startswith(("vs-", "ext-"))
        )
        if strange:
            return self._unusable(place, f"The expression uses %{strange[0][:40]}, which nothing here defines.", link_id)
        return Expression(program, "", place)

    def _unusable(self, place: str, reason: str, link_id: str | None) -> Expression:
        self.notebook.warn(place, "expression", reason, link_id)
        return Expression(None, reason, place)


class Found:
    """What `Reader.read` found: the expressions, `enableWhenExpression`, and all variables seen below."""

    __slots__ = ("enabled_by", "expressions", "seen")

    def __init__(self, expressions: Expressions | None, enabled_by: Expression | None, seen: frozenset[str]) -> None:
        self.expressions = expressions
        self.enabled_by = enabled_by
        self.seen = seen


def _launch_names(resource: Mapping[str, Any]) -> Iterator[str]:
    for extension in objects(resource.get("extension")):
        if extension.get("url") == ext.LAUNCH_CONTEXT:
            type_, value = Extensions(extension).first("name")
            name = cast("dict[str, Any]", value).get("code") if isinstance(value, dict) else value
            if type_ and isinstance(name, str):
                yield name
