"""The kernel alone, without HTTP or rooms: `python -m bench.kernel`. For profiling, and to see what the door and the rooms add.

One process, one event loop, as many tasks as clients; a toy room whose state is as large as a questionnaire response's.
"""

import argparse
import asyncio
import cProfile
import pstats
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import uvloop

from bench import machine, pgbench
from bench.database import connect
from bench.measurement import Run, by_turns, compare
from keepwell.kernel import (
    Actor,
    Aggregate,
    Catalog,
    Command,
    CommandType,
    Envelope,
    Kernel,
    Limits,
    Origin,
    Permission,
    Read,
    Snapshot,
)
from keepwell.kernel.keys import KeyRing
from keepwell.kit.ids import new_id
from keepwell.kit.time import SystemClock
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.postgres import Database, PoolSettings

_SQL = Path(__file__).parents[1] / "migrations" / "sql"
_SCHEMA = ("0001_spine", "0004_known_states")
Caller = TypeVar("Caller")
_READ = Permission("Sheet", "r")
_ORIGIN = Origin("bench", "bench-request")


class Sheet(msgspec.Struct, frozen=True):
    """The toy room's state."""

    answers: dict[str, str]


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A sheet was begun."""

    answers: dict[str, str]


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """Some answers changed."""

    answers: dict[str, str]


class Begin(Command, frozen=True):
    """Begins a sheet."""

    answers: dict[str, str]


class Answer(Command, frozen=True):
    """Changes answers."""

    answers: dict[str, str]


def _evolve(state: Sheet | None, event: Begun | Answered) -> Sheet:
    return Sheet({**({} if state is None else state.answers), **event.answers})


def _view(snapshot: Snapshot) -> dict[str, Any]:
    return {"id": snapshot.id, "version": snapshot.version, "answers": snapshot.state.answers, "updated_at": snapshot.updated_at}


SHEETS = Aggregate(
    kind="sheet",
    resource="Sheet",
    state=Sheet,
    event=Begun | Answered,
    evolve=_evolve,
    view=_view,
    commands=(
        CommandType(
            "sheets.begin", Begin, Permission("Sheet", "c"), lambda _, c, __: (Begun(c.answers),), creates=True, guarded=False
        ),
        CommandType("sheets.answer", Answer, Permission("Sheet", "u"), lambda _, c, __: (Answered(c.answers),)),
    ),
)


class Client:
    """One caller with one sheet."""

    def __init__(self, kernel: Kernel, tenant: UUID) -> None:
        self._kernel = kernel
        self._actor = Actor(tenant, new_id(), "clinician", ("user/*.cruds",))
        self._id = new_id()
        self._version = 0

    async def begin(self) -> None:
        """Makes the sheet."""
        answers = {f"question-{n}": f"an answer of ordinary length, {n:02}" for n in range(12)}
        await self._execute(Begin(self._id, answers))

    async def answer(self) -> None:
        """Changes one answer."""
        await self._execute(Answer(self._id, {"question-7": f"another answer, {self._version:010}"}))

    async def read(self) -> None:
        """Reads the sheet."""
        await self._kernel.read(Read("sheet", self._id, self._actor, _ORIGIN, _READ))

    async def _execute(self, command: Command) -> None:
        [outcome] = await self._kernel.execute([Envelope(command, self._actor, _ORIGIN, self._version, str(new_id()))])
        if outcome.refusal is not None:
            raise RuntimeError(outcome.refusal.type.code)
        self._version = outcome.version


async def drive(clients: Sequence[Caller], call: Callable[[Caller], Awaitable[None]], seconds: float) -> Run:
    """Lets every client call again and again for `seconds`."""
    taken: list[float] = []
    end = perf_counter() + seconds

    async def loop(client: Caller) -> None:
        before = perf_counter()
        while before < end:
            await call(client)
            after = perf_counter()
            taken.append(after - before)
            before = after

    started = perf_counter()
    await asyncio.gather(*map(loop, clients))
    elapsed = perf_counter() - started
    cuts = quantiles(taken, n=100) if len(taken) > 1 else [0.0] * 99
    return Run(len(taken) / elapsed, cuts[49] * 1000, cuts[98] * 1000)


async def opened(url: str, batch: int) -> tuple[Database, Kernel]:
    """A kernel on the database at `url`. `batch` 1: gathering off."""
    database = Database(PoolSettings(url))
    await database.open()
    return database, Kernel(database, Catalog((SHEETS,)), KeyRing(bytes(32), SystemClock()), SystemClock(), Limits(batch=batch))


async def begun(kernel: Kernel, count: int, tenants: int) -> list[Client]:
    """Clients with a sheet each, divided among fresh tenants."""
    owners = [new_id() for _ in range(tenants)]
    clients = [Client(kernel, owners[n % tenants]) for n in range(count)]
    await asyncio.gather(*(client.begin() for client in clients))
    return clients


async def measure(servers: EmbeddedServers, seconds: float, rounds: int, profile: Path | None) -> None:
    """Prints rates and ratios; with `profile`, profiles one load of changes instead."""
    owner = await connect(servers.migration_url)
    for name in _SCHEMA:
        await owner.execute((_SQL / f"{name}.up.sql").read_text(encoding="utf-8"))
    print(await machine.postgres(owner))
    await owner.close()
    gathered, kernel = await opened(servers.app_url, 64)
    single, alone = await opened(servers.app_url, 1)
    few, many = await begun(kernel, 16, 1), await begun(kernel, 64, 1)
    spread, ungathered = await begun(kernel, 64, 64), await begun(alone, 64, 1)
    if profile is not None:
        with cProfile.Profile() as profiler:
            await drive(many, Client.answer, seconds)
        pstats.Stats(profiler).dump_stats(profile)
    else:
        await pgbench.prepare(servers)
        series = await by_turns(
            {
                "pgbench, 16": lambda: pgbench.run(servers, 16, seconds),
                "kernel, 16": lambda: drive(few, Client.answer, seconds),
                "pgbench, 64": lambda: pgbench.run(servers, 64, seconds),
                "kernel, 64": lambda: drive(many, Client.answer, seconds),
                "kernel, 64, one tenant each": lambda: drive(spread, Client.answer, seconds),
                "kernel, 64, gather off": lambda: drive(ungathered, Client.answer, seconds),
                "kernel, 64 reads": lambda: drive(many, Client.read, seconds),
            },
            rounds,
            print,
        )
        for measured, base in (
            ("kernel, 16", "pgbench, 16"),
            ("kernel, 64", "pgbench, 64"),
            ("kernel, 64", "kernel, 64, gather off"),
            ("kernel, 64, one tenant each", "kernel, 64"),
        ):
            print(f"{measured} / {base}: {compare('', series, measured, base).ratio:.2f}")
    for database in (gathered, single):
        await database.close()


def main() -> None:
    """Measures on embedded servers of its own, in a temporary folder."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernel", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", type=Path, help="write a cProfile of 64 clients' changes to this file instead of measuring")
    options = parser.parse_args()
    with (
        TemporaryDirectory(prefix="keepwell-bench-") as folder,
        EmbeddedServers.attach(Path(folder) / "data", valkey=False) as servers,
    ):
        uvloop.run(measure(servers, options.seconds, options.rounds, options.profile))


if __name__ == "__main__":
    main()
