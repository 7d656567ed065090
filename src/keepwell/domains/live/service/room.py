"""One room in one process: brings its members from version to version, and passes on what is said between."""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog
from msgspec.structs import replace

from keepwell.domains.live.errors import FOCUS_HELD, ROOM_FULL
from keepwell.domains.live.models import (
    CHANGED,
    FOCUS,
    PRESENCE,
    SNAPSHOT,
    TYPING,
    At,
    LiveSettings,
    Message,
    Presence,
    Seat,
    Version,
)
from keepwell.domains.live.rules import Cursor, encoded, told
from keepwell.domains.live.service import measures
from keepwell.domains.live.service.member import Member
from keepwell.domains.live.service.roster import Roster
from keepwell.domains.live.service.words import Said, Words
from keepwell.domains.live.store import Refreshed, SeatStore
from keepwell.domains.live.store import Room as Place
from keepwell.domains.responses import KIND, RESOURCE, ResponseService
from keepwell.kernel import Entry, Follow, Kernel, Permission, Read, Refusal, Refused
from keepwell.kernel.problems import FORBIDDEN, NOT_FOUND, UNAUTHENTICATED
from keepwell.platform.telemetry import describe
from keepwell.platform.valkey import end

READ, UPDATE = Permission(RESOURCE, "r"), Permission(RESOURCE, "u")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_SETTLE = 0.02  # seconds in which several who come or leave become one message
_log = structlog.stdlib.get_logger("keepwell.live")
_FINAL = (UNAUTHENTICATED, FORBIDDEN, NOT_FOUND)


class Floor(NamedTuple):
    """What all rooms of a process stand on."""

    kernel: Kernel
    responses: ResponseService
    seats: SeatStore
    words: Words
    settings: LiveSettings


