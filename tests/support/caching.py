"""Nodes that read through a cache, over the room of notes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from prometheus_client import REGISTRY

from keepwell.kernel import Actor, Catalog, Kernel, Limits, Permission, Read, Snapshot, View
from keepwell.kernel.cache import Cache, CacheSettings
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.shared_views import SharedViews
from keepwell.kit.time import Clock
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.valkey import Valkey, ValkeySettings
from tests.support.notes import NOTES, SESSIONS, ChangeNote, actor, envelope, origin, written

CACHED = Catalog((msgspec.structs.replace(NOTES, cached=True), SESSIONS))
SMALLEST = 5_000
_READ = Permission("Note", "r")


@dataclass
class Node:
    """One process's worth of kernel, with a cache of its own and a share in Valkey."""

    kernel: Kernel
    cache: Cache
    shared: SharedViews
    valkey: Valkey

    async def write(self, title: str | None = None, text: str = "") -> UUID:
        """A new note; with `text`, at version 2."""
        command = written(title)
        (outcome,) = await self.kernel.execute([envelope(command)])
        assert outcome.refusal is None
        if text:
            await self.change(command.id, text, 1)
        return command.id

    async def change(self, note: UUID, text: str, version: int) -> int:
        (outcome,) = await self.kernel.execute([envelope(ChangeNote(note, {"text": text}), if_match=version)])
        assert outcome.refusal is None, outcome.refusal
        return outcome.version

    async def read(self, note: UUID, who: Actor | None = None) -> Snapshot:
        return await self.kernel.read(Read("note", note, who or actor(), origin(), _READ))

    async def view(self, note: UUID, who: Actor | None = None) -> dict[str, Any]:
        """What a caller sees, and its version as the answer names it."""
        seen: View = await self.kernel.view(Read("note", note, who or actor(), origin(), _READ))
        body: dict[str, Any] = msgspec.json.decode(seen.body)
        assert body["version"] == seen.version
        return body

    async def expect_large(self) -> None:
        """Lets the node see that notes are large, so that it asks Valkey for them."""
        for _ in range(16):
            note = await self.write(text=large("seen"))
            self.empty()
            await self.view(note)
        self.empty()
        await self.shared.settled()

    def empty(self) -> None:
        """Forgets what this process holds, as a restart does."""
        self.cache._entries.clear()
        self.cache._size = 0

    def held(self) -> bytes:
        """All that this process holds, as it is in memory."""
        return b"".join(entry.held.state + entry.held.view for entry in self.cache._entries.values())


@asynccontextmanager
async def node(
    app_url: str,
    valkey_url: str,
    clock: Clock,
    *,
    settings: CacheSettings | None = None,
    maker: str = "this",
    patience: float = 0.5,
) -> AsyncGenerator[Node]:
    """A node of its own on the given servers."""
    wanted = settings or CacheSettings(smallest=SMALLEST)
    database = Database(PoolSettings(app_url, largest=4))
    valkey = Valkey(ValkeySettings(valkey_url, timeout=patience, rest=0.05))
    shared = SharedViews(valkey, maker, lifetime_s=wanted.lifetime_s, backlog=wanted.backlog)
    cache = Cache(wanted, ["note"], shared)
    await database.open()
    await valkey.open()
    await cache.open()
    kernel = Kernel(database, CACHED, KeyRing(bytes(range(32)), clock), clock, Limits(), cache=cache)
    try:
        yield Node(kernel, cache, shared, valkey)
    finally:
        await kernel.close()
        await cache.close()
        await valkey.close()
        await database.close()


class Counted:
    """What the cache counted since the last look."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}
        self.reads()

    def reads(self) -> dict[str, int]:
        """Reads of cached kinds by outcome, those that are not zero."""
        return self._since("keepwell_read_cache_reads_total")

    def writes(self) -> dict[str, int]:
        """Views handed to Valkey by outcome, those that are not zero."""
        return self._since("keepwell_read_cache_valkey_writes_total")

    def asked(self) -> dict[str, int]:
        """Batches that might have asked Valkey by outcome, those that are not zero."""
        return self._since("keepwell_read_cache_valkey_reads_total")

    def _since(self, name: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for metric in REGISTRY.collect():
            for sample in metric.samples:
                if sample.name == name:
                    outcome = sample.labels["outcome"]
                    change = round(sample.value - self._before.get(f"{name} {outcome}", 0))
                    self._before[f"{name} {outcome}"] = sample.value
                    if change:
                        found[outcome] = change
        return found


def large(text: str) -> str:
    """A text that makes a note large enough for Valkey, and says which it is."""
    return text + " " + "x" * SMALLEST
