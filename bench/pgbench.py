"""pgbench on the same server: what PostgreSQL alone manages when one call does the database's share of the work."""

import asyncio
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.database import connect
from bench.measurement import Run
from bench.wrk import THREADS
from keepwell.platform.embedded import EmbeddedServers, client_program

DATABASE = "equivalent"
BODY_BYTES = 600
_HERE = Path(__file__).parent / "sql"
_SPINE = Path(__file__).parents[1] / "migrations" / "sql" / "0001_spine.up.sql"
_TPS = re.compile(r"^tps = ([0-9.]+) \(without initial connection time\)", re.MULTILINE)
_LATENCY = re.compile(r"^latency average = ([0-9.]+) ms", re.MULTILINE)
_DONE = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)


async def prepare(servers: EmbeddedServers, database: str = DATABASE) -> None:
    """Makes a database of its own with the product's tables, policies and indexes, and in it the equivalent call."""
    admin = await connect(servers.postgres_url("postgres", "postgres"))
    await admin.execute(f"CREATE DATABASE {database} OWNER keepwell_owner")
    await admin.close()
    owner = await connect(servers.postgres_url("keepwell_owner", database))
    await owner.execute(_SPINE.read_text(encoding="utf-8"))
    await owner.execute((_HERE / "equivalent.sql").read_text(encoding="utf-8"))
    await owner.close()


async def run(servers: EmbeddedServers, clients: int, seconds: float, database: str = DATABASE) -> Run:
    """Runs it as the plain role, every client on a row of its own.

    Raises:
        RuntimeError: pgbench failed, or one of its transactions did.
    """
    parts = urlsplit(servers.postgres_url("keepwell_app", database))
    command = [
        *(
            str(client_program("pgbench")),
            "--no-vacuum",
            "--protocol=prepared",
            f"--client={clients}",
            f"--jobs={THREADS}",
        ),
        *(f"--time={max(1, round(seconds))}", f"--file={_HERE / 'equivalent.pgbench'}", "--define=seen=0"),
        f"--define=body=\\x{bytes(n * 37 % 256 for n in range(BODY_BYTES)).hex()}",
        *(f"--host={parse_qs(parts.query)['host'][0]}", "--username=keepwell_app", database),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    output, errors = await process.communicate()
    return parse(output.decode(), errors.decode() if process.returncode else "")


def parse(output: str, errors: str = "") -> Run:
    """The run in pgbench's report. Raises as `run` does."""
    rate, latency, done, failed = (pattern.search(output) for pattern in (_TPS, _LATENCY, _DONE, _FAILED))
    if errors or rate is None or latency is None or done is None or (failed is not None and int(failed[1])):
        raise RuntimeError(f"pgbench failed: {errors or output}")
    return Run(float(rate[1]), p50_ms=float(latency[1]), facts={"done": int(done[1])})
