"""Enrolling people beside raw COPY of the same rows: `python -m bench.enrollment`.

One process takes an upload and runs its batch, as the worker does: validated, sealed, journaled, each person once. Then the same
upload again, of which nothing changes, and a dry run of other people. COPY puts the bare rows into a table without keys or
row-level security. The aims: 20,000 rows a second, a tenth of COPY, the second run three times as fast as the first.
"""

import argparse
import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import uvloop

from bench import machine
from bench.database import connect
from keepwell.domains.enrollment.service import EnrollmentService, Upload
from keepwell.domains.programs import CreateProgram, Period
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope, Origin
from keepwell.kit.ids import new_id
from keepwell.main.addresses import Servers
from keepwell.main.parts import Parts
from keepwell.platform import migrations
from keepwell.platform.master_key import make_master_key
from keepwell.platform.settings import ProcessKind, Settings

AIM, AIM_OF_COPY, AIM_AGAIN = 20_000, 0.1, 3.0
_ORIGIN = Origin("bench", "bench")
_HEADER = "external_id,given_name,family_name,birth_date,email,phone,ward\n"
_AT_ONCE = 1_000


def _row(number: int) -> str:
    birth = f"{1940 + number % 70}-{number % 12 + 1:02}-{number % 28 + 1:02}"
    return f"E-{number},Given{number},Family{number % 5000},{birth},p{number}@example.org,+4930{number:07},{number % 40}\n"


async def _upload(first: int, rows: int) -> AsyncIterator[bytes]:
    yield _HEADER.encode()
    for start in range(first, first + rows, _AT_ONCE):
        yield "".join(map(_row, range(start, min(start + _AT_ONCE, first + rows)))).encode()


class Load:
    """A clinic with a program that is open."""

    def __init__(self, parts: Parts, rows: int) -> None:
        self._service: EnrollmentService = parts.rooms.enrollment
        self._parts = parts
        self._rows = rows
        self.tenant = new_id()
        self.program = new_id()

    async def prepare(self) -> None:
        period = Period("2020-01-01", "2090-12-31", "Europe/Berlin")
        create = CreateProgram(self.program, "Bench", period)
        [outcome] = await self._parts.kernel.execute([Envelope(create, operator(self.tenant), _ORIGIN)])
        if outcome.refusal is not None:
            raise SystemExit(f"no program: {outcome.refusal.code}")

    async def enroll(self, first: int, expected: str, *, dry_run: bool = False) -> float:
        """Rows a second, from the first byte taken to the last row settled."""
        actor, started = operator(self.tenant), perf_counter()
        upload = Upload(self.program, "text/csv", dry_run)
        outcome = await self._service.upload(actor, _ORIGIN, upload, _upload(first, self._rows))
        uploaded = perf_counter() - started
        await self._service.run(self.tenant, outcome.id)
        elapsed = perf_counter() - started
        view = await self._service.showing.show(actor, outcome.id, _ORIGIN)
        if getattr(view.rows, expected) != self._rows:
            raise SystemExit(f"not all rows are {expected}: {view.rows}")
        print(
            f"  {expected:<10} {'dry run' if dry_run else '':<8} {self._rows / elapsed:>9,.0f} rows/s (upload {uploaded:.1f} s)",
            flush=True,
        )
        return self._rows / elapsed


async def _copy(url: str, rows: int) -> float:
    connection = await connect(url)
    columns = _HEADER.strip().split(",")
    await connection.execute(f"CREATE TABLE bare ({', '.join(f'{name} text' for name in columns)})")
    source = b"".join([piece async for piece in _upload(0, rows)])
    started = perf_counter()
    await connection.copy_to_table("bare", source=_once(source), format="csv", header=True)
    elapsed = perf_counter() - started
    await connection.close()
    return rows / elapsed


async def _once(source: bytes) -> AsyncIterator[bytes]:
    yield source


def _memory() -> int:
    """Most memory this process had resident so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def measure(servers: Servers, settings: Settings, rows: int) -> bool:
    """Whether the aims are reached."""
    owner = await connect(servers.addresses.owner)
    print(await machine.postgres(owner))
    await owner.close()
    bare = await _copy(servers.addresses.owner, rows)
    parts = Parts(settings, servers.addresses, ProcessKind.WORKER)
    async with parts.running():
        load = Load(parts, rows)
        await load.prepare()
        idle = _memory()
        first = await load.enroll(0, "enrolled")
        again = await load.enroll(0, "unchanged")
        await load.enroll(rows, "enrolled", dry_run=True)
    print(f"COPY {bare:,.0f} rows/s; enrolled {first:,.0f} rows/s (aim {AIM:,}): {first / bare:.3f} of COPY (aim {AIM_OF_COPY})")
    print(f"again / first: {again / first:.1f} (aim {AIM_AGAIN:.0f}); memory {_memory() - idle} MiB above {idle}")
    return first >= AIM and first / bare >= AIM_OF_COPY and again / first >= AIM_AGAIN


def main() -> int:
    """Measures on embedded servers of its own, in a temporary folder. 0 when the aims are reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.enrollment", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="keepwell-bench-") as folder:
        data = Path(folder) / "data"
        make_master_key(data)
        settings = Settings(_env_file=None, data_dir=data)  # pyright: ignore[reportCallIssue]
        with Servers.attach(settings) as servers:
            migrations.upgrade(servers.addresses.owner)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return 0 if runner.run(measure(servers, settings, options.rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
