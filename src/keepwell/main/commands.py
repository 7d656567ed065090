"""The commands of `keepwell`: what they are called, what they take, and what they run."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from keepwell.domains.checks import CheckService
from keepwell.domains.checks import cli as checks_cli
from keepwell.domains.crypto import CryptoService
from keepwell.domains.crypto import cli as crypto_cli
from keepwell.domains.enrollment import cli as enrollment_cli
from keepwell.domains.flags import FlagService
from keepwell.domains.flags import cli as flags_cli
from keepwell.domains.identity import IdentityService
from keepwell.domains.identity import cli as identity_cli
from keepwell.domains.keys import KeyService
from keepwell.domains.keys import cli as keys_cli
from keepwell.domains.monitors import MonitorService
from keepwell.domains.monitors import cli as monitors_cli
from keepwell.domains.queue.errors import JOB_NOT_HELD
from keepwell.domains.schedules import cli as schedules_cli
from keepwell.domains.tenants import TenantService, operator
from keepwell.domains.tenants import cli as tenants_cli
from keepwell.kernel import Origin
from keepwell.kernel.problems import NOT_FOUND, Refused
from keepwell.kit.ids import new_id
from keepwell.main import fitness, proof
from keepwell.main.addresses import attached
from keepwell.main.exits import FAILED
from keepwell.main.parts import Parts
from keepwell.main.serve import api as run_api
from keepwell.main.serve import notifier as run_notifier
from keepwell.main.serve import scheduler as run_scheduler
from keepwell.main.serve import serve as run_serve
from keepwell.main.serve import worker as run_worker
from keepwell.main.server import listeners
from keepwell.platform.program import settle
from keepwell.platform.settings import ProcessKind, describe, load

root = typer.Typer()
audit = typer.Typer(no_args_is_help=True, help="Prove the journal and the access records.")
jobs = typer.Typer(no_args_is_help=True, help="The queue of jobs.")
root.add_typer(jobs, name="jobs")
root.add_typer(audit, name="audit")

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")]
WatchPort = Annotated[int | None, typer.Option(min=0, max=65535, help="Serve /health and /metrics there; 0: any free one.")]


@root.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Annotated[int, typer.Option(min=1, max=64, help="API processes that share the port.")] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Make the demo clinic; only without other clinics.")] = False,  # noqa: FBT002
) -> None:
    """Everything in one: API, periodic work, notifications; PostgreSQL and Valkey too, unless their URLs are set."""
    run_serve(load(), host, port, workers, with_demo=demo)


@root.command()
def api(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    fd: Annotated[int | None, typer.Option(hidden=True, help="An inherited socket, bound already.")] = None,
    name: Annotated[str, typer.Option(hidden=True)] = "0",
    siblings: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """One API process. It does not migrate: `keepwell db migrate` does."""
    listener = listeners(host, port, 1)[0] if fd is None else socket.socket(fileno=fd)
    run_api(load(), listener, name=name, siblings=siblings, child=fd is not None)


@root.command()
def worker(
    host: Host = "127.0.0.1",
    port: WatchPort = None,
) -> None:
    """One worker process: makes checks, runs jobs and batches, seals the journal, makes partitions ahead, drops what is old."""
    run_worker(load(), None if port is None else listeners(host, port, 1)[0])


@root.command()
def scheduler(
    host: Host = "127.0.0.1",
    port: WatchPort = None,
) -> None:
    """One scheduler process: puts checks of monitors before the workers when they are due."""
    run_scheduler(load(), None if port is None else listeners(host, port, 1)[0])


@root.command()
def notifier(
    host: Host = "127.0.0.1",
    port: WatchPort = None,
) -> None:
    """One notifier process: tells people what happens to incidents, on the channels of their clinic."""
    run_notifier(load(), None if port is None else listeners(host, port, 1)[0])


@root.command()
def settings() -> None:
    """Every setting, its value and what it is for. Secrets are never shown."""
    table = Table("Variable", "Value", "Default", "Meaning", box=None, pad_edge=False)
    for line in describe(load()):
        table.add_row(line.variable, line.value, line.default, line.description)
    _console().print(table)


@audit.command("verify")
def verify(
    exported: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", exists=True, dir_okay=False, help="A file of exported checkpoints; may be repeated."),
    ] = None,
) -> None:
    """Prove every hash, every chain and every checkpoint; names the first damaged entries; 1 when there are any."""
    try:
        notes = proof.read_notes(exported or [])
    except proof.NoCheckpointError as error:
        raise typer.BadParameter(str(error), param_hint="--checkpoint") from None
    with attached() as (servers, chosen):
        if not proof.verify(chosen, servers.addresses, notes, print):
            raise typer.Exit(FAILED)


@audit.command("checkpoint")
def checkpoint() -> None:
    """Sign a checkpoint over everything that is complete, now."""
    with attached() as (servers, chosen):
        proof.seal(chosen, servers.addresses, print)


@audit.command("export")
def export() -> None:
    """Print the newest checkpoints. Keep them where this server's administrators cannot reach."""
    with attached() as (servers, chosen):
        proof.export(chosen, servers.addresses, print)


