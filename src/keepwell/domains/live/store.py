"""Who sits in a room, over all processes: a hash in Valkey for each room, one field a connection. All of it may be lost.

A field's value is the second its seat lapses (4 bytes, big-endian), the blind index of the item its person is at (16 bytes,
zeros: at none), and the sealed seat. Each script is atomic, and takes the time from the server alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from keepwell.platform.valkey import Valkey

FOCUS_BYTES = 16
NO_FOCUS = bytes(FOCUS_BYTES)

_COMMON = """
local now, ttl = tonumber(redis.call('TIME')[1]), tonumber(ARGV[1])
local none = string.rep('\\0', 16)
local function keep(field, value)
  redis.call('HSET', KEYS[1], field, struct.pack('>I4', now + ttl) .. value)
  redis.call('EXPIRE', KEYS[1], ttl)
end
local function seats()
  local found, all = {}, redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if struct.unpack('>I4', all[i + 1]) <= now then redis.call('HDEL', KEYS[1], all[i])
    else found[#found + 1] = {all[i], string.sub(all[i + 1], 5)} end
  end
  return found
end
local function holder(found, field, focus)
  if focus == none then return '' end
  for _, seat in ipairs(found) do
    if seat[1] ~= field and string.sub(seat[2], 1, 16) == focus then return seat[1] end
  end
  return ''
end
"""
_ENTER = """
local others = 0
for _, seat in ipairs(seats()) do if seat[1] ~= ARGV[3] then others = others + 1 end end
if others >= tonumber(ARGV[2]) then return 0 end
keep(ARGV[3], ARGV[4])
return 1
"""
_FOCUS = """
local held = holder(seats(), ARGV[2], string.sub(ARGV[3], 1, 16))
if held == '' then keep(ARGV[2], ARGV[3]) end
return held
"""
# Who comes back to find another at the item they were at gives way: that one asked while they could not be asked.
_REFRESH = """
local lost = {}
for i = 2, #ARGV, 2 do
  local value = ARGV[i + 1]
  if holder(seats(), ARGV[i], string.sub(value, 1, 16)) ~= '' then
    lost[#lost + 1] = ARGV[i]
    value = none .. string.sub(value, 17)
  end
  keep(ARGV[i], value)
end
local flat = {}
for _, seat in ipairs(seats()) do flat[#flat + 1] = seat[1]; flat[#flat + 1] = seat[2] end
return {lost, flat}
"""


class Room(NamedTuple):
    """A room's place in Valkey."""

    tenant: UUID
    id: UUID

    @property
    def key(self) -> str:
        return f"keepwell:room:{self.tenant}:{self.id}"


class Refreshed(NamedTuple):
    """The seats of a room by connection, each as stored behind its time; and those of ours that lost the item they were at."""

    seats: dict[UUID, bytes]
    lost: set[UUID]


class SeatStore:
    """Seats over all processes. Every call answers None when Valkey cannot: then each process knows its own only.

    `lifetime` is how long a seat stays when nothing more is heard of it, in seconds.
    """

    def __init__(self, valkey: Valkey, lifetime: int) -> None:
        self._valkey = valkey
        self._lifetime = lifetime

    async def enter(self, room: Room, connection: UUID, value: bytes, capacity: int) -> bool | None:
        """Takes a seat; False when the room is full."""
        taken: int | None = await self._run(_ENTER, room, capacity, connection.bytes, value)
        return None if taken is None else bool(taken)

    async def focus(self, room: Room, connection: UUID, value: bytes) -> UUID | bool | None:
        """Stores a seat with another focus, if nobody else is there: True; else the connection that is."""
        held: bytes | None = await self._run(_FOCUS, room, connection.bytes, value)
        if held is None:
            return None
        return UUID(bytes=held) if held else True

    async def leave(self, room: Room, connection: UUID) -> None:
        await self._valkey.run(lambda client: client.hdel(room.key, connection.bytes), None)

    async def refresh(self, rooms: Sequence[tuple[Room, Mapping[UUID, bytes]]]) -> list[Refreshed] | None:
        """Keeps seats of ours from lapsing, in one round trip, and says who else sits in their rooms."""

        async def work(client: Any) -> list[Any]:
            script = client.register_script(_COMMON + _REFRESH)
            async with client.pipeline(transaction=False) as pipeline:
                for room, seats in rooms:
                    fields = [part for connection, value in seats.items() for part in (connection.bytes, value)]
                    await script(keys=[room.key], args=[self._lifetime, *fields], client=pipeline)
                return await pipeline.execute()

        answers: list[Any] | None = await self._valkey.run(work, None)
        if answers is None:
            return None
        return [
            Refreshed(
                {UUID(bytes=field): value for field, value in zip(flat[::2], flat[1::2], strict=True)},
                {UUID(bytes=field) for field in lost},
            )
            for lost, flat in answers
        ]

    async def _run(self, script: str, room: Room, *arguments: int | bytes) -> Any:
        async def work(client: Any) -> Any:
            return await client.register_script(_COMMON + script)(keys=[room.key], args=[self._lifetime, *arguments])

        return await self._valkey.run(work, None)
