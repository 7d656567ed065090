"""Telling who wants to know which aggregates changed: in this process at once, in the others through the bus.

What is told is only that something is at a newer version. It may come twice, late or never; what it is, the database says.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from keepwell.kernel.aggregate import Catalog
from keepwell.platform.bus import Bus

CHANNEL = "keepwell:changes"


class Change(NamedTuple):
    """An aggregate that changed, and its new version."""

    tenant: UUID
    kind: str
    id: UUID
    version: int


class _Watcher(NamedTuple):
    kinds: frozenset[str]
    changed: Callable[[Sequence[Change]], None]
    missed: Callable[[], None]


_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_decode = msgspec.msgpack.Decoder(list[Change]).decode


class Announcer:
    """Announces changes of the kinds whose aggregates ask for it."""

    def __init__(self, catalog: Catalog, bus: Bus | None = None) -> None:
        self._kinds = frozenset(kind for kind, aggregate in catalog.kinds.items() if aggregate.announced)
        self._bus = bus
        self._watchers: list[_Watcher] = []

    def watch(self, kinds: Iterable[str], changed: Callable[[Sequence[Change]], None], missed: Callable[[], None]) -> None:
        """Has `changed` called after every commit that changed aggregates of these kinds, and `missed` when that may have failed
        for other processes' commits. Neither may wait or fail. To be called before the bus opens.

        Raises:
            ValueError: a kind is not announced.
        """
        wanted = frozenset(kinds)
        if not wanted <= self._kinds:
            raise ValueError(f"not announced: {sorted(wanted - self._kinds)}")
        if not self._watchers and self._bus is not None:
            self._bus.listen(CHANNEL, self._heard, self._missed)
        self._watchers.append(_Watcher(wanted, changed, missed))

    def committed(self, changes: Sequence[Change]) -> None:
        """Tells everybody; returns at once."""
        announced = [change for change in changes if change.kind in self._kinds]
        if announced:
            self._tell(announced)
            if self._bus is not None:
                self._bus.publish(CHANNEL, _encode(announced))

    def _heard(self, message: bytes) -> None:
        try:
            changes = _decode(message)
        except msgspec.DecodeError:  # of another release
            self._missed()
        else:
            self._tell(changes)

    def _missed(self) -> None:
        for watcher in self._watchers:
            watcher.missed()

    def _tell(self, changes: Sequence[Change]) -> None:
        for watcher in self._watchers:
            wanted = [change for change in changes if change.kind in watcher.kinds]
            if wanted:
                watcher.changed(wanted)
