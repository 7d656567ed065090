"""The cache of reads: sealed states and views in this process and, where it pays, sealed views in Valkey.

The database stays the judge of every one: a read names what is held of a row, and the database sends the state only when it
stores another one. So what comes from here is never stale, whatever was lost, late, restored or altered: a failure costs the
hit and nothing else. Nothing in here is readable without the tenant's keys.
"""

from collections import OrderedDict
from collections.abc import Iterable
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import msgspec

from keepwell.kernel import metrics
from keepwell.kernel.shared_views import Held, SharedViews

Target = tuple[UUID, str, UUID]
"""Tenant, kind and id of an aggregate."""

_OVERHEAD = 400  # what Python needs around one entry, roughly
_SMOOTHING = 0.05
_READS = {name: metrics.CACHED_READS.labels(name) for name in ("memory", "valkey", "stale", "miss", "unreadable")}


class CacheSettings(msgspec.Struct, frozen=True):
    """How much is held, and for how long.

    `memory` is what this process holds, in bytes; `smallest` is the size of a sealed state, in bytes, from which its view is
    worth asking Valkey for; `backlog` is how many bytes may wait to be written there. `lifetime_s` applies to both.
    """

    lifetime_s: float = 3600.0
    memory: int = 32 * 2**20
    smallest: int = 12_000
    backlog: int = 16 * 2**20


class Found(NamedTuple):
    """What is held of one aggregate, and where it was found: `memory` or `valkey`."""

    held: Held
    place: str


class _Entry:
    """`used`: it was served since it came, so that it is expected to be asked for again."""

    __slots__ = ("held", "size", "until", "used")

    def __init__(self, held: Held, until: float, *, used: bool) -> None:
        self.held = held
        self.until = until
        self.size = len(held.state) + len(held.view) + _OVERHEAD
        self.used = used


class Cache:
    """The cache of one process. `kinds` are the kinds of aggregates it holds; `shared` is the part all processes see."""

    def __init__(self, settings: CacheSettings, kinds: Iterable[str], shared: SharedViews | None = None) -> None:
        self.settings = settings
        self.kinds = frozenset(kinds)
        self._shared = shared
        self._entries: OrderedDict[Target, _Entry] = OrderedDict()
        self._size = 0
        # The share of recently loaded states, by kind, that were large enough for Valkey.
        self._large = dict.fromkeys(self.kinds, 0.0)

    async def open(self) -> None:
        metrics.CACHE_BYTES.set_function(lambda: self._size)
        if self._shared is not None:
            await self._shared.open()

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()

    @property
    def size(self) -> int:
        """What the entries in this process take, in bytes, roughly."""
        return self._size

    async def find(self, targets: Iterable[Target], viewed: Iterable[Target]) -> dict[Target, Found]:
        """What is held of `targets`, without a promise that it is still so; Valkey is asked, once, for those of `viewed` only."""
        found: dict[Target, Found] = {}
        for target in targets:
            held = self._remembered(target) if target[1] in self.kinds else None
            if held is not None:
                found[target] = Found(held, "memory")
        if self._shared is not None:
            missing = {each for each in viewed if each not in found and self._large.get(each[1], 0.0) >= 0.5}
            if missing:
                for target, held in (await self._shared.find(tuple(missing))).items():
                    found[target] = Found(held, "valkey")
        return found

    def loaded(self, target: Target, held: Held, found: Found | None) -> None:
        """Takes over what the database sent in spite of what was `found`."""
        kind = target[1]
        if kind not in self.kinds:
            return
        _READS["miss" if found is None else "stale"].inc()
        if found is not None and found.held.version > held.version and self._shared is not None:
            # The database went back, by a restore or a failover: a version that is no more would keep newer ones out.
            self._shared.forget(target)
        self._large[kind] += _SMOOTHING * (self.is_large(held) - self._large[kind])
        self._remember(target, held)

    def served(self, target: Target, found: Found) -> None:
        """What was found proved current and could be opened."""
        _READS[found.place].inc()
        entry = self._entries.get(target)
        if entry is None:
            self._remember(target, found.held)
        else:
            entry.used = True

    def unreadable(self, target: Target) -> None:
        """What was found cannot be opened: somebody altered it, or put it in another's place."""
        _READS["unreadable"].inc()
        self._forget(target)
        if self._shared is not None:
            self._shared.forget(target)

    def is_large(self, held: Held) -> bool:
        """Whether its view is worth a place in Valkey."""
        return len(held.state) >= self.settings.smallest

    def wants_view(self, target: Target, held: Held) -> bool:
        """Whether a view just made of what is held should be sealed and kept: it is large, or was used before."""
        if target[1] not in self.kinds or held.view:
            return False
        entry = self._entries.get(target)
        return self.is_large(held) or (entry is not None and entry.used and entry.held.known == held.known)

    def warm(self, target: Target, held: Held) -> bool:
        """Takes over what was loaded ahead of its use, behind all that was used; whether there was room."""
        self._large[target[1]] += _SMOOTHING * (self.is_large(held) - self._large[target[1]])
        if target in self._entries:
            return True
        entry = _Entry(held, monotonic() + self.settings.lifetime_s, used=False)
        if self._size + entry.size > self.settings.memory:
            return False
        self._entries[target] = entry
        self._entries.move_to_end(target, last=False)
        self._size += entry.size
        return True

    def keep(self, target: Target, held: Held) -> None:
        """Takes over what was just written, or viewed. Returns at once and cannot fail."""
        if target[1] in self.kinds:
            self._remember(target, held, used=bool(held.view))
            if self._shared is not None and held.view and self.is_large(held):
                self._shared.put(target, held)

    def _remembered(self, target: Target) -> Held | None:
        entry = self._entries.get(target)
        if entry is None:
            return None
        if entry.until < monotonic():
            self._forget(target)
            return None
        self._entries.move_to_end(target)
        return entry.held

    def _remember(self, target: Target, held: Held, *, used: bool = False) -> None:
        self._forget(target)
        entry = _Entry(held, monotonic() + self.settings.lifetime_s, used=used)
        if entry.size > self.settings.memory // 8:
            return  # one entry must not push out all others
        self._entries[target] = entry
        self._size += entry.size
        while self._size > self.settings.memory:
            _, dropped = self._entries.popitem(last=False)
            self._size -= dropped.size

    def _forget(self, target: Target) -> None:
        entry = self._entries.pop(target, None)
        if entry is not None:
            self._size -= entry.size


__all__ = ["Cache", "CacheSettings", "Found", "Held", "Target"]
