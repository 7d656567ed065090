"""What is said in rooms beside changes, on its way between processes: sealed under the clinic's key, and soon forgotten."""

from collections.abc import Callable
from typing import Literal
from uuid import UUID

import msgspec

from keepwell.domains.live.store import Room
from keepwell.kernel.keys import TenantKeys
from keepwell.platform.bus import Bus
from keepwell.platform.crypto import UnreadableError

CHANNEL = "keepwell:rooms"


class Said(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Somebody came or left (`roster`), types in an item, or is at another one."""

    what: Literal["roster", "typing", "focus"]
    connection: UUID
    actor: UUID | None = None
    address: str | None = None
    left: str | None = None


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    tenant: UUID
    room: UUID
    said: bytes


_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_said = msgspec.msgpack.Decoder(Said)
_sealed = msgspec.msgpack.Decoder(_Sealed)


class Words:
    """Passes words on through the bus. `keys` gives a clinic's keys; None when they are not open in this process."""

    def __init__(self, bus: Bus, keys: Callable[[UUID], TenantKeys | None]) -> None:
        self._bus = bus
        self._keys = keys

    def say(self, room: Room, said: Said) -> None:
        """Tells the other processes; returns at once."""
        keys = self._keys(room.tenant)
        if keys is not None:
            sealed = keys.seal(_encode(said), "live", "word", str(room.id))
            self._bus.publish(CHANNEL, _encode(_Sealed(room.tenant, room.id, sealed)))

    def listen(self, heard: Callable[[Room, Callable[[], Said | None]], None], missed: Callable[[], None]) -> None:
        """Has `heard` called with the room and what opens the word, for who has somebody there; and `missed`, as a bus does."""

        def message(packed: bytes) -> None:
            try:
                sealed = _sealed.decode(packed)
            except msgspec.DecodeError:  # of another release
                missed()
            else:
                heard(Room(sealed.tenant, sealed.room), lambda: self._opened(sealed))

        self._bus.listen(CHANNEL, message, missed)

    def _opened(self, sealed: _Sealed) -> Said | None:
        keys = self._keys(sealed.tenant)
        if keys is None:
            return None
        try:
            return _said.decode(keys.open(sealed.said, "live", "word", str(sealed.room)))
        except (UnreadableError, msgspec.DecodeError):
            return None
