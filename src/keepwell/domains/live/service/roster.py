"""Who sits in one room: the seats of this process, and what was last heard of those of the others.

What leaves the process is sealed under the clinic's key. While Valkey is away, each process knows its own seats only.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from keepwell.domains.live.models import Seat
from keepwell.domains.live.store import FOCUS_BYTES, NO_FOCUS, Refreshed, Room, SeatStore
from keepwell.kernel.keys import TenantKeys
from keepwell.platform.crypto import UnreadableError

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Seat).decode


class Moved(NamedTuple):
    """What a look at the others brought: whether somebody came or left, and whose place in the form is another one now."""

    came_or_left: bool
    focus: list[tuple[Seat, str | None]]
    """Each seat as it is now, and the item its person was at before."""


class Roster:
    """The seats of one room. `keys` gives the clinic's keys; None when they are not open in this process.

    Who stores `values` holds `lock` until they are stored: else an older seat could come after a newer one.
    """

    def __init__(self, room: Room, store: SeatStore, keys: Callable[[], TenantKeys | None]) -> None:
        self._room = room
        self._store = store
        self._keys = keys
        self.lock = asyncio.Lock()
        self._own: dict[UUID, Seat] = {}
        self._others: dict[UUID, Seat] = {}
        self._values: dict[UUID, bytes] = {}
        """Of every seat, how it is stored: a seat that is stored as before need not be sealed or opened again."""

    @property
    def seats(self) -> list[Seat]:
        """Everybody, in the order they came."""
        return sorted((*self._own.values(), *self._others.values()), key=lambda seat: (seat.since, seat.connection))

    @property
    def values(self) -> Mapping[UUID, bytes]:
        """The seats of this process as they are stored, by connection."""
        return {connection: self._values[connection] for connection in self._own if connection in self._values}

    def of(self, connection: UUID) -> Seat | None:
        """The seat of a connection, of whatever process."""
        return self._own.get(connection) or self._others.get(connection)

    async def enter(self, seat: Seat, capacity: int) -> bool:
        """Takes a seat, unless the room is full."""
        value = self._sealed(seat)
        async with self.lock:
            entered = None if value is None else await self._store.enter(self._room, seat.connection, value, capacity)
            if entered is None:
                entered = len(self._own) + len(self._others) < capacity
            if entered:
                self._keep(seat, value)
        return entered

    async def focus(self, connection: UUID, address: str | None) -> UUID | None:
        """Brings a connection of this process to an item, or with None to none; or answers which one is there.

        Raises:
            LookupError: the connection has left.
        """
        async with self.lock:
            seat = replace(self._own[connection], focus=address)
            value = self._sealed(seat)
            held = None if value is None else await self._store.focus(self._room, connection, value)
            if held is None:
                held = self._holder(connection, address) or True
            if not isinstance(held, bool):
                return held
            self._keep(seat, value)
        return None

    async def leave(self, connection: UUID) -> Seat | None:
        """Gives a seat of this process up; the seat, if there was one."""
        async with self.lock:
            seat = self._own.pop(connection, None)
            self._values.pop(connection, None)
            if seat is not None:
                await self._store.leave(self._room, connection)
        return seat

    def hear(self, connection: UUID, address: str | None) -> None:
        """Takes over where somebody of another process is said to be."""
        if (seat := self._others.get(connection)) is not None:
            self._others[connection] = replace(seat, focus=address)

    def take_over(self, refreshed: Refreshed) -> Moved:
        """Takes over what is stored."""
        before = {**self._others, **self._own}
        for connection in refreshed.lost & self._own.keys():
            seat = replace(self._own[connection], focus=None)
            self._keep(seat, self._sealed(seat))
        others: dict[UUID, Seat] = {}
        for connection, value in refreshed.seats.items():
            if connection not in self._own and (seat := self._opened(connection, value)) is not None:
                others[connection] = seat
        for connection in self._others.keys() - others.keys():
            self._values.pop(connection, None)
        came_or_left = self._others.keys() != others.keys()
        self._others = others
        after = {**self._others, **self._own}
        known = ((seat, before[connection].focus) for connection, seat in after.items() if connection in before)
        return Moved(came_or_left, [(seat, was) for seat, was in known if was != seat.focus])

    def _keep(self, seat: Seat, value: bytes | None) -> None:
        self._own[seat.connection] = seat
        if value is not None:
            self._values[seat.connection] = value

    def _holder(self, connection: UUID, address: str | None) -> UUID | None:
        if address is None:
            return None
        there = (seat.connection for seat in self.seats if seat.focus == address)
        return next((each for each in there if each != connection), None)

    def _sealed(self, seat: Seat) -> bytes | None:
        keys = self._keys()
        if keys is None:
            return None
        focus = NO_FOCUS if seat.focus is None else keys.blind(f"live focus:{seat.focus}")[:FOCUS_BYTES]
        return focus + keys.seal(_encode(seat), "live", "seat", f"{self._room.id}/{seat.connection}")

    def _opened(self, connection: UUID, value: bytes) -> Seat | None:
        known = self._others.get(connection)
        if known is not None and self._values.get(connection) == value:
            return known
        keys = self._keys()
        try:
            if keys is None:
                return None
            seat = _decode(keys.open(value[FOCUS_BYTES:], "live", "seat", f"{self._room.id}/{connection}"))
        except (UnreadableError, msgspec.DecodeError):
            return None
        self._values[connection] = value
        return seat