class Room:
    """The members that one process has in the room of one response."""

    def __init__(self, floor: Floor, place: Place) -> None:
        self.place = place
        self.members: dict[UUID, Member] = {}
        self.version = 0
        self.roster = Roster(place, floor.seats, lambda: floor.kernel.ring.cached(place.tenant))
        self._floor = floor
        self._pumping: asyncio.Task[None] | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._sync_again = False
        self._settling: asyncio.TimerHandle | None = None

    # -- versions

    def wake(self, version: int) -> None:
        """There is this version now: whoever has not seen it is brought there."""
        self.version = max(self.version, version)
        if self._pumping is None and any(member.is_behind(self.version) for member in self.members.values()):
            self._pumping = asyncio.create_task(self._pump(), name="live-room")

    def reset(self, version: int) -> None:
        """The response is at an older version than was told: a database was set back. Everybody is shown where it stands."""
        self.version = version
        for member in self.members.values():
            if member.version is not None and member.version > version:
                member.fall_behind()

    async def begin(self, member: Member, cursor: Cursor | None) -> None:
        """Sends a new member what happened since the place it names, or how the response is.

        Raises:
            Refused: as any read.
        """
        if member.reads and cursor is not None and cursor.version > 0:
            followed = await self._floor.kernel.follow(Follow((self._read(member),), cursor.version))
            [refusal] = followed.refusals
            if refusal is not None:
                raise Refused(refusal)
            if followed.entries is not None:
                member.version = cursor.version
                self._send([member], followed.entries)
                self.wake(self.version)
                return
        await self._show(member)

    async def refresh(self, member: Member) -> None:
        """Gives a member that lagged the snapshot it is owed. Where that fails for now, it stays owed."""
        try:
            await self._show(member)
        except Refused as refused:
            if refused.refusal.type in _FINAL:
                member.end(refused.refusal, at_once=True)
                return
            measures.RETRIED.inc()
            await asyncio.sleep(min(refused.refusal.retry_after or _FIRST_PAUSE, _LONGEST_PAUSE))

    async def _show(self, member: Member) -> None:
        actor, origin = member.viewer.actor, member.viewer.origin
        at = self._floor.kernel.clock.now()
        if member.reads:
            view = await self._floor.responses.show(actor, self.place.id, origin)
            version, data = view.version, msgspec.Raw(view.body)
        else:
            snapshot = await self._floor.kernel.read(Read(KIND, self.place.id, actor, origin, UPDATE, "join"))
            version, data = snapshot.version, Version(snapshot.version)
        member.catch_up(version, SNAPSHOT, encoded(Message(SNAPSHOT, at, data)))
        self.wake(version)

    async def _pump(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while behind := [member for member in self.members.values() if member.is_behind(self.version)]:
                try:
                    await self._deliver([member for member in behind if member.reads])
                    self._hint([member for member in behind if not member.reads])
                    pause = _FIRST_PAUSE
                except Refused:
                    measures.RETRIED.inc()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
        except Exception as error:  # noqa: BLE001 - nobody waits for it: the next change is another chance
            _log.error("live.delivery-failed", **describe(error))
        finally:
            self._pumping = None

    async def _deliver(self, readers: list[Member]) -> None:
        """Brings readers to the newest version: one look for all, each recorded."""
        if not readers:
            return
        announced = self.version
        follow = Follow(tuple(map(self._read, readers)), min(member.version or 0 for member in readers))
        followed = await self._floor.kernel.follow(follow)
        for member, refusal in zip(readers, followed.refusals, strict=True):
            if refusal is not None:
                member.end(refusal, at_once=True)
        if followed.entries is not None:
            self._send(readers, followed.entries)
        else:
            for member in readers:
                member.fall_behind()
        if followed.version < announced == self.version and None in followed.refusals:
            self.reset(followed.version)

    def _hint(self, members: list[Member]) -> None:
        """Tells who may not read the response that there is a newer version."""
        text = encoded(Message(CHANGED, self._floor.kernel.clock.now(), Version(self.version)))
        for member in members:
            member.move_to(self.version, CHANGED, text)

    def _send(self, members: Iterable[Member], entries: Iterable[Entry]) -> None:
        messages = [(entry.version, message.type, encoded(message)) for entry in entries for message in (told(entry),)]
        for member in members:
            for version, type_, text in messages:
                if member.is_behind(version):
                    member.move_to(version, type_, text)

    def _read(self, member: Member) -> Read:
        return Read(KIND, self.place.id, member.viewer.actor, member.viewer.origin, READ)

    # -- who is here, and where

    async def enter(self, member: Member) -> None:
        """Gives a member a seat; the others hear of it.

        Raises:
            Refused: `room-full`.
        """
        capacity = self._floor.settings.capacity
        if not await self.roster.enter(member.seat, capacity):
            raise Refused(Refusal(ROOM_FULL, f"At most {capacity} connections fit.", retry_after=5))
        self._floor.words.say(self.place, Said("roster", member.id))
        self.sync()

    async def leave(self, member: Member) -> None:
        """Takes a member's seat away; the others hear of it, and of the item that is free now."""
        self.members.pop(member.id, None)
        seat = await self.roster.leave(member.id)
        if seat is not None:
            self._floor.words.say(self.place, Said("roster", member.id))
            if seat.focus is not None:
                self._say_focus(replace(seat, focus=None), seat.focus)
            self._presence_soon()

    async def focus(self, member: Member, address: str | None) -> None:
        """Brings a member to an item, or to none.

        Raises:
            Refused: `focus-held`: somebody else is there.
        """
        before = self.roster.of(member.id)
        if before is None or before.focus == address:
            return
        held = await self.roster.focus(member.id, address)
        if held is not None:
            holder = self.roster.of(held)
            known = {} if holder is None else {"actor": holder.actor}
            raise Refused(Refusal(FOCUS_HELD, extra={"holder": {"connection": held, **known}}))
        seat = replace(before, focus=address)
        self._floor.words.say(self.place, Said("focus", member.id, seat.actor, address, before.focus))
        self._say_focus(seat, before.focus)

    def typing(self, member: Member, address: str | None) -> None:
        """Tells the others where a member types."""
        said = Said("typing", member.id, member.seat.actor, address)
        self._floor.words.say(self.place, said)
        self._say_typing(said)

    def hear(self, said: Said) -> None:
        """Takes what was said in another process."""
        if said.what == "typing":
            self._say_typing(said)
        elif said.what == "focus":
            self.roster.hear(said.connection, said.address)
            self._tell(FOCUS, At(said.connection, said.address, said.left), said.actor)
        else:
            self.sync()

    def sync(self) -> None:
        """Looks soon who sits where; whatever comes meanwhile is looked at once more, together."""
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync(), name="live-roster")
        else:
            self._sync_again = True

    def seated(self, refreshed: Refreshed | None) -> None:
        """Takes over what is stored of the seats; None when that is not known."""
        if refreshed is None:
            self._presence_soon()
            return
        moved = self.roster.take_over(refreshed)
        for seat, before in moved.focus:
            self._say_focus(seat, before)
        if moved.came_or_left:
            self._presence_soon()

    async def _sync(self) -> None:
        try:
            while True:
                self._sync_again = False
                async with self.roster.lock:
                    found = await self._floor.seats.refresh([(self.place, self.roster.values)])
                    self.seated(None if found is None else found[0])
                self._presence_soon()
                if not self._sync_again:
                    return
        finally:
            self._syncing = None

    def _presence_soon(self) -> None:
        if self._settling is None and self.members:
            self._settling = asyncio.get_running_loop().call_later(_SETTLE, self._say_presence)

    def _say_presence(self) -> None:
        self._settling = None
        seats = self.roster.seats
        self._tell(PRESENCE, Presence(seats), readers=True)
        self._tell(PRESENCE, Presence([replace(seat, focus=None) for seat in seats]), readers=False)

    def _say_focus(self, seat: Seat, before: str | None) -> None:
        self._tell(FOCUS, At(seat.connection, seat.focus, before), seat.actor)

    def _say_typing(self, said: Said) -> None:
        self._tell(TYPING, At(said.connection, said.address), said.actor, besides=said.connection)

    def _tell(
        self, type: str, data: Any, actor: UUID | None = None, *, besides: UUID | None = None, readers: bool = True
    ) -> None:
        """Says something to those of this process who may read the response, or to the others."""
        heard = [member for member in self.members.values() if member.reads == readers and member.id != besides]
        if heard:
            text = encoded(Message(type, self._floor.kernel.clock.now(), data, actor))
            for member in heard:
                member.say(type, text)

    async def close(self) -> None:
        """Ends what runs for it."""
        if self._settling is not None:
            self._settling.cancel()
        await asyncio.gather(*(end(task) for task in (self._pumping, self._syncing) if task is not None))
