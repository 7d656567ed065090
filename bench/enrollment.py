"""Enrolling people beside raw COPY of the same rows: `python -m bench.enrollment`, or `python -m bench --only enrollment`.

One process takes an upload and runs its batch, as the worker does: validated, sealed, journaled, each person once. Then the same
upload again, of which nothing changes, and a dry run of other people. COPY puts the bare rows into a table without keys or
row-level security; and, as the least that PostgreSQL can do for it, what is stored of those people into tables with the same
indexes. The aims: 20,000 rows a second, a tenth of COPY, the second run three times as fast as the first.
"""

import argparse
import asyncio
import io
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from uuid import UUID

import uvloop

from bench import effort, machine
from bench.database import connect
from bench.measurement import Run
from keepwell.domains.enrollment.service import EnrollmentService, Upload
from keepwell.domains.programs import CreateProgram, Period
from keepwell.domains.tenants import operator
from keepwell.kernel import Envelope, Origin
from keepwell.kit.ids import new_id
from keepwell.main.addresses import Servers
from keepwell.main.parts import Parts
from keepwell.platform import migrations
from keepwell.platform.embedded import EmbeddedServers
from keepwell.platform.master_key import make_master_key
from keepwell.platform.program import settle
from keepwell.platform.settings import ProcessKind, Settings

AIM, AIM_OF_COPY, AIM_AGAIN = 20_000, 0.1, 3.0
_ORIGIN = Origin("bench", "bench")
_HEADER = "external_id,given_name,family_name,birth_date,email,phone,ward\n"
_AT_ONCE = 1_000
_STORED = {
    "aggregate": "AND kind = 'participant'",
    "journal_entry": "AND kind = 'participant'",
    "participant": "",
    "participant_token": "",
}


def _row(number: int) -> str:
    birth = f"{1940 + number % 70}-{number % 12 + 1:02}-{number % 28 + 1:02}"
    return f"E-{number},Given{number},Family{number % 5000},{birth},p{number}@example.org,+4930{number:07},{number % 40}\n"


async def _upload(first: int, rows: int) -> AsyncIterator[bytes]:
    yield _HEADER.encode()
    for start in range(first, first + rows, _AT_ONCE):
        yield "".join(map(_row, range(start, min(start + _AT_ONCE, first + rows)))).encode()


