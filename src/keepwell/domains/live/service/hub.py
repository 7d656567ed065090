"""All rooms of one process: lets people in and out, passes on what is announced, and looks after what nobody announces."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from time import monotonic
from typing import TypeVar
from uuid import UUID

import structlog

from keepwell.domains.live.errors import IDLE, RESTARTING
from keepwell.domains.live.models import LiveSettings, Viewer
from keepwell.domains.live.rules import read_cursor
from keepwell.domains.live.service import measures
from keepwell.domains.live.service.member import Member
from keepwell.domains.live.service.room import READ, UPDATE, Floor, Room
from keepwell.domains.live.service.words import Said, Words
from keepwell.domains.live.store import Room as Place
from keepwell.domains.live.store import SeatStore
from keepwell.domains.responses import KIND, ResponseService
from keepwell.kernel import Kernel, Refusal, Refused, Wanted
from keepwell.kernel.announce import Change
from keepwell.kernel.problems import ENDED, OVERLOADED, UNAUTHENTICATED
from keepwell.platform.bus import Bus
from keepwell.platform.telemetry import describe
from keepwell.platform.valkey import Valkey, end

Item = TypeVar("Item")
_CLOCK_SECONDS = 1.0
_DEAF_SECONDS = 1.0
"""How often the database is asked while nothing is heard of other processes."""
_AT_ONCE = 200
_RECONNECT_SECONDS = 3.0
_EXPIRED = Refusal(UNAUTHENTICATED, "The access token has expired.")
_log = structlog.stdlib.get_logger("keepwell.live")


class LiveService:
    """The rooms of one process. `open` starts what looks after them; without it they work, but notice only what is announced."""

    def __init__(self, kernel: Kernel, responses: ResponseService, valkey: Valkey, bus: Bus, settings: LiveSettings) -> None:
        self.kernel = kernel
        self.responses = responses
        self.settings = settings
        words = Words(bus, kernel.ring.cached)
        self._bus = bus
        self._floor = Floor(kernel, responses, SeatStore(valkey, settings.seat), words, settings)
        self._rooms: dict[Place, Room] = {}
        self._count = 0
        self._draining = False
        self._missed = asyncio.Event()
        self._doubted: set[tuple[UUID, UUID]] = set()
        self._doubt = asyncio.Event()
        self._holders: dict[tuple[UUID, UUID], set[Member]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        words.listen(self._heard, self._may_have_missed)
        kinds = kernel.catalog.kinds
        self._credentials = frozenset(kind for kind in kernel.catalog.credentials if kinds[kind].announced)
        kernel.announcer.watch((KIND, *self._credentials), self._changed, self._may_have_missed)

    async def open(self) -> None:
        for work in (self._watch_clock, self._watch_versions, self._watch_sessions, self._watch_seats):
            self._tasks.append(asyncio.create_task(_forever(work), name=f"live {work.__name__}"))

    async def close(self) -> None:
        """Ends everything at once."""
        tasks, self._tasks = self._tasks, []
        await asyncio.gather(*map(end, tasks))
        await asyncio.gather(*(room.close() for room in self._rooms.values()))

    def drain(self) -> None:
        """Sends everybody away, each to come back after a while of their own, and lets nobody in any more."""
        self._draining = True
        for member in self._members():
            self._end(member, restarting())

    async def join(self, viewer: Viewer, response: UUID, after: str | None) -> Member:
        """Lets somebody into the room of a response. `after` is the id of the last message they have.

        Raises:
            Refused: as any read; `room-full`, `restarting`, or `overloaded` when the process holds as many as it can.
        """
        if self._draining:
            raise Refused(restarting())
        if self._count >= self.settings.connections:
            raise Refused(Refusal(OVERLOADED, "Too many connections are open.", retry_after=2))
        actor = viewer.actor
        reads, writes = self.kernel.allows(actor, READ), self.kernel.allows(actor, UPDATE)
        cursor = read_cursor(after)
        # Who may do neither is refused by the read, and recorded.
        member = Member(viewer, self.settings, self.kernel.clock.now(), cursor, reads=reads or not writes, writes=writes)
        room = self._room(Place(actor.tenant, response))
        # In the room before anything is read: what happens from now on is not missed.
        room.members[member.id] = member
        self._count_in(member)
        try:
            await room.begin(member, cursor)
            await room.enter(member)
        except BaseException:
            await self.leave(member, response)
            raise
        return member

    async def leave(self, member: Member, response: UUID) -> None:
        """Lets somebody out; safe to call again."""
        place = Place(member.viewer.actor.tenant, response)
        room = self._rooms.get(place)
        if room is None or member.id not in room.members:
            return
        self._count_out(member)
        await room.leave(member)
        if not room.members and self._rooms.get(place) is room:
            del self._rooms[place]
            measures.ROOMS.set(len(self._rooms))
            await room.close()

    def room(self, member: Member, response: UUID) -> Room:
        """The room that a member is in."""
        return self._rooms[Place(member.viewer.actor.tenant, response)]

    def _room(self, place: Place) -> Room:
        room = self._rooms.get(place)
        if room is None:
            room = self._rooms[place] = Room(self._floor, place)
            measures.ROOMS.set(len(self._rooms))
        return room

    def _count_in(self, member: Member) -> None:
        self._count += 1
        measures.MEMBERS.labels(member.viewer.origin.door).inc()
        if (holder := _holder(member)) is not None:
            self._holders.setdefault(holder, set()).add(member)

    def _count_out(self, member: Member) -> None:
        self._count -= 1
        measures.MEMBERS.labels(member.viewer.origin.door).dec()
        if (holder := _holder(member)) is not None and (others := self._holders.get(holder)) is not None:
            others.discard(member)
            if not others:
                del self._holders[holder]

    def _members(self) -> list[Member]:
        return [member for room in self._rooms.values() for member in room.members.values()]

    def _end(self, member: Member, refusal: Refusal, *, at_once: bool = False) -> None:
        if member.ending is None:
            measures.ENDED.labels(refusal.code).inc()
        member.end(refusal, at_once=at_once)

    # -- what is announced

    def _changed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.kind in self._credentials and (change.tenant, change.id) in self._holders:
                # It may have been refreshed or renamed, not ended: the database is asked.
                self._doubted.add((change.tenant, change.id))
                self._doubt.set()
            elif change.kind == KIND and (room := self._rooms.get(Place(change.tenant, change.id))) is not None:
                room.wake(change.version)

    def _heard(self, place: Place, opened: Callable[[], Said | None]) -> None:
        room = self._rooms.get(place)
        said = None if room is None else opened()
        if room is not None and said is not None:
            room.hear(said)

    def _may_have_missed(self) -> None:
        self._missed.set()

    # -- what nobody announces

    async def _watch_clock(self) -> None:
        await asyncio.sleep(_CLOCK_SECONDS)
        now, tick = self.kernel.clock.now(), monotonic()
        for member in self._members():
            if member.until <= now:
                self._end(member, _EXPIRED, at_once=True)
            elif member.viewer.speaks and tick - member.heard > self.settings.idle:
                self._end(member, Refusal(IDLE, f"Nothing was heard for {self.settings.idle:g} seconds."))
            if member.blocked_since is not None and tick - member.blocked_since > self.settings.stall:
                member.abort()

    async def _watch_versions(self) -> None:
        """Asks the database how far every response is that somebody follows, and whether their sessions live."""
        pause = self.settings.beat if self._bus.well else min(self.settings.beat, _DEAF_SECONDS)
        try:
            async with asyncio.timeout(pause):
                await self._missed.wait()
        except TimeoutError:
            pass
        self._missed.clear()
        for rooms in _parts(list(self._rooms.values())):
            await self._check(rooms)
        self._doubted.update(self._holders)
        self._doubt.set()

    async def _check(self, rooms: Sequence[Room]) -> None:
        wanted: dict[UUID, Wanted] = {}
        for room in rooms:
            wanted.setdefault(room.place.tenant, Wanted(set(), set(), set())).aggregates.add((KIND, room.place.id))
        told = {room.place: room.version for room in rooms}
        try:
            found = await self.kernel.versions(wanted)
        except Refused:
            measures.RETRIED.inc()
            return
        for room in rooms:
            version = found.aggregates.get((room.place.tenant, KIND, room.place.id), 0)
            if version < told[room.place] == room.version:
                room.reset(version)
            room.wake(version)

    async def _watch_sessions(self) -> None:
        """Ends the connections of sessions that are over."""
        await self._doubt.wait()
        self._doubt.clear()
        doubted, self._doubted = self._doubted, set()
        for part in _parts(list(doubted)):
            wanted: dict[UUID, Wanted] = {}
            for tenant, credential in part:
                wanted.setdefault(tenant, Wanted(set(), set(), set())).credentials.add(credential)
            try:
                found = await self.kernel.versions(wanted)
            except Refused:
                measures.RETRIED.inc()
                self._doubted |= doubted  # asked again with the versions
                return
            for holder in set(part) - found.credentials:
                for member in self._holders.get(holder, ()):
                    self._end(member, ENDED, at_once=True)

    async def _watch_seats(self) -> None:
        """Keeps the seats of this process, and notices those that lapsed with theirs."""
        await asyncio.sleep(self.settings.beat * random.uniform(0.9, 1.1))  # noqa: S311
        for rooms in _parts(list(self._rooms.values())):
            async with AsyncExitStack() as locks:
                for room in rooms:
                    await locks.enter_async_context(room.roster.lock)
                found = await self._floor.seats.refresh([(room.place, room.roster.values) for room in rooms])
                for room, refreshed in zip(rooms, found or (), strict=False):
                    room.seated(refreshed)


def restarting() -> Refusal:
    """Why everybody has to leave, and when to come back: spread, so that not all knock at the next process at once."""
    after = random.uniform(0.2, _RECONNECT_SECONDS)  # noqa: S311
    return Refusal(RESTARTING, extra={"reconnect_after_ms": round(after * 1000)}, retry_after=1)


def _holder(member: Member) -> tuple[UUID, UUID] | None:
    """The session or key that a member came in with."""
    actor = member.viewer.actor
    return None if actor.credential is None else (actor.tenant, actor.credential)


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


async def _forever(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the next turn is another chance
            _log.error("live.watch-failed", work=getattr(work, "__name__", ""), **describe(error))
            await asyncio.sleep(_CLOCK_SECONDS)
