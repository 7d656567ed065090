"""Executing a document: each root field is the REST operation it stands for, mutations one after another, queries together."""

import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, cast

import graphql
import msgspec
import structlog
from graphql import ExecutionResult, GraphQLError, GraphQLSchema

from keepwell.domains.graphql.models import GUIDE, SUNSET, Translation
from keepwell.domains.graphql.routes.documents import Document
from keepwell.domains.graphql.routes.envelope import error_of, invalid
from keepwell.domains.graphql.routes.schema import parts_of
from keepwell.domains.graphql.service import GraphQLService
from keepwell.kernel import Refusal, Refused, seen
from keepwell.kernel.http import Answer, Call
from keepwell.kernel.http.inside import Inside
from keepwell.kernel.problems import INTERNAL, OVERLOADED, UNAUTHENTICATED, UNAVAILABLE
from keepwell.platform.telemetry import describe

Outages = Callable[[Exception], Refusal | None]
"""What an exception means that says a part we need is away; None when it means something else."""

_graphql: Any = graphql  # `execute` is partly typed
_WHOLE_REQUEST = (UNAUTHENTICATED, OVERLOADED, UNAVAILABLE)
_log = structlog.stdlib.get_logger("keepwell.graphql")


class Execution:
    """One request under way."""

    def __init__(self, service: GraphQLService, inside: Inside, outages: Outages, call: Call) -> None:
        self._service = service
        self._inside = inside
        self._outages = outages
        self._call = call
        self._translated: dict[str, str] = {}
        self._refusals: list[Refusal] = []
        self._asked = 0

    async def translate(self, translation: Translation, arguments: Mapping[str, Any]) -> Any:
        """What the operation answers, with `etag` and `idempotency_replayed` beside.

        Raises:
            Refused: as the operation.
        """
        self._asked += 1
        self._translated[translation.field] = translation.replaced_by
        self._service.count(self._call.actor, translation.field)
        operation, parts = (translation.method, translation.path), parts_of(translation, arguments)
        return _told(await self._inside.call(operation, self._call.actor, self._call.origin, parts))

    async def answer(self, schema: GraphQLSchema, document: Document, variables: dict[str, Any]) -> Answer:
        """The answer of a document that was read.

        Raises:
            Refused: it was not executed; or something befell the whole of it, which is not said of each part.
        """
        name = None if document.operation.name is None else document.operation.name.value
        executing: Any = _graphql.execute(
            schema, document.node, context_value=self, variable_values=variables, operation_name=name, hide_suggestions=True
        )
        result = cast("ExecutionResult", await executing if inspect.isawaitable(executing) else executing)
        errors = result.errors or []
        if any(error.path is None for error in errors):
            raise Refused(invalid(errors))
        if not self._asked:
            await self._service.admit(self._call.actor, self._call.origin)
        told = [self._error(error) for error in errors]
        self._raise_common(told)
        return Answer(200, msgspec.json.encode(self._document(result.data, told)))

    def _raise_common(self, told: Sequence[object]) -> None:
        kinds = {refusal.type for refusal in self._refusals}
        if len(told) == self._asked and len(kinds) == 1 and self._refusals[0].type in _WHOLE_REQUEST:
            raise Refused(self._refusals[0])

    def _error(self, error: GraphQLError) -> dict[str, Any]:
        refused = self._refused(error)
        self._refusals.append(refused.refusal)
        if refused.refusal.type.status >= 500:
            seen.note_failure()
        return error_of(refused.refusal, self._call.origin.request_id, error.path or (), replayed=refused.replayed)

    def _refused(self, error: GraphQLError) -> Refused:
        original = error.original_error
        if isinstance(original, Refused):
            return original
        if original is None:
            return Refused(invalid([error]))
        refusal = self._outages(original)
        if refusal is None:
            _log.error("graphql.bug", **describe(original), request_id=self._call.origin.request_id)
            refusal = Refusal(INTERNAL)
        return Refused(refusal)

    def _document(self, data: Any, told: list[dict[str, Any]]) -> dict[str, Any]:
        errors = {"errors": told} if told else {}
        deprecated = {"sunset": SUNSET, "guide": GUIDE, "replaced_by": self._translated}
        return {**errors, "data": data, "extensions": {"deprecated": deprecated}}


def _told(answer: Answer) -> dict[str, Any]:
    if isinstance(answer.body, AsyncIterator) or answer.body is None:
        raise TypeError("no operation that is translated answers in parts, or with nothing")
    body = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
    told = msgspec.json.decode(body, type=dict[str, Any])
    return {**told, "etag": answer.headers.get("etag"), "idempotency_replayed": "idempotency-replayed" in answer.headers}
