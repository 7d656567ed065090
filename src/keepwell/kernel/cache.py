"""The state cache: sealed states in this process and, larger ones, in Valkey. The database stays the judge of every one.

A read names what is held of a row; the database sends the state only when it stores another one. So what comes from here is
never stale, whatever was lost, late, restored or altered: a failure costs the hit and nothing else. Nothing in here is readable
without the tenant's keys.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import msgspec

from keepwell.kernel import metrics
from keepwell.kernel.shared_states import Held, SharedStates
from keepwell.kernel.store import StateRow

Target = tuple[UUID, str, UUID]
"""Tenant, kind and id of an aggregate."""

_OVERHEAD = 400  # what Python needs around one entry, roughly
_SMOOTHING = 0.05
_READS = {name: metrics.STATE_READS.labels(name) for name in ("memory", "shared", "stale", "miss", "unreadable")}


class CacheSettings(msgspec.Struct, frozen=True):
    """How much is held, and for how long.

    `memory` is what this process holds, in bytes; `smallest` is the size, in bytes, from which a sealed state is worth asking
    Valkey for; `backlog` is how many bytes may wait to be written to it. `lifetime_s` applies to both.
    """

    lifetime_s: float = 3600.0
    memory: int = 32 * 2**20
    smallest: int = 8192
    backlog: int = 16 * 2**20


class _Entry:
    """`used`: it was served since it came, so that its like is expected to be asked for again."""

    __slots__ = ("held", "size", "until", "used")

    def __init__(self, held: Held, until: float, *, used: bool) -> None:
        self.held = held
        self.until = until
        self.size = len(held.state) + len(held.view) + _OVERHEAD
        self.used = used


class Found(NamedTuple):
    """What is held of one aggregate, and where it was found: `memory` or `shared`."""

    held: Held
    place: str


class StateCache:
    """The cache of one process. `kinds` are the kinds of aggregates it holds; `shared` is the part all processes see."""

    def __init__(self, settings: CacheSettings, kinds: Iterable[str], shared: SharedStates | None = None) -> None:
        self.settings = settings
        self.kinds = frozenset(kinds)
        self._shared = shared
        self._entries: OrderedDict[Target, _Entry] = OrderedDict()
        self._bytes = 0
        # The share of recently loaded states, by kind, that were large enough to be asked for.
        self._large = dict.fromkeys(self.kinds, 0.0)

    async def open(self) -> None:
        if self._shared is not None:
            await self._shared.open()

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()

    @property
    def size(self) -> int:
        """What the entries in this process take, in bytes, roughly."""
        return self._bytes

    async def find(self, targets: Sequence[Target]) -> dict[Target, Found]:
        """What is held of these, without a promise that it is still so. At most one call to Valkey, bounded."""
        found: dict[Target, Found] = {}
        missing: list[Target] = []
        for target in targets:
            if target in found or target[1] not in self.kinds:
                continue
            held = self._remembered(target)
            if held is not None:
                found[target] = Found(held, "memory")
            elif self._large[target[1]] >= 0.5:
                missing.append(target)
        if missing and self._shared is not None:
            for target, held in (await self._shared.find(missing)).items():
                found[target] = Found(held, "shared")
        return found

    def written(self, rows: Sequence[StateRow], writer: int) -> None:
        """Takes over what transaction `writer` has committed. Returns at once and cannot fail."""
        for row in rows:
            if row.kind in self.kinds:
                self._take((row.tenant, row.kind, row.id), Held.of(row.version, row.head, writer, row.state), share=True)

    def loaded(self, target: Target, held: Held, found: Found | None) -> None:
        """Takes over what the database sent in spite of what was `found`."""
        kind = target[1]
        if kind not in self.kinds:
            return
        _READS["miss" if found is None else "stale"].inc()
        if found is not None and found.held.version > held.version and self._shared is not None:
            # The database went back, by a restore or a failover: a version that is no more would keep newer ones out.
            self._shared.forget(target)
        large = len(held.state) >= self.settings.smallest
        self._large[kind] += _SMOOTHING * (large - self._large[kind])
        self._take(target, held, share=self._large[kind] >= 0.5)

    def served(self, target: Target, found: Found) -> None:
        """What was found proved current and could be opened."""
        _READS[found.place].inc()
        entry = self._entries.get(target)
        if entry is None:
            self._remember(target, found.held)
        else:
            entry.used = True

    def lacks_view(self, target: Target, head: bytes) -> Held | None:
        """What this process holds of the state with this head, if it was used before and its view is not there yet."""
        entry = self._entries.get(target)
        if entry is None or not entry.used or entry.held.view or not entry.held.known.startswith(head):
            return None
        return entry.held

    def viewed(self, target: Target, held: Held, view: bytes) -> None:
        """Keeps the sealed view of a state in this process."""
        self._remember(target, held._replace(view=view), used=True)

    def unreadable(self, target: Target) -> None:
        """What was found cannot be opened: somebody altered it, or put it in another's place."""
        _READS["unreadable"].inc()
        self._forget(target)
        if self._shared is not None:
            self._shared.forget(target)

    def warmed(self, target: Target, held: Held) -> None:
        """Takes over what was loaded ahead of its use."""
        large = len(held.state) >= self.settings.smallest
        self._large[target[1]] += _SMOOTHING * (large - self._large[target[1]])
        self._take(target, held, share=True)

    def _take(self, target: Target, held: Held, *, share: bool) -> None:
        self._remember(target, held)
        if share and self._shared is not None and len(held.state) >= self.settings.smallest:
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
        self._bytes += entry.size
        while self._bytes > self.settings.memory:
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= dropped.size

    def _forget(self, target: Target) -> None:
        entry = self._entries.pop(target, None)
        if entry is not None:
            self._bytes -= entry.size


__all__ = ["CacheSettings", "Found", "Held", "StateCache", "Target"]
