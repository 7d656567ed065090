"""Server-Sent Events: following one response (WHATWG HTML, 9.2)."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Self
from uuid import UUID

import msgspec

from keepwell.domains.live.errors import RESTARTING, ROOM_FULL
from keepwell.domains.live.models import PROBLEM, Message, Viewer
from keepwell.domains.live.rules import encoded
from keepwell.domains.live.service import LiveService, Member, measures
from keepwell.kernel import Actor, Refusal
from keepwell.kernel.http import Answer, Call, Endpoint, Example, RequestHeader, document
from keepwell.kernel.problems import decided

_HEARTBEAT_SECONDS = 15.0
_RETRY_MS = 2_000
_EXAMPLE = """\
retry: 2000

id: 2
event: changed
data: {"id":"2","type":"changed","at":"2026-09-15T09:32:10Z","data":{"version":2,"change":"changed","answers":{"weight":71.5}}}

"""
_LAST_EVENT = RequestHeader("Last-Event-ID", "The id of the last message received: the stream goes on behind it.")


class After(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to go on: the id of the last message received; without it, or when that is too long ago, with a snapshot."""

    after: str | None = None


class Stream:
    """What one follower is sent. It leaves the room when it is closed, whether anything was taken from it or not."""

    def __init__(self, service: LiveService, member: Member, response: UUID) -> None:
        self._service = service
        self._member = member
        self._response = response
        self._began = False
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        member = self._member
        member.blocked_since = None
        if not self._began:
            self._began = True
            return b"retry: %d\n\n" % _RETRY_MS
        while True:
            if (frame := member.take()) is not None:
                measures.SENT.labels(frame.type).inc()
                member.blocked_since = monotonic()
                return f"id: {frame.id}\nevent: {frame.type}\ndata: {frame.text}\n\n".encode()
            if member.ending is not None:
                return self._farewell(member.ending)
            if member.lagging:
                await self._service.room(member, self._response).refresh(member)
                continue
            before = monotonic()
            await member.wait(_HEARTBEAT_SECONDS)
            if monotonic() - before >= _HEARTBEAT_SECONDS:
                return b":\n\n"

    def _farewell(self, refusal: Refusal) -> bytes:
        """The last words: why it ends, and when to come back."""
        if self._ended:
            raise StopAsyncIteration
        self._ended = True
        said = document(refusal, f"/v1/responses/{self._response}/events", self._member.viewer.origin.request_id)
        text = encoded(Message(PROBLEM, self._service.kernel.clock.now(), said))
        retry = f"retry: {refusal.extra['reconnect_after_ms']}\n" if "reconnect_after_ms" in refusal.extra else ""
        return f"{retry}event: {PROBLEM}\ndata: {text}\n\n".encode()

    async def aclose(self) -> None:
        """Leaves the room."""
        await self._service.leave(self._member, self._response)


def endpoints(service: LiveService, present: Callable[[str], tuple[Actor, datetime]]) -> tuple[Endpoint, ...]:
    """The route to follow a response."""

    async def follow(call: Call) -> Answer:
        # The door has checked the credentials already; what is asked here is how long they hold.
        if call.session is not None:
            until = call.session.until
        else:
            _, until = await decided(partial(present, call.headers["authorization"]))
        viewer = Viewer(call.actor, call.origin, until, speaks=False)
        after: str | None = call.headers.get("last-event-id") or call.query.after
        member = await service.join(viewer, call.id, after)
        member.abort = call.abort
        stream: AsyncIterator[bytes] = Stream(service, member, call.id)
        return Answer(200, stream, {"cache-control": "no-store", "x-accel-buffering": "no"}, "text/event-stream")

    return (
        Endpoint(
            "GET",
            "/v1/responses/{id}/events",
            follow,
            "Follow a response: how it is, then every change as it happens",
            "Live",
            query=After,
            answers={200: bytes},
            problems=(ROOM_FULL, RESTARTING),
            media="text/event-stream",
            door="sse",
            streams=True,
            headers=(_LAST_EVENT,),
            example=Example(answer=_EXAMPLE),
        ),
    )
