"""Reading a GraphQL document: bounded, parsed, weighed and validated before anything of it is executed."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from graphql.validation import ASTValidationRule

from keepwell.domains.graphql.errors import INTROSPECTION_OFF, QUERY_INVALID, QUERY_MALFORMED, QUERY_TOO_DEEP, QUERY_TOO_LONG
from keepwell.domains.graphql.routes.envelope import invalid, places
from keepwell.domains.graphql.rules import MOST_FIELDS, MOST_TOKENS, refusal_for
from keepwell.kernel.problems import Fault, Refusal, Refused

MOST_ERRORS = 20
_AT_ONCE = 1_000
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_TOO_LONG = ("Syntax Error: Document contains more than",)
_TOO_DEEP = ("Syntax Error: Document is nested too deeply",)


class Document(NamedTuple):
    """A document that may be executed, and the operation of it that is asked for."""

    node: DocumentNode
    operation: OperationDefinitionNode


class Reader:
    """Reads documents for one schema."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        rules = specified_rules if introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        self._rules = tuple(map(_named, rules))
        root = (*_fields(schema.query_type), *_fields(schema.mutation_type))
        self._lists = frozenset(name for name, field in root if "limit" in field.args)

    async def read(self, text: str, operation_name: str | None, variables: Mapping[str, Any]) -> Document:
        """The document. One that is not short is read in a thread: it must stall nobody.

        Raises:
            Refused: it cannot be read, does not fit the schema, or is too much.
        """
        if len(text) <= _AT_ONCE:
            return self._read(text, operation_name, variables)
        return await asyncio.to_thread(self._read, text, operation_name, variables)

    def _read(self, text: str, operation_name: str | None, variables: Mapping[str, Any]) -> Document:
        try:
            node = parse(text, max_lexical_tokens=MOST_TOKENS, max_comments=MOST_TOKENS)
            operation = get_operation_ast(node, operation_name)
            if operation is None:
                fault = Fault(
                    "/operationName", "operation", "The document has no such operation, or more than one to choose from."
                )
                raise Refused(Refusal(QUERY_INVALID, faults=(fault,)))
            if refusal := refusal_for(node, operation, variables, self._lists):
                raise Refused(refusal)
            errors = validate(self._schema, node, self._rules, max_errors=MOST_ERRORS, hide_suggestions=True)
        except GraphQLSyntaxError as error:
            raise Refused(_unreadable(error)) from None
        except RecursionError:
            raise Refused(Refusal(QUERY_TOO_DEEP, "It nests deeper than can be read.")) from None
        if errors:
            raise Refused(_unfit(errors))
        return Document(node, operation)


def _unreadable(error: GraphQLSyntaxError) -> Refusal:
    if error.message.startswith(_TOO_LONG):
        return Refusal(QUERY_TOO_LONG, f"A document has at most {MOST_TOKENS} tokens, and {MOST_FIELDS} fields.")
    if error.message.startswith(_TOO_DEEP):
        return Refusal(QUERY_TOO_DEEP, "It nests deeper than can be read.")
    return Refusal(QUERY_MALFORMED, extra={"locations": places([error])})


def _unfit(errors: list[GraphQLError]) -> Refusal:
    hidden = [error for error in errors if (error.extensions or {}).get("rule") == _INTROSPECTION]
    return Refusal(INTROSPECTION_OFF) if hidden else invalid(errors)


class _Naming:
    """A validation context that makes each error say which rule was broken: its words repeat what was sent, and reach nobody."""

    def __init__(self, context: Any, rule: str) -> None:
        self._context = context
        self._rule = rule

    def report_error(self, error: GraphQLError) -> None:
        error.extensions = {"rule": self._rule}
        self._context.report_error(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def _named(rule: type[ASTValidationRule]) -> type[ASTValidationRule]:
    name = _name(rule)

    def begin(self: ASTValidationRule, context: Any) -> None:
        rule.__init__(self, cast("Any", _Naming(context, name)))

    return cast("type[ASTValidationRule]", type(rule.__name__, (rule,), {"__init__": begin}))


def _name(rule: type[ASTValidationRule]) -> str:
    """`fields-on-correct-type` of `FieldsOnCorrectTypeRule`."""
    return _CAPITAL.sub("-", rule.__name__.removesuffix("Rule")).lower()


_INTROSPECTION = _name(NoSchemaIntrospectionCustomRule)


def _fields(type_: Any) -> Iterable[tuple[str, Any]]:
    return () if type_ is None else type_.fields.items()