class Taken:
    """Processor time taken since it was made."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._ours, self._postgres = process_time(), effort.so_far(data).postgres

    def us(self, rows: int) -> tuple[int, int]:
        """Microseconds a row, of this process and of PostgreSQL."""
        seconds = (process_time() - self._ours, effort.so_far(self._data).postgres - self._postgres)
        return round(seconds[0] / rows * 1e6), round(seconds[1] / rows * 1e6)


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
        actor, effort_, started = operator(self.tenant), Taken(self._parts.settings.data_dir), perf_counter()
        upload = Upload(self.program, "text/csv", dry_run)
        outcome = await self._service.upload(actor, _ORIGIN, upload, _upload(first, self._rows))
        uploaded = perf_counter() - started
        await self._service.run(self.tenant, outcome.id)
        elapsed = perf_counter() - started
        view = await self._service.showing.show(actor, outcome.id, _ORIGIN)
        if getattr(view.rows, expected) != self._rows:
            raise SystemExit(f"not all rows are {expected}: {view.rows}")
        ours, postgres = effort_.us(self._rows)
        processor = f"{ours} + {postgres} us of processor, ours and PostgreSQL's; upload {uploaded:.1f} s"
        print(
            f"  {expected:<10} {'dry run' if dry_run else '':<8} {self._rows / elapsed:>9,.0f} rows/s ({processor})", flush=True
        )
        return self._rows / elapsed


async def copy_bare(url: str, rows: int) -> float:
    """Rows a second of COPY into a table of texts."""
    connection = await connect(url)
    columns = _HEADER.strip().split(",")
    await connection.execute("DROP TABLE IF EXISTS bare")
    await connection.execute(f"CREATE TABLE bare ({', '.join(f'{name} text' for name in columns)})")
    source = io.BytesIO(b"".join([piece async for piece in _upload(0, rows)]))
    started = perf_counter()
    await connection.copy_to_table("bare", source=source, format="csv", header=True)
    elapsed = perf_counter() - started
    await connection.close()
    return rows / elapsed


async def copy_stored(superuser: str, tenant: UUID, rows: int) -> float:
    """People a second of COPY of all that is stored of the people of a clinic, of whom there are so many."""
    connection = await connect(superuser)
    elapsed = 0.0
    for table, chosen in _STORED.items():
        held = io.BytesIO()
        await connection.copy_from_query(
            f"SELECT * FROM {table} WHERE tenant_id = '{tenant}' {chosen}",
            output=held,
            format="binary",
        )
        held.seek(0)
        await connection.execute(f"CREATE TABLE IF NOT EXISTS copy_of_{table} (LIKE {table} INCLUDING ALL)")
        await connection.execute(f"TRUNCATE copy_of_{table}")
        started = perf_counter()
        await connection.copy_to_table(f"copy_of_{table}", source=held, format="binary")
        elapsed += perf_counter() - started
    await connection.close()
    return rows / elapsed


@contextmanager
def servers_in(data: Path) -> Generator[tuple[Servers, Settings, str]]:
    """Embedded servers with the product's schema, the settings they go by, and the superuser's address."""
    make_master_key(data)
    settings = Settings(_env_file=None, data_dir=data)  # pyright: ignore[reportCallIssue]
    with Servers.attach(settings) as servers, EmbeddedServers.attach(data) as embedded:
        migrations.upgrade(servers.addresses.owner)
        yield servers, settings, embedded.postgres_url("postgres")


class Enrolling:
    """What `bench` compares, on servers where no worker takes a part in it. Each run enrolls people of a clinic of its own."""

    def __init__(self, servers: Servers, settings: Settings, superuser: str, rows: int) -> None:
        self._servers = servers
        self._settings = settings
        self._superuser = superuser
        self._rows = rows
        self._tenant = new_id()

    async def enroll(self) -> Run:
        """A file is taken, and everybody in it enrolled."""
        parts = Parts(self._settings, self._servers.addresses, ProcessKind.WORKER)
        async with parts.running():
            load = Load(parts, self._rows)
            self._tenant = load.tenant
            await load.prepare()
            settle()
            return await self._weighed(load.enroll(0, "enrolled"))

    async def copy(self) -> Run:
        """COPY of the bare rows."""
        return await self._weighed(copy_bare(self._superuser, self._rows))

    async def copy_stored(self) -> Run:
        """COPY of what is stored of those who were enrolled last."""
        return await self._weighed(copy_stored(self._superuser, self._tenant, self._rows))

    async def _weighed(self, load: Awaitable[float]) -> Run:
        taken = Taken(self._settings.data_dir)
        per_second = await load
        ours, postgres = taken.us(self._rows)
        facts = {"done": self._rows, "cpu_us_server": ours, "cpu_us_postgres": postgres, "cpu_us_load": 0}
        return Run(per_second, facts={**facts, "cpu_us_all": ours + postgres})


def _memory() -> int:
    """Most memory this process had resident so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def measure(servers: Servers, settings: Settings, superuser: str, rows: int) -> bool:
    """Whether the aims are reached."""
    owner = await connect(superuser)
    print(await machine.postgres(owner))
    await owner.close()
    bare = await copy_bare(superuser, rows)
    parts = Parts(settings, servers.addresses, ProcessKind.WORKER)
    async with parts.running():
        load = Load(parts, rows)
        await load.prepare()
        settle()
        idle = _memory()
        first = await load.enroll(0, "enrolled")
        stored = await copy_stored(superuser, load.tenant, rows)
        again = await load.enroll(0, "unchanged")
        await load.enroll(rows, "enrolled", dry_run=True)
    print(f"enrolled {first:,.0f} rows/s (aim {AIM:,}): {first / bare:.4f} of bare COPY's {bare:,.0f} (aim {AIM_OF_COPY})")
    print(f"{first / stored:.2f} of COPY of what is stored, {stored:,.0f} people/s")
    print(f"again / first: {again / first:.1f} (aim {AIM_AGAIN:.0f}); memory {_memory() - idle} MiB above {idle}")
    return first >= AIM and first / bare >= AIM_OF_COPY and again / first >= AIM_AGAIN


def main() -> int:
    """Measures on embedded servers of its own, in a temporary folder. 0 when the aims are reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.enrollment", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    with (
        TemporaryDirectory(prefix="keepwell-bench-") as folder,
        servers_in(Path(folder) / "data") as (servers, settings, superuser),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return 0 if runner.run(measure(servers, settings, superuser, options.rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
