"""The WebSocket of a room: hearing everything, and speaking."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any

from keepwell.domains.live.errors import IDLE, RESTARTING, ROOM_FULL, TOO_FAST
from keepwell.domains.live.models import ACK, PROBLEM, Message, Viewer
from keepwell.domains.live.routes.events import After
from keepwell.domains.live.routes.messages import AddARow, Auth, Change, Focus, Mergeable, Ping, Spoken, Typing, decoder, name_of
from keepwell.domains.live.rules import Cursor, encoded, framed
from keepwell.domains.live.service import LiveService, Member, Room, measures
from keepwell.domains.responses import newest_row
from keepwell.kernel import Actor, Envelope, Outcome, Refusal, Refused, seen
from keepwell.kernel.http import DisconnectedError, Socket, SocketCall, decode, document
from keepwell.kernel.problems import FORBIDDEN, NOT_FOUND, RATE_LIMITED, UNAUTHENTICATED, ProblemType, decided

PATH = "/v1/responses/{id}/room"
_AUTH_SECONDS = 10.0
_TRY_AGAIN, _NOT_LIKE_THIS = 1013, 1008
_CODES: dict[ProblemType, int] = {
    UNAUTHENTICATED: 4401,
    FORBIDDEN: 4403,
    NOT_FOUND: 4404,
    IDLE: 4408,
    ROOM_FULL: 4409,
    TOO_FAST: 4429,
    RATE_LIMITED: 4429,
    RESTARTING: 1012,
}
Presenter = Callable[[str], tuple[Actor, datetime]]


def code_of(refusal: Refusal) -> int:
    """The close code of a refusal; where it has none of its own, 1013 (try again later) or 1008 (not like this)."""
    return _CODES.get(refusal.type, _TRY_AGAIN if refusal.type.status >= HTTPStatus.INTERNAL_SERVER_ERROR else _NOT_LIKE_THIS)


class _Conversation:
    """One connection, from its credentials to its end."""

    def __init__(self, service: LiveService, present: Presenter, call: SocketCall) -> None:
        self._service = service
        self._present = present
        self._call = call
        self._instance = PATH.format(id=call.id)

    async def hold(self) -> None:
        try:
            actor, until = await self._who()
            viewer = Viewer(actor, self._call.origin, until, speaks=True)
            member = await self._service.join(viewer, self._call.id, self._call.query.after)
        except Refused as refused:
            await turn_away(self._call, refused.refusal)
            return
        member.abort = self._call.abort
        room = self._service.room(member, self._call.id)
        writing = asyncio.create_task(self._write(member, room), name="live-writer")
        try:
            await self._listen(member, room)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self._service.leave(member, self._call.id)

    async def _who(self) -> tuple[Actor, datetime]:
        """Who speaks, by the header, by the cookie of a page of this server, or by a first message.

        Raises:
            Refused: unauthenticated.
        """
        header = self._call.headers.get(b"authorization")
        if header is not None:
            return await decided(partial(self._present, header.decode("latin-1")))
        if (session := self._call.in_browser()) is not None:
            return session.actor, session.until
        try:
            async with asyncio.timeout(_AUTH_SECONDS):
                first = await self._call.receive()
        except TimeoutError:
            raise Refused(Refusal(UNAUTHENTICATED, "No credentials came in time.")) from None
        spoken = _understood(first)
        if not isinstance(spoken, Auth):
            raise Refused(Refusal(UNAUTHENTICATED, "Without an Authorization header the first message has to be auth."))
        return await decided(partial(self._present, f"Bearer {spoken.token}"))

    # -- hearing

    async def _write(self, member: Member, room: Room) -> None:
        """Sends what there is to send until the connection ends."""
        try:
            while True:
                if (frame := member.take()) is not None:
                    measures.SENT.labels(frame.type).inc()
                    member.blocked_since = monotonic()
                    await self._call.send(frame.text)
                    member.blocked_since = None
                elif member.ending is not None:
                    await turn_away(self._call, member.ending)
                    return
                elif member.lagging:
                    await room.refresh(member)
                else:
                    await member.wait()
        except DisconnectedError:
            return

    # -- speaking

    async def _listen(self, member: Member, room: Room) -> None:
        while True:
            await member.listening()
            text = await self._call.receive()
            member.heard = monotonic()
            if not member.pace.allows(member.heard):
                member.end(Refusal(TOO_FAST, retry_after=1), at_once=True)
                continue
            if member.ending is not None:
                continue  # on its way out: what is said now is not taken any more
            await self._answer(member, room, text)

    async def _answer(self, member: Member, room: Room, text: str | bytes) -> None:
        sent = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        try:
            spoken = _understood(sent)
        except Refused as refused:
            self._refuse(member, name_of(sent), refused.refusal)
            return
        try:
            data = await self._do(member, room, spoken)
        except Refused as refused:
            self._refuse(member, spoken.id, refused.refusal, replayed=refused.replayed)
            return
        if data is not None or spoken.id is not None:
            named = {} if spoken.id is None else {"id": spoken.id}
            text = encoded(Message(ACK, self._service.kernel.clock.now(), {**named, **(data or {})}))
            member.say_after((data or {}).get("version") or 0, ACK, text)

    async def _do(self, member: Member, room: Room, spoken: Spoken) -> dict[str, Any] | None:
        """Does what was asked; what is told of it, where that is always told.

        Raises:
            Refused: it was not done.
        """
        if not isinstance(spoken, Ping):
            await self._call.note_use()
        if isinstance(spoken, Change):
            return _told(spoken, await self._execute(member, spoken))
        if isinstance(spoken, Ping):
            return {"version": member.version}
        if isinstance(spoken, Auth):
            await self._renew(member, spoken)
            return None
        if not member.writes:
            raise Refused(Refusal(FORBIDDEN, "Who may not write here is at no item."))
        if isinstance(spoken, Typing):
            room.typing(member, spoken.linkId)
        else:
            focus: Focus = spoken
            await room.focus(member, focus.linkId)
        return None

    async def _execute(self, member: Member, change: Change) -> Outcome:
        actor, kernel, responses = member.viewer.actor, self._service.kernel, self._service.responses
        await self._call.count(actor)
        flags = seen.begin()
        merge = isinstance(change, Mergeable) and await responses.merges(actor, change.on_conflict)
        command = change.command(self._call.id)
        envelope = Envelope(command, actor, self._call.origin, change.version, change.idempotency_key, merge)
        [outcome] = await kernel.execute([envelope])
        failed = outcome.refusal is not None and outcome.refusal.type.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        flags.tell(kernel.tally, failed=failed)
        if outcome.refusal is not None:
            raise Refused(outcome.refusal, replayed=outcome.replayed)
        return outcome

    async def _renew(self, member: Member, auth: Auth) -> None:
        """Takes a fresh token of the same session.

        Raises:
            Refused: unauthenticated, or it is somebody else's.
        """
        actor, until = await decided(partial(self._present, f"Bearer {auth.token}"))
        mine = member.viewer.actor
        if (actor.tenant, actor.id, actor.credential, actor.scopes) != (mine.tenant, mine.id, mine.credential, mine.scopes):
            raise Refused(Refusal(FORBIDDEN, "A connection stays that of one session: open another one."))
        member.until = until

    def _refuse(self, member: Member, name: str | int | None, refusal: Refusal, *, replayed: bool = False) -> None:
        said: dict[str, Any] = {} if name is None else {"id": name}
        if replayed:
            said["replayed"] = True
        said |= document(refusal, self._instance, self._call.request_id)
        member.say(PROBLEM, encoded(Message(PROBLEM, self._service.kernel.clock.now(), said)))


def _understood(message: str | bytes) -> Spoken:
    sent = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
    return decode(sent, decoder)


def _told(change: Change, outcome: Outcome) -> dict[str, Any]:
    """What who made a change is told of it: the version, what came of a merge, and the row where one was added."""
    data: dict[str, Any] = {"version": outcome.version, **outcome.told}
    if outcome.replayed:
        data["replayed"] = True
    if isinstance(change, AddARow):
        row = newest_row(outcome.body, change.group)
        data |= {"row": row.row, "group": row.group}
    return data


async def turn_away(call: SocketCall, refusal: Refusal) -> None:
    """Tells why, and closes."""
    said = document(refusal, PATH.format(id=call.id), call.request_id)
    text = encoded(Message(PROBLEM, call.kernel.clock.now(), said))
    try:
        await call.send(framed(Cursor(0, 1), PROBLEM, text).text)
    except DisconnectedError:
        return
    await call.close(code_of(refusal), _reason(refusal))


def _reason(refusal: Refusal) -> str:
    """The code, and after how many milliseconds to come back where that is known."""
    after = refusal.extra.get("reconnect_after_ms")
    return refusal.code if after is None else f"{refusal.code}; reconnect after {after} ms"


def sockets(service: LiveService, present: Presenter) -> tuple[Socket, ...]:
    """The WebSocket to take part in a response."""

    async def hold(call: SocketCall) -> None:
        await _Conversation(service, present, call).hold()

    return (
        Socket(PATH, hold, turn_away, "Take part in a response: see the others, change answers, hear of every change", After),
    )
