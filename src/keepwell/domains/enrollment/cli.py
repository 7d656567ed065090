"""`keepwell enroll`: files enrolled from the command line, with their progress; and how batches went, by program and day."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from keepwell.domains.enrollment.models import BatchView
from keepwell.domains.enrollment.service import EnrollmentService, Upload
from keepwell.domains.enrollment.store import RESULTS, DayCounts
from keepwell.domains.programs import ProgramService
from keepwell.domains.tenants import TenantService, operator
from keepwell.kernel import Actor, Origin, Refused, console

Result = TypeVar("Result")
_MEDIA = {
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".json": "application/fhir+json",
}
_PIECE = 256 * 1024
_PACE_SECONDS = 0.25
_PATIENCE_SECONDS = 2.0
_GOING = ("queued", "running")
_WIDTH = 40


class Services(NamedTuple):
    """What the commands need of the program."""

    enrollment: EnrollmentService
    programs: ProgramService
    tenants: TenantService


Opened = Callable[[], AbstractAsyncContextManager[Services]]
"""Opens the program's parts for one command and closes them after it."""

_File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, JSON lines, XLSX or a FHIR Bundle.")]
_Program = Annotated[UUID, typer.Option("--program", help="The program's id.")]
_ClinicSlug = Annotated[str, typer.Option("--clinic", help="The clinic's short name.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would come of each row.")]
_Atomic = Annotated[bool, typer.Option("--atomic", help="All rows or none.")]
_Days = Annotated[int, typer.Option(min=1, max=366, help="How many days back.")]


class _FileFirst(TyperGroup):
    """A group that may be called with a file in place of a command's name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = not args or args[0] in self.commands
        return super().resolve_command(ctx, args if known else ["file", *args])


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(
        cls=_FileFirst, no_args_is_help=True, help="Enroll people from a file: `keepwell enroll FILE --program ID`."
    )

    @group.command("file")
    def enroll(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        file: _File,
        program: _Program,
        clinic: _ClinicSlug = "demo",
        dry_run: _DryRun = False,  # noqa: FBT002 - a flag is what it is
        atomic: _Atomic = False,  # noqa: FBT002 - a flag is what it is
    ) -> None:
        """Enrolls the people of a file in a program. Interrupted, a worker goes on with it."""
        media = _MEDIA.get(file.suffix.lower())
        if media is None:
            raise typer.BadParameter(f"Its name has to end in one of {', '.join(_MEDIA)}.", param_hint="FILE")
        upload = Upload(program, media, dry_run, atomic)
        view = _run(opened, clinic, lambda services, actor, origin: _enroll(services.enrollment, actor, origin, upload, file))
        _tell(view)

    @group.command()
    def report(clinic: _ClinicSlug = "demo", days: _Days = 14) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Shows what came of the rows of each program's batches, by the day they were uploaded (UTC)."""

        async def act(services: Services, actor: Actor, origin: Origin) -> list[str]:
            since = services.enrollment.kernel.clock.now() - timedelta(days=days)
            found = await services.enrollment.showing.days(actor, origin, since)
            names = {one.program: await _name(services, actor, origin, one.program) for one in found}
            return chart(found, names)

        for line in _run(opened, clinic, act):
            typer.echo(line)

    return group


async def _name(services: Services, actor: Actor, origin: Origin, program: UUID) -> str:
    return (await services.programs.get(actor, program, origin)).state.name


async def _enroll(service: EnrollmentService, actor: Actor, origin: Origin, upload: Upload, file: Path) -> BatchView:
    outcome = await service.upload(actor, origin, upload, _pieces(file))
    if outcome.refusal is not None:
        raise Refused(outcome.refusal)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        view = await service.showing.show(actor, outcome.id, origin)
        bar = progress.add_task("Trying out" if upload.dry_run else "Enrolling", total=view.rows.total)
        alone = asyncio.create_task(_unless_a_worker_does(service, actor, origin, outcome.id))
        while view.status in _GOING:
            await asyncio.sleep(_PACE_SECONDS)
            if alone.done():
                await alone  # which fails where it did
            view = await service.showing.show(actor, outcome.id, origin)
            progress.update(bar, completed=view.rows.done)
        alone.cancel()
    return view


async def _unless_a_worker_does(service: EnrollmentService, actor: Actor, origin: Origin, batch: UUID) -> None:
    """Runs a batch that no worker begins to run."""
    await asyncio.sleep(_PATIENCE_SECONDS)
    if (await service.showing.show(actor, batch, origin)).status == "queued":
        await service.run(actor.tenant, batch)


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(file.open, "rb") as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece


def _tell(view: BatchView) -> None:
    counts = ", ".join(f"{getattr(view.rows, name)} {name}" for name in RESULTS)
    typer.echo(f"Batch {view.id} {view.status}: {view.rows.total} rows, {counts}.")
    if view.status != "completed":
        raise typer.Exit(console.FAILED)


def chart(found: list[DayCounts], names: dict[UUID, str]) -> list[str]:
    """A bar for each day of each program: `#` came through, `-` did not."""
    lines: list[str] = []
    for program in dict.fromkeys(one.program for one in found):
        lines.append(names[program])
        for one in (day for day in found if day.program == program):
            good = sum(one.results[name] for name in ("enrolled", "unchanged", "updated"))
            bad = sum(one.results[name] for name in ("conflict", "refused", "dead"))
            share = good / max(1, good + bad)
            bar = "#" * round(share * _WIDTH)
            lines.append(f"  {one.day}  {bar:-<{_WIDTH}}  {share:7.2%}  {good} through, {bad} not")
    return lines or ["Nothing was uploaded."]


def _run(opened: Opened, slug: str, act: Callable[[Services, Actor, Origin], Awaitable[Result]]) -> Result:
    async def in_clinic(services: Services, origin: Origin) -> Result:
        return await act(services, operator((await services.tenants.named(slug, origin)).id), origin)

    return console.run(opened, in_clinic)
