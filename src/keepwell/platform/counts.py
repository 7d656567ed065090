"""Counts and marks over all processes, each forgotten some time after the last one was added. All of them may be lost.

While Valkey is away each process goes by what it counted itself; nobody waits for it longer than for any other call.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from keepwell.platform.valkey import Valkey

_MOST = 20_000


class Counts:
    """`valkey` None: this is the only process. Keys hold nothing that identifies anybody; lifetimes are in seconds."""

    def __init__(self, valkey: Valkey | None = None) -> None:
        self._valkey = valkey
        self._own: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def of(self, keys: Sequence[str]) -> list[int]:
        """How many there are of each."""
        found: list[bytes | None] | None = None
        if self._valkey is not None:
            found = await self._valkey.run(lambda client: client.mget(keys), None)
        if found is None:
            return [self._counted(key) for key in keys]
        return [int(each or 0) for each in found]

    async def add(self, lifetimes: Mapping[str, float]) -> None:
        """One more of each."""
        for key, lifetime in lifetimes.items():
            self._keep(key, self._counted(key) + 1, lifetime)

        async def work(client: Any) -> None:
            async with client.pipeline(transaction=False) as pipeline:
                for key, lifetime in lifetimes.items():
                    pipeline.incr(key)
                    pipeline.pexpire(key, int(lifetime * 1000))
                await pipeline.execute()

        if self._valkey is not None:
            await self._valkey.run(work, None)

    async def first(self, key: str, lifetime: float) -> bool:
        """Whether nobody asked this before within its lifetime, as far as is known here or to the others."""
        if self._counted(key):
            return False
        self._keep(key, 1, lifetime)

        async def work(client: Any) -> bool:
            return bool(await client.set(key, b"1", nx=True, px=max(1, int(lifetime * 1000))))

        return self._valkey is None or await self._valkey.run(work, otherwise=True)

    async def forget(self, keys: Iterable[str]) -> None:
        """None of any of them any more."""
        gone = list(keys)
        for key in gone:
            self._own.pop(key, None)
        if self._valkey is not None:
            await self._valkey.delete(*gone)

    def _counted(self, key: str) -> int:
        count, until = self._own.get(key, (0, 0.0))
        return count if monotonic() < until else 0

    def _keep(self, key: str, count: int, lifetime: float) -> None:
        self._own[key] = (count, monotonic() + lifetime)
        self._own.move_to_end(key)
        if len(self._own) > _MOST:
            self._own.popitem(last=False)
