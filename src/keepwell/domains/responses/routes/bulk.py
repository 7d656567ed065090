"""Many operations in one call, each answered as the single call would have been."""

from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from keepwell.domains.responses.routes import examples
from keepwell.domains.responses.routes.operations import BulkOutcomes, BulkRequest, Get, Operation, envelope, path
from keepwell.domains.responses.service import ResponseService, Step, each_in_turn, together
from keepwell.kernel import Envelope, Outcome
from keepwell.kernel.http import Answer, Call, Endpoint, answer, decode, problem
from keepwell.kernel.problems import BODY_TOO_LARGE, OVERLOADED, UNAUTHENTICATED, UNAVAILABLE, Refusal, Refused

MOST_BYTES = 16_000_000
_AT_ONCE = 64
_WHOLE_CALL = (UNAUTHENTICATED, OVERLOADED, UNAVAILABLE)
_decoder = msgspec.json.Decoder[Operation](Operation)
_Answered = list[tuple["_Prepared", Outcome]]


class _Prepared(NamedTuple):
    """An operation ready to run, the bytes it was sent as, and what makes its answer."""

    step: Step
    sent: bytes
    shape: Callable[[Outcome], Answer]


class _Bulk:
    """One bulk call."""

    def __init__(self, service: ResponseService, call: Call) -> None:
        self._service = service
        self._call = call
        self._body: BulkRequest = call.body
        self._questionnaires: dict[str, UUID | Refusal] = {}

    async def answer(self) -> Answer:
        """The answer, its head decided by the first part: what befalls the whole call is not said of each operation."""
        parts = self._together() if self._body.atomic else self._in_turn()
        nothing: _Answered = []
        first = await anext(parts, nothing)
        kinds = {None if outcome.refusal is None else outcome.refusal.type for _, outcome in first}
        if first and len(kinds) == 1 and (refusal := first[0][1].refusal) is not None and refusal.type in _WHOLE_CALL:
            raise Refused(refusal)
        replayed = [outcome.replayed for each, outcome in first if not isinstance(each.step, Refusal)]
        headers = {"idempotency-replayed": "true"} if self._call.idempotency_key and replayed and all(replayed) else {}
        return Answer(200, self._written(first, parts), headers)

    async def _written(self, first: _Answered, rest: AsyncIterator[_Answered]) -> AsyncIterator[bytes]:
        yield b'{"outcomes":[' + b",".join(self._entry(*one) for one in first)
        async for part in rest:
            yield b"," + b",".join(self._entry(*one) for one in part)
        yield b"]}"

    async def _in_turn(self) -> AsyncIterator[_Answered]:
        under_way: list[list[_Prepared]] = []

        async def steps() -> AsyncIterator[Sequence[Step]]:
            async for part in self._parts():
                under_way.append(part)
                yield [one.step for one in part]

        async for outcomes in each_in_turn(self._service.kernel, steps(), dry_run=self._body.dry_run):
            yield list(zip(under_way.pop(), outcomes, strict=True))

    async def _together(self) -> AsyncIterator[_Answered]:
        prepared = [one async for part in self._parts() for one in part]
        steps = [one.step for one in prepared]
        pairs = zip(prepared, await together(self._service.kernel, steps, dry_run=self._body.dry_run), strict=True)
        while part := list(islice(pairs, _AT_ONCE)):
            yield part

    async def _parts(self) -> AsyncIterator[list[_Prepared]]:
        for start in range(0, len(self._body.operations), _AT_ONCE):
            some = self._body.operations[start : start + _AT_ONCE]
            yield [await self._prepared(start + place, raw) for place, raw in enumerate(some)]

    async def _prepared(self, place: int, raw: msgspec.Raw) -> _Prepared:
        sent = bytes(raw)
        try:
            operation = self._decoded(sent)
            return _Prepared(await self._envelope(operation, place), sent, operation.answered)
        except Refused as refused:
            return _Prepared(refused.refusal, sent, answer)

    def _decoded(self, raw: bytes) -> Operation:
        if len(raw) > self._call.usual_limit:
            raise Refused(Refusal(BODY_TOO_LARGE, f"One operation takes at most {self._call.usual_limit} bytes."))
        return decode(raw, _decoder)

    async def _envelope(self, operation: Operation, place: int) -> Envelope:
        made = await envelope(operation, self._service, self._call.actor, self._call.origin, self._questionnaire)
        if made.idempotency_key is not None or self._call.idempotency_key is None or isinstance(operation, Get):
            return made
        key = f"{self._call.idempotency_key}\x1f{place}"  # no key that is sent has this character
        return msgspec.structs.replace(made, idempotency_key=key)

    async def _questionnaire(self, reference: str) -> UUID:
        found = self._questionnaires.get(reference)
        if found is None:
            try:
                found = await self._service.questionnaire(self._call.actor, reference, self._call.origin)
            except Refused as refused:
                found = refused.refusal
            self._questionnaires[reference] = found
        if isinstance(found, Refusal):
            raise Refused(found)
        return found

    def _entry(self, prepared: _Prepared, outcome: Outcome) -> bytes:
        """One outcome as JSON."""
        code = ""
        if outcome.refusal is None:
            answered = prepared.shape(outcome)
        else:
            answered = problem(outcome.refusal, path(prepared.sent), self._call.origin.request_id)
            code = outcome.refusal.code
        head: dict[str, Any] = {"status": answered.status}
        if code:
            head["code"] = code
        head |= {name: answered.headers[name] for name in ("etag", "location") if name in answered.headers}
        if outcome.replayed:
            head["idempotency_replayed"] = True
        if "retry-after" in answered.headers:
            head["retry_after"] = int(answered.headers["retry-after"])
        body = answered.body if isinstance(answered.body, bytes) else msgspec.json.encode(answered.body)
        return msgspec.json.encode(head)[:-1] + b',"body":' + body + b"}"


def endpoints(service: ResponseService) -> tuple[Endpoint, ...]:
    """The route for many operations at once."""

    async def bulk(call: Call) -> Answer:
        return await _Bulk(service, call).answer()

    return (
        Endpoint(
            "POST",
            "/v1/responses/bulk",
            bulk,
            "Run many operations, each answered as the single call would have been",
            "Responses",
            body=BulkRequest,
            body_limit=MOST_BYTES,
            answers={200: BulkOutcomes},
            parts=True,
            door="bulk",
            compressed=True,
            example=examples.BULK,
        ),
    )
