"""Errors as GraphQL has them, with the codes and members of a problem in `extensions`. Nobody's words are repeated in any."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from graphql import GraphQLError

from keepwell.domains.graphql.errors import QUERY_INVALID
from keepwell.kernel.http import Answer, document, problem, retry_after
from keepwell.kernel.problems import Fault, Refusal

_LOCATIONS = "locations"
_LEFT_OUT = ("type", "title", "instance", _LOCATIONS)
_encode = msgspec.json.Encoder().encode


def refused(refusal: Refusal, instance: str, request_id: str) -> Answer:
    """The answer of a request that was not executed: status and headers of the problem, in GraphQL's envelope."""
    answer = problem(refusal, instance, request_id)
    return Answer(answer.status, _encode({"errors": [error_of(refusal, request_id)]}), answer.headers)


def error_of(refusal: Refusal, request_id: str, path: Sequence[str | int] = (), *, replayed: bool = False) -> dict[str, Any]:
    """A refusal as an error: what REST says in a problem stands in `extensions`."""
    said = document(refusal, "", request_id)
    extensions = {name: value for name, value in said.items() if name not in _LEFT_OUT}
    if (after := retry_after(refusal)) is not None:
        extensions["retry_after"] = after
    if replayed:
        extensions["idempotency_replayed"] = True
    error: dict[str, Any] = {"message": refusal.type.title, "extensions": extensions}
    if path:
        error["path"] = list(path)
    if _LOCATIONS in said:
        error[_LOCATIONS] = said[_LOCATIONS]
    return error


def invalid(errors: Sequence[GraphQLError]) -> Refusal:
    """What is told of a document, or of variables, that do not fit the schema."""
    return Refusal(QUERY_INVALID, faults=tuple(map(_fault, errors)), extra={_LOCATIONS: places(errors)})


def places(errors: Iterable[GraphQLError]) -> list[dict[str, int]]:
    """Where in the document errors are, as GraphQL has it."""
    return [{"line": each.line, "column": each.column} for error in errors for each in error.locations or ()]


def _fault(error: GraphQLError) -> Fault:
    where = ", ".join(f"line {each.line}, column {each.column}" for each in error.locations or ()) or "some place"
    rule = (error.extensions or {}).get("rule")
    if rule is not None:
        return Fault("/query", str(rule), f"This rule of the GraphQL specification is broken at {where}.")
    node: Any = error.nodes[0] if error.nodes else None
    variable = getattr(getattr(node, "variable", None), "name", None)
    if variable is not None:
        return Fault(f"/variables/{variable.value}", "variable", "The value does not fit the type of the variable.")
    return Fault("/query", "execution", f"It cannot be executed as it is written at {where}.")
