"""The schema, from its own text, with a resolver for each root field that calls the REST operation it stands for."""

import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from ariadne import MutationType, QueryType, ScalarType, make_executable_schema
from graphql import GraphQLError, GraphQLSchema, ValueNode, value_from_ast_untyped

from keepwell.domains.graphql.models import MUTATIONS, QUERIES, Translation
from keepwell.kernel.http.inside import Parts

TEXT = Path(__file__).with_name("schema.graphql").read_text(encoding="utf-8")
_DEEPEST = 100


class Asking(Protocol):
    """One request, as resolvers see it."""

    async def translate(self, translation: Translation, arguments: Mapping[str, Any]) -> Any:
        """What the operation answers, with `etag` and `idempotency_replayed` beside."""
        ...


def make_schema() -> GraphQLSchema:
    """The schema. The context of an execution is an `Asking`."""
    query, mutation, json = QueryType(), MutationType(), ScalarType("JSON")
    for kind, translations in ((query, QUERIES), (mutation, MUTATIONS)):
        for translation in translations:
            kind.field(translation.field)(_resolver(translation))
    json.set_literal_parser(literal)
    json.set_value_parser(_as_it_is)
    return make_executable_schema(TEXT, query, mutation, json)


def _resolver(translation: Translation) -> Callable[..., Awaitable[Any]]:
    async def resolve(_source: object, info: Any, **arguments: Any) -> Any:
        return await cast("Asking", info.context).translate(translation, arguments)

    return resolve


def parts_of(translation: Translation, arguments: Mapping[str, Any]) -> Parts:
    """What a request of REST has in place of these arguments. One that is null is left out, but in a body."""
    named = {name: _text(value) for name, value in arguments.items() if value is not None}
    body = {name: arguments[name] for name in translation.body if name in arguments}
    return Parts(
        path={name: value for name, value in named.items() if f"{{{name}}}" in translation.path},
        query={name: named[name] for name in translation.query if name in named},
        body=arguments.get(translation.whole) if translation.whole else body,
        if_match=named.get("if_match"),
        idempotency_key=named.get("idempotency_key"),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    """What a value written into the document means as JSON.

    Raises:
        GraphQLError: it has no such meaning, or nests too deeply.
    """
    value: Any = value_from_ast_untyped(node, variables)
    if not _is_json(value, _DEEPEST):
        raise GraphQLError("not JSON", node)
    return value


def _as_it_is(value: Any) -> Any:
    return value


def _is_json(value: Any, levels: int) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return levels > 0 and all(_is_json(each, levels - 1) for each in cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        return levels > 0 and all(_is_json(each, levels - 1) for each in cast("list[Any]", value))
    return value is None or isinstance(value, str | int | bool)
