"""The HTTP door of enrollment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import msgspec

from keepwell.domains.enrollment.errors import BATCH_STATUS, TOO_MANY_BATCHES, TOO_MANY_ROWS, UNKNOWN_ROWS, UPLOAD_GONE
from keepwell.domains.enrollment.models import BatchView, CancelBatch, PauseBatch, ResumeBatch, RollBackBatch, RowContent
from keepwell.domains.enrollment.routes import examples
from keepwell.domains.enrollment.routes.bodies import BatchList, BatchPart, Modes, Retry, RowList, RowPart
from keepwell.domains.enrollment.service import EnrollmentService, Upload
from keepwell.domains.enrollment.service.contents import Contents
from keepwell.domains.uploads import MEDIA, UNREADABLE_UPLOAD
from keepwell.kernel import Command, Refused
from keepwell.kernel.http import Answer, Call, Endpoint, page_of

_TAG = "Enrollment"
MOST_BYTES = 2_000_000_000
_ENDED = ("completed", "failed", "cancelled", "rolled-back")
_PACE_SECONDS = 1.0
_LONGEST_NUMBER = 9


class _Batches:
    def __init__(self, service: EnrollmentService) -> None:
        self._service = service
        self._showing = service.showing
        self._contents = Contents(service.kernel)

    async def upload(self, call: Call) -> Answer:
        modes: Modes = call.query
        upload = Upload(call.id, call.headers["content-type"], modes.dry_run, modes.atomic, call.idempotency_key)
        outcome = await self._service.upload(call.actor, call.origin, upload, call.stream)
        if outcome.refusal is not None:
            raise Refused(outcome.refusal, replayed=outcome.replayed)
        replayed = {"idempotency-replayed": "true"} if outcome.replayed else {}
        view = await self._showing.show(call.actor, outcome.id, call.origin)
        return Answer(202, view, {"location": f"/v1/batches/{outcome.id}", **replayed})

    async def page(self, call: Call) -> Answer:
        query: BatchPart = call.query
        found = await self._showing.page(call.actor, call.origin, query.program, query.cursor, query.limit + 1)
        return Answer(200, BatchList(*page_of(found, query.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        return Answer(200, await self._showing.show(call.actor, call.id, call.origin))

    async def rows(self, call: Call) -> Answer:
        query: RowPart = call.query
        found = await self._showing.rows(
            call.actor, call.id, call.origin, query.outcome or "", query.cursor or 0, query.limit + 1
        )
        return Answer(200, RowList(*page_of(found, query.limit, lambda one: one.row)))

    async def row(self, call: Call) -> Answer:
        found = await self._contents.row(call.actor, call.id, _number(call.path["row"]), call.origin)
        return Answer(200, found)

    async def report(self, call: Call) -> Answer:
        lines = await self._showing.report(call.actor, call.id, call.origin)
        told = {"content-disposition": f'attachment; filename="batch-{call.id}.csv"'}
        return Answer(200, lines, told, "text/csv; charset=utf-8")

    async def events(self, call: Call) -> Answer:
        first = await self._showing.show(call.actor, call.id, call.origin)
        quiet = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return Answer(200, self._progress(call, first), quiet, "text/event-stream")

    async def _progress(self, call: Call, view: BatchView) -> AsyncIterator[bytes]:
        told = b""
        while True:
            body = msgspec.json.encode(view)
            if body != told:
                told = body
                yield b"event: progress\ndata: " + body + b"\n\n"
            if view.status in _ENDED:
                return
            await asyncio.sleep(_PACE_SECONDS)
            view = await self._showing.show(call.actor, call.id, call.origin)

    async def retry(self, call: Call) -> Answer:
        body: Retry = call.body
        await self._service.retry(call.actor, call.origin, call.id, body.rows, body.corrections)
        return await self.show(call)

    def does(self, command: Callable[[UUID], Command]) -> Callable[[Call], Awaitable[Answer]]:
        """A handler that runs a command about a batch and shows it then."""

        async def act(call: Call) -> Answer:
            outcome = await call.execute(command(call.id))
            await self._service.enqueue(call.actor.tenant, call.id)
            answer = await self.show(call)
            return Answer(200, answer.body, {"idempotency-replayed": "true"} if outcome.replayed else {})

        return act


def _number(text: str) -> int:
    """The row a path names; 0, which no row is, where it names none."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _LONGEST_NUMBER else 0


def endpoints(service: EnrollmentService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    batches = _Batches(service)
    return (*_uploads(batches), *_reads(batches), *_actions(batches))


def _uploads(batches: _Batches) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/programs/{id}/batches",
            batches.upload,
            "Upload people to enroll",
            _TAG,
            query=Modes,
            answers={202: BatchView},
            problems=(UNREADABLE_UPLOAD, TOO_MANY_BATCHES, TOO_MANY_ROWS),
            uploads=tuple(MEDIA),
            body_limit=MOST_BYTES,
            compressed=True,
            example=examples.UPLOAD,
        ),
    )


def _reads(batches: _Batches) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/v1/batches",
            batches.page,
            "List the clinic's batches",
            _TAG,
            query=BatchPart,
            answers={200: BatchList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/batches/{id}",
            batches.show,
            "Show a batch, and what came of its rows so far",
            _TAG,
            answers={200: BatchView},
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "GET",
            "/v1/batches/{id}/rows",
            batches.rows,
            "Tell what came of the rows of a batch",
            _TAG,
            query=RowPart,
            answers={200: RowList},
            compressed=True,
            example=examples.ROWS,
        ),
        Endpoint(
            "GET",
            "/v1/batches/{id}/rows/{row}",
            batches.row,
            "Show what a row of a batch says",
            _TAG,
            answers={200: RowContent},
            compressed=True,
            example=examples.ROW,
        ),
        Endpoint(
            "GET",
            "/v1/batches/{id}/report",
            batches.report,
            "Download what came of every row of a batch",
            _TAG,
            answers={200: bytes},
            media="text/csv",
            streams=True,
            example=examples.REPORT,
        ),
        Endpoint(
            "GET",
            "/v1/batches/{id}/events",
            batches.events,
            "Follow a batch until it ends",
            _TAG,
            answers={200: bytes},
            media="text/event-stream",
            door="sse",
            streams=True,
            example=examples.EVENTS,
        ),
    )


def _actions(batches: _Batches) -> tuple[Endpoint, ...]:
    actions = (
        ("pause", PauseBatch, "Pause a batch after the parts it is in"),
        ("resume", ResumeBatch, "Go on with a paused batch"),
        ("cancel", CancelBatch, "Cancel a batch; what is done of it stays, unless it is atomic"),
        ("rollback", RollBackBatch, "Take back what a finished batch did; who was changed since is left"),
    )
    return (
        *(
            Endpoint(
                "POST",
                f"/v1/batches/{{id}}/{name}",
                batches.does(command),
                summary,
                _TAG,
                answers={200: BatchView},
                problems=(BATCH_STATUS,),
                compressed=True,
                example=examples.SHOW,
            )
            for name, command, summary in actions
        ),
        Endpoint(
            "POST",
            "/v1/batches/{id}/retry",
            batches.retry,
            "Run rows of a batch again, as corrected",
            _TAG,
            body=Retry,
            answers={200: BatchView},
            problems=(BATCH_STATUS, UNKNOWN_ROWS, UPLOAD_GONE),
            idempotent=False,
            body_limit=16_000_000,
            compressed=True,
            example=examples.RETRY,
        ),
    )
