"""The audited read of one aggregate with the read cache and without: `python -m bench.cache`.

One process, one event loop; every contender reads the same sheets, each client its own. `memory` holds states and views in
this process, `valkey` holds them in Valkey alone. The database judges every read of either, and records it.
"""

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from uuid import UUID

import msgspec
import psutil
import uvloop

from bench import machine
from bench.database import connect
from bench.effort import so_far
from bench.kernel import SHEETS, Begin, drive
from bench.measurement import Comparison, Run, by_turns, compare
from keepwell.kernel import Actor, Catalog, Envelope, Kernel, Limits, Origin, Permission, Read
from keepwell.kernel.cache import Cache, CacheSettings
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.shared_views import SharedViews
from keepwell.kit.ids import new_id
from keepwell.kit.time import SystemClock
from keepwell.platform import migrations
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.embedded.layout import Layout
from keepwell.platform.embedded.process import processes_in
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.valkey import Valkey, ValkeySettings

SIZES = (600, 2_000, 8_000, 16_000, 32_000, 128_000)
"""Bytes of state: a short form, one just before it is stored out of line, a long one, and two questionnaires."""

_CATALOG = Catalog((msgspec.structs.replace(SHEETS, cached=True),))
_ORIGIN = Origin("bench", "bench-request")
_READ = Permission("Sheet", "r")


class Reader:
    """One caller who reads one sheet, as a door does: the view, as JSON."""

    def __init__(self, kernel: Kernel, actor: Actor, sheet: UUID) -> None:
        self._kernel = kernel
        self._read = Read("sheet", sheet, actor, _ORIGIN, _READ)

    async def view(self) -> None:
        """Reads the sheet."""
        await self._kernel.view(self._read)


class Stage:
    """A database, a Valkey, and a kernel for each contender."""

    def __init__(self, servers: EmbeddedServers, data: Path) -> None:
        self._data = data
        self._database = Database(PoolSettings(servers.app_url))
        self._valkey = Valkey(ValkeySettings(servers.valkey_url, timeout=2.0))
        everything = CacheSettings(memory=256 * 2**20, smallest=2**31)
        nothing_here = CacheSettings(memory=0, smallest=0, backlog=256 * 2**20)
        shared = SharedViews(self._valkey, "bench", lifetime_s=3600, backlog=nothing_here.backlog)
        self.caches = {
            "no cache": None,
            "memory": Cache(everything, ["sheet"]),
            "valkey": Cache(nothing_here, ["sheet"], shared),
        }
        ring = KeyRing(bytes(32), SystemClock())
        self.kernels = {
            name: Kernel(self._database, _CATALOG, ring, SystemClock(), Limits(), cache=cache)
            for name, cache in self.caches.items()
        }

    async def __aenter__(self) -> Self:
        await self._database.open()
        await self._valkey.open()
        for cache in self.caches.values():
            if cache is not None:
                await cache.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for cache in self.caches.values():
            if cache is not None:
                await cache.close()
        await self._valkey.close()
        await self._database.close()

    async def sheets(self, size: int, count: int) -> tuple[Actor, list[UUID]]:
        """Fresh sheets whose states have about `size` bytes."""
        actor = Actor(new_id(), new_id(), "clinician", ("user/*.cruds",))
        answers = {f"question-{n:04}": f"an answer of ordinary length, {n:04}" for n in range(max(1, size // 50))}
        ids = [new_id() for _ in range(count)]
        envelopes = [Envelope(Begin(each, answers), actor, _ORIGIN) for each in ids]
        outcomes = await self.kernels["no cache"].execute(envelopes)
        assert not any(outcome.refusal for outcome in outcomes), "the sheets could not be made"  # noqa: S101
        return actor, ids

    async def run(self, name: str, actor: Actor, sheets: Sequence[UUID], seconds: float) -> Run:
        """One load. The readers have read before, so that what can be held is held."""
        readers = [Reader(self.kernels[name], actor, sheet) for sheet in sheets]
        for _ in range(30):
            await asyncio.gather(*(reader.view() for reader in readers))
        before, valkey = so_far(self._data, [os.getpid()]), self._valkey_seconds()
        run = await drive(readers, Reader.view, seconds)
        done = round(run.per_second * seconds)
        facts = so_far(self._data, [os.getpid()]).since(before, done)
        facts["cpu_us_valkey"] = round((self._valkey_seconds() - valkey) / max(1, done) * 1e6)
        facts["cpu_us_all"] += facts["cpu_us_valkey"]
        return msgspec.structs.replace(run, facts=facts)

    def _valkey_seconds(self) -> float:
        processes: list[psutil.Process] = []
        for name in ("valkey-server", "redis-server"):
            processes += processes_in(Layout(self._data).valkey, name)
        return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


async def measure(servers: EmbeddedServers, data: Path, asked: argparse.Namespace) -> None:
    """Prints, for each size, rates and processor time by turns, and their ratios."""
    migrations.upgrade(servers.migration_url)
    owner = await connect(servers.migration_url)
    print(await machine.postgres(owner))
    await owner.close()
    async with Stage(servers, data) as stage:
        for size in asked.sizes:
            actor, sheets = await stage.sheets(size, asked.clients)

            def contender(name: str, who: Actor = actor, which: Sequence[UUID] = tuple(sheets)) -> Run:
                return stage.run(name, who, which, asked.seconds)  # pyright: ignore[reportReturnType]

            print(f"\nstate of about {size:,} bytes, {asked.clients} clients")
            contenders = {name: (lambda name=name: contender(name)) for name in stage.kernels}
            series = await by_turns(contenders, asked.rounds, print)  # pyright: ignore[reportArgumentType]
            for name in ("memory", "valkey"):
                report(compare(f"{size}", series, name, "no cache"))


def report(comparison: Comparison) -> None:
    """Prints one comparison: of rates, of all processor time, and of the database's."""
    mine, theirs = (comparison.contenders[name].runs[-1].facts for name in (comparison.measured, comparison.base))
    print(
        f"  {comparison.measured} / {comparison.base}: rate {comparison.ratio:.2f}, processor time {comparison.effort:.2f}, "
        f"database {theirs['cpu_us_postgres']} -> {mine['cpu_us_postgres']} us, "
        f"program {theirs['cpu_us_server']} -> {mine['cpu_us_server']} us, Valkey {mine['cpu_us_valkey']} us a read"
    )


def main() -> None:
    """Measures on embedded servers of its own, in a temporary folder."""
    parser = argparse.ArgumentParser(prog="python -m bench.cache", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        data = Path(folder) / "data"
        with EmbeddedServers.attach(data) as servers:
            uvloop.run(measure(servers, data, asked))


if __name__ == "__main__":
    main()
