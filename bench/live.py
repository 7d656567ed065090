"""Live rooms beside a bare broadcast of the same fan-out: `python -m bench.live`.

2,000 sockets in 200 rooms of ten, one edit a room and second, on one server process each. Ours stores each edit, records every
one of its ten readers and only then tells them, by way of the journal. A bare broadcast sends the text on; one that stores
commits the edit and its readers first. What is compared is how long a message takes from its sender to each of the room (both
are in the load generator's process), the memory of a socket, and what a delivery takes of the processors.
"""

import argparse
import asyncio
import resource
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter_ns

import msgspec
import psutil
import uvloop

from bench import bare_rooms, clinics, effort, machine, stage
from bench.database import connect
from bench.sockets import Client, connected
from bench.stage import Server
from bench.wrk import Target
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.master_key import make_master_key

AIM = 0.6
_AT_ONCE = 20


class Load(msgspec.Struct, frozen=True):
    """How many rooms, of how many members, each with so many edits a second; how long a round is, and how many there are."""

    rooms: int
    members: int
    seconds: float
    rounds: int


class Round(msgspec.Struct, frozen=True):
    """One round: latencies in milliseconds, deliveries there should have been and were, microseconds of processor for each."""

    p50_ms: float
    p99_ms: float
    expected: int
    delivered: int
    server_us: float
    postgres_us: float

    @property
    def cpu_us(self) -> float:
        return self.server_us + self.postgres_us


class Crowd:
    """All rooms of one server. The first member of each edits. `stores`: what PostgreSQL does meanwhile, it does for this one."""

    def __init__(self, name: str, server: Server, data: Path, *, stores: bool) -> None:
        self.name = name
        self._stores = stores
        self.memory_kib = 0.0
        self.server = server
        self._data = data
        self._rooms: list[list[Client]] = []
        self._taken: list[int] = []

    async def come(self, targets: Sequence[Target], members: int) -> None:
        """Everybody connects; what a socket costs the server in memory is what it grew by."""
        before = self._resident()
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(target: Target) -> list[Client]:
            async with slots:
                path = f"{target.path}/room"
                url = self.server.url
                return [await connected(url, path, target.token, self._taken.append) for _ in range(members)]

        self._rooms = list(await asyncio.gather(*map(one, targets)))
        await asyncio.sleep(2)
        self.memory_kib = (self._resident() - before) / 1024 / (len(targets) * members)

    async def edit(self, seconds: float) -> Round:
        """One edit a room and second, evenly spread, and all deliveries of them."""
        self._taken.clear()
        before, start = effort.so_far(self._data, self.server.pids), asyncio.get_running_loop().time()
        turns = round(seconds)
        for turn in range(turns):
            for place, room in enumerate(self._rooms):
                due = start + turn + place / len(self._rooms)
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                room[0].send(_change(room[0].version))
        await asyncio.sleep(1)
        taken = sorted(self._taken)
        members = sum(map(len, self._rooms))
        cpu = effort.so_far(self._data, self.server.pids).since(before, len(taken))
        cuts = quantiles(taken, n=100) if len(taken) > 1 else [0.0] * 99
        spent = cpu["cpu_us_server"], cpu["cpu_us_postgres"] if self._stores else 0
        return Round(cuts[49] / 1e6, cuts[98] / 1e6, turns * members, len(taken), *spent)

    def leave(self) -> None:
        lost = sum(not client.connected for room in self._rooms for client in room)
        if lost:
            print(f"  {lost} connections of {self.name} were lost")
        for room in self._rooms:
            for client in room:
                client.close()

    def _resident(self) -> int:
        return sum(psutil.Process(pid).memory_info().rss for pid in self.server.pids)


def _change(version: int) -> bytes:
    answers = {"question-07": f"An answer, @{perf_counter_ns()}@"}
    return msgspec.json.encode({"type": "patch", "if_match": version, "answers": answers})


@contextmanager
def bare(folder: Path, *database: str) -> Generator[Server]:
    """The bare broadcast, in one process; the one that stores where a database is given."""
    log = folder / f"bare-rooms-{len(database)}.log"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4096)
        command = [sys.executable, "-m", "bench.bare_rooms", str(listening.fileno()), *database]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=Path(__file__).parents[1], pass_fds=[listening.fileno()], stdout=output, stderr=subprocess.STDOUT
            )
        server = Server(f"http://127.0.0.1:{listening.getsockname()[1]}", [process], log)
        try:
            yield server
        finally:
            server.stop()


async def measure(servers: EmbeddedServers, folder: Path, load: Load) -> float:
    """The ratio of the 99th percentiles to those of the broadcast that stores, printed with all rounds."""
    owner = await connect(servers.migration_url)
    print(await machine.postgres(owner))
    with stage.keepwell(folder, processes=1) as ours, bare(folder) as quick:
        await ours.ready("/health/ready")
        await owner.execute(bare_rooms.SCHEMA)
        await owner.close()
        with bare(folder, servers.app_url) as storing:
            [clinic] = await clinics.open_clinics(servers, folder / "data", ["live"])
            targets = await clinics.targets(ours.url, clinic, load.rooms)
            data = folder / "data"
            crowds = (
                Crowd("keepwell", ours, data, stores=True),
                Crowd("bare broadcast", quick, data, stores=False),
                Crowd("bare, storing", storing, data, stores=True),
            )
            for crowd in crowds:
                await crowd.server.ready("/health/live")
                await crowd.come(targets, load.members)
                print(f"{crowd.name}: {load.rooms * load.members} sockets, {crowd.memory_kib:.1f} KiB each")
            found = await _rounds(crowds, load)
            for crowd in crowds:
                crowd.leave()
    mine, *others = crowds
    return [_report(found, mine, other) for other in others][-1]


async def _rounds(crowds: Sequence[Crowd], load: Load) -> dict[str, list[Round]]:
    """All rounds of each, by turns; one before them warms up."""
    found: dict[str, list[Round]] = {crowd.name: [] for crowd in crowds}
    for number in range(load.rounds + 1):
        for crowd in crowds[:: 1 if number % 2 else -1]:
            one = await crowd.edit(load.seconds)
            if number:
                found[crowd.name].append(one)
                print(
                    f"  round {number}  {crowd.name:<16} p50 {one.p50_ms:6.1f} ms  p99 {one.p99_ms:6.1f} ms  "
                    f"{one.delivered} of {one.expected} delivered, "
                    f"{one.cpu_us:.0f} us of processor each: server {one.server_us:.0f} postgres {one.postgres_us:.0f}"
                )
    return found


def _report(found: dict[str, list[Round]], mine: Crowd, other: Crowd) -> float:
    def ratio(name: str) -> float:
        pairs = zip(found[mine.name], found[other.name], strict=True)
        return median(getattr(theirs, name) / getattr(ours, name) for ours, theirs in pairs)

    print(
        f"{other.name} / keepwell: 99th percentile {ratio('p99_ms'):.2f} (aim {AIM}), median {ratio('p50_ms'):.2f}, "
        f"processor time {ratio('cpu_us'):.2f}, memory of a socket {other.memory_kib / mine.memory_kib:.2f} (aim {AIM})"
    )
    return ratio("p99_ms")


def main() -> int:
    """Measures on embedded servers of its own, in a temporary folder. 0 when the aim is reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--rooms", type=int, default=200)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with TemporaryDirectory(prefix="keepwell-bench-") as name:
        folder = Path(name)
        make_master_key(folder / "data")
        with EmbeddedServers.attach(folder / "data") as servers, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            load = Load(options.rooms, options.members, options.seconds, options.rounds)
            return 0 if runner.run(measure(servers, folder, load)) >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
