"""Sealed views in Valkey: one key for each aggregate, written in the background, replaced only by what is at least as new.

A value is the version (4 bytes, big-endian), what names the stored state exactly (40), and the sealed view of that state. Its
associated data binds it to tenant, kind, id and that very state: a value under another's key cannot be opened.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self
from uuid import UUID

from keepwell.kernel import metrics
from keepwell.platform.valkey import CacheUnavailable, Valkey, end

_VERSION, _KNOWN = 4, 44
_AT_ONCE = 64
_BYTES_AT_ONCE = 2**20

# Numbers are unpacked, not compared as text: the server's locale decides how it orders text.
_REPLACE_OLDER = """
local stored = 0
for i, key in ipairs(KEYS) do
  local old = redis.call('GETRANGE', key, 0, 3)
  if #old < 4 or struct.unpack('>I4', old) <= struct.unpack('>I4', ARGV[i + 1]) then
    redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1])
    stored = stored + 1
  end
end
return stored
"""
_ASKED = {name: metrics.SHARED_READS.labels(name) for name in ("answered", "failed", "skipped")}
_STORED = {name: metrics.SHARED_WRITES.labels(name) for name in ("stored", "older", "failed", "dropped")}


class Held(NamedTuple):
    """One stored state, sealed. `known` names it exactly: the journal head, and the transaction that wrote the row (8 bytes).

    `view` is the JSON a caller sees of it, sealed too. Either may be empty: not held.
    """

    version: int
    known: bytes
    state: bytes
    view: bytes = b""

    @classmethod
    def of(cls, version: int, head: bytes, writer: int, state: bytes) -> Self:
        # A row shows the lower half of the id of its transaction; so does what we compare it with.
        return cls(version, head + (writer & 0xFFFFFFFF).to_bytes(8, "big"), state)


class SharedViews:
    """The views all processes share. Nothing here raises or waits beyond the bounds of `valkey`.

    `maker` names the program that makes the views: another release may show the same state differently, and finds its own.
    """

    def __init__(self, valkey: Valkey, maker: str, *, lifetime_s: float, backlog: int) -> None:
        self._valkey = valkey
        self._prefix = f"keepwell:view:{maker}:"
        self._lifetime_ms = max(1, int(lifetime_s * 1000))
        self._backlog = backlog
        self._waiting: dict[str, bytes | None] = {}  # None: to be taken away
        self._bytes = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._task = asyncio.create_task(self._write_all(), name="shared-views")

    async def close(self) -> None:
        """Drops what was not written yet."""
        if self._task is not None:
            task, self._task = self._task, None
            await end(task)

    async def find(self, targets: Sequence[tuple[UUID, str, UUID]]) -> dict[tuple[UUID, str, UUID], Held]:
        """What is there of these. While the server is known to be away nobody waits for it: the writer sees when it is back."""
        if not self._valkey.well:
            _ASKED["skipped"].inc()
            self._wake.set()
            return {}
        keys = [self._key(target) for target in targets]
        values: list[bytes | None] | None = await self._valkey.run(lambda client: client.mget(keys), None)
        _ASKED["failed" if values is None else "answered"].inc()
        found: dict[tuple[UUID, str, UUID], Held] = {}
        for target, value in zip(targets, values or (), strict=False):
            if value is None:
                continue
            if len(value) <= _KNOWN:
                self.forget(target)
            else:
                found[target] = Held(int.from_bytes(value[:_VERSION], "big"), value[_VERSION:_KNOWN], b"", value[_KNOWN:])
        return found

    def put(self, target: tuple[UUID, str, UUID], held: Held) -> None:
        """Hands a view over to be written soon. Dropped when too much waits, or the server is away."""
        value = held.version.to_bytes(_VERSION, "big") + held.known + held.view
        if not self._valkey.well or self._bytes + len(value) > self._backlog:
            _STORED["dropped"].inc()
            self._wake.set()
            return
        self._add(self._key(target), value)

    def forget(self, target: tuple[UUID, str, UUID]) -> None:
        """Takes a value away soon."""
        self._add(self._key(target), None)

    async def settled(self) -> None:
        """Returns when nothing waits to be written."""
        await self._idle.wait()

    def _add(self, name: str, value: bytes | None) -> None:
        self._bytes += len(value or b"") - len(self._waiting.pop(name, None) or b"")
        self._waiting[name] = value
        self._idle.clear()
        self._wake.set()

    async def _write_all(self) -> None:
        while True:
            await self._wake.wait()
            if not self._valkey.well:
                await self._come_back()
            elif self._waiting:
                await self._write(self._take())
            else:
                self._wake.clear()
                self._idle.set()

    async def _come_back(self) -> None:
        """One attempt to reach the server, after a rest. What waited is dropped: readers bring what they use."""
        _STORED["dropped"].inc(len(self._waiting))
        self._waiting.clear()
        self._bytes = 0
        await asyncio.sleep(self._valkey.settings.rest)
        with suppress(CacheUnavailable):
            await self._valkey.ping()

    def _take(self) -> dict[str, bytes | None]:
        batch: dict[str, bytes | None] = {}
        size = 0
        while self._waiting and len(batch) < _AT_ONCE and size < _BYTES_AT_ONCE:
            name = next(iter(self._waiting))
            value = batch[name] = self._waiting.pop(name)
            size += len(value or b"")
        self._bytes -= size
        return batch

    async def _write(self, batch: dict[str, bytes | None]) -> None:
        gone = [name for name, value in batch.items() if value is None]
        fresh = {name: value for name, value in batch.items() if value is not None}
        if gone:
            await self._valkey.delete(*gone)
        if not fresh:
            return
        stored: int | None = await self._valkey.run(lambda client: self._replace(client, fresh), None)
        if stored is None:
            _STORED["failed"].inc(len(fresh))
        else:
            _STORED["stored"].inc(stored)
            _STORED["older"].inc(len(fresh) - stored)

    async def _replace(self, client: Any, fresh: dict[str, bytes]) -> int:
        script = client.register_script(_REPLACE_OLDER)
        return await script(keys=list(fresh), args=[self._lifetime_ms, *fresh.values()])

    def _key(self, target: tuple[UUID, str, UUID]) -> str:
        tenant, kind, id_ = target
        return f"{self._prefix}{tenant}:{kind}:{id_}"
