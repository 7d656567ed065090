"""Calling operations of the table from inside the process, for doors that translate to them: the same checks, the same handlers.

What a caller of such a door sends is read as if it had come in a request of that operation, so nothing is allowed here that is
not allowed there, and what is refused is refused in the same words.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from keepwell.kernel.envelope import Actor, Origin
from keepwell.kernel.http import headers as header
from keepwell.kernel.http.body import decode
from keepwell.kernel.http.call import Answer, Call
from keepwell.kernel.http.endpoint import Endpoint
from keepwell.kernel.http.query import QueryReader
from keepwell.kernel.http.routing import path_id
from keepwell.kernel.problems import INVALID_BODY, Refusal, Refused

if TYPE_CHECKING:
    from keepwell.kernel.service import Kernel


class Parts(msgspec.Struct, frozen=True):
    """What a request has, each as text but for `body`, which is what its JSON means. `path` and `query` are by name."""

    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: Any = None
    if_match: str | None = None
    idempotency_key: str | None = None


class Inside:
    """Operations that can be called without HTTP. Nobody's credentials are looked at here: the actor is who the door says."""

    def __init__(self, endpoints: Iterable[Endpoint], kernel: "Kernel") -> None:
        self._operations = {(each.method, each.path): _Operation(each, kernel) for each in endpoints}

    def __contains__(self, operation: tuple[str, str]) -> bool:
        return operation in self._operations

    async def call(self, operation: tuple[str, str], actor: Actor, origin: Origin, parts: Parts) -> Answer:
        """What an operation, by method and path as in the table, answers.

        Raises:
            Refused: as the operation itself.
        """
        return await self._operations[operation].answer(actor, origin, parts)


class _Operation:
    def __init__(self, endpoint: Endpoint, kernel: "Kernel") -> None:
        self._endpoint = endpoint
        self._kernel = kernel
        self._query = QueryReader(endpoint.query)
        self._decoder = msgspec.json.Decoder(endpoint.body) if endpoint.body is not None else None

    async def answer(self, actor: Actor, origin: Origin, parts: Parts) -> Answer:
        call = Call(self._kernel, actor, origin, {}, parts.path)
        if "id" in parts.path:
            call.id = path_id(parts.path)
        call.query = self._query.read(urlencode(parts.query).encode())
        if parts.if_match is not None:
            call.if_match = header.if_match({b"if-match": parts.if_match.encode()})
        if parts.idempotency_key is not None:
            call.idempotency_key = header.idempotency_key({b"idempotency-key": parts.idempotency_key.encode()})
        if self._decoder is not None:
            call.body = decode(_json(parts.body), self._decoder, parts=self._endpoint.parts)
        return await self._endpoint.handler(call)


def _json(body: Any) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise Refused(Refusal(INVALID_BODY, "What was sent cannot be written as JSON.")) from None