@root.command()
def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; 1 when something differs.")] = False,  # noqa: FBT002
) -> None:
    """Put stored state right from the journal; what cannot be put right is named, and 1 returned."""
    with attached() as (servers, chosen):
        prove = proof.compare if check else proof.repair
        if not prove(chosen, servers.addresses, print):
            raise typer.Exit(FAILED)


@jobs.command("held")
def held_jobs() -> None:
    """List the jobs that failed for good, of all clinics: clinic, id, kind, attempts, class of the error."""

    async def run() -> None:
        async with _parts() as parts:
            for job in await parts.queue.held():
                print(f"{job.tenant} {job.id} {job.kind} {job.attempts} {job.error}")

    asyncio.run(run())


@jobs.command("redrive")
def redrive_job(
    clinic: Annotated[UUID, typer.Argument(help="The clinic's id.")], job: Annotated[UUID, typer.Argument(help="The job's id.")]
) -> None:
    """Make a held job ready again, with all its attempts; 1 when there is none."""

    async def run() -> None:
        async with _parts() as parts:
            await parts.rooms.queue.retry(operator(clinic), job, Origin("cli", str(new_id()), purpose="HSYSADMIN"))

    try:
        asyncio.run(run())
    except Refused as refused:
        if refused.refusal.type not in (NOT_FOUND, JOB_NOT_HELD):
            raise
        print("No such job is held.")
        raise typer.Exit(FAILED) from None
    print("The job is ready again.")


@contextlib.asynccontextmanager
async def _parts() -> AsyncGenerator[Parts]:
    with attached() as (servers, chosen):
        parts = Parts(chosen, servers.addresses, ProcessKind.CLI)
        async with parts.running():
            await fitness.require(parts)
            yield parts


@contextlib.asynccontextmanager
async def _tenants() -> AsyncGenerator[TenantService]:
    async with _parts() as parts:
        yield parts.rooms.tenants


@contextlib.asynccontextmanager
async def _flags() -> AsyncGenerator[FlagService]:
    async with _parts() as parts:
        yield parts.rooms.flags


@contextlib.asynccontextmanager
async def _crypto() -> AsyncGenerator[CryptoService]:
    async with _parts() as parts:
        yield parts.rooms.crypto


@contextlib.asynccontextmanager
async def _keys() -> AsyncGenerator[KeyService]:
    async with _parts() as parts:
        yield parts.rooms.keys


@contextlib.asynccontextmanager
async def _checks() -> AsyncGenerator[CheckService]:
    async with _parts() as parts:
        yield parts.rooms.checks


@contextlib.asynccontextmanager
async def _monitors() -> AsyncGenerator[MonitorService]:
    async with _parts() as parts:
        yield parts.rooms.monitors


@contextlib.asynccontextmanager
async def _identity() -> AsyncGenerator[IdentityService]:
    async with _parts() as parts:
        yield parts.rooms.identity


@contextlib.asynccontextmanager
async def _enrolling() -> AsyncGenerator[enrollment_cli.Services]:
    async with _parts() as parts:
        settle()
        rooms = parts.rooms
        yield enrollment_cli.Services(rooms.enrollment, rooms.programs, rooms.tenants)


@contextlib.asynccontextmanager
async def _scheduling() -> AsyncGenerator[schedules_cli.Services]:
    async with _parts() as parts:
        yield schedules_cli.Services(parts.rooms.schedules, parts.rooms.tenants)


root.add_typer(tenants_cli.commands(_tenants), name="tenants")
root.add_typer(identity_cli.commands(_identity), name="users")
root.add_typer(crypto_cli.commands(_crypto), name="crypto")
root.add_typer(flags_cli.commands(_flags), name="flags")
root.add_typer(keys_cli.commands(_keys), name="keys")
root.add_typer(checks_cli.commands(_checks), name="checks")
root.add_typer(monitors_cli.commands(_monitors), name="monitors")
root.add_typer(enrollment_cli.commands(_enrolling), name="enroll")
root.add_typer(schedules_cli.commands(_scheduling), name="schedules")


def _console() -> Console:
    """Rich's console; on a pipe it neither colours nor cuts."""
    return Console() if sys.stdout.isatty() else Console(width=240, no_color=True)
