"""`keepwell monitors`: what operators do with monitors."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

import typer

from keepwell.domains.monitors.models import ImportedMonitor, ImportReport
from keepwell.domains.monitors.rules.importing import System
from keepwell.domains.monitors.service import MonitorService
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Origin, Refusal, Refused
from keepwell.kit.ids import new_id

Opened = Callable[[], AbstractAsyncContextManager[MonitorService]]
"""Opens the program's parts for one command and closes them after it."""

Act = Callable[[MonitorService, Origin], Awaitable[list[str]]]
"""What a command does; the lines it says."""

_Slug = Annotated[str, typer.Argument(help="The clinic's short name.")]
_MOST_BYTES = 1_000_000


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(no_args_is_help=True, help="Monitors.")
    _reaching(group, opened)
    _importing(group, opened)
    return group


def _reaching(group: typer.Typer, opened: Opened) -> None:
    @group.command("allow-private")
    def allow_private(clinic: _Slug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Lets the monitors of a clinic reach private, loopback and link-local addresses."""
        _run(opened, _reach(clinic, private=True))

    @group.command("forbid-private")
    def forbid_private(clinic: _Slug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Closes those addresses to them again. Monitors that are there already no longer reach them either."""
        _run(opened, _reach(clinic, private=False))


def _reach(clinic: str, *, private: bool) -> Act:
    async def act(service: MonitorService, origin: Origin) -> list[str]:
        actor = await _actor(service, clinic, origin)
        await service.keeper.allow_private(actor.tenant, origin, private=private)
        return [f"Private addresses are {'open' if private else 'closed'} to the monitors of {clinic}."]

    return act


def _importing(group: typer.Typer, opened: Opened) -> None:
    @group.command("import")
    def import_(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="What the program wrote.")],
        system: Annotated[System, typer.Option("--from", help="Which program wrote them.")],
        clinic: Annotated[str, typer.Option("--clinic", help="The clinic's short name.")],
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of them.")] = False,  # noqa: FBT002
    ) -> None:
        """Watches what another program watches, and says what could not be carried over. Sent again, it changes nothing."""
        if sum(file.stat().st_size for file in files) > _MOST_BYTES:
            raise typer.BadParameter(f"Import at most {_MOST_BYTES} bytes at once.")
        try:
            texts = [file.read_text("utf-8") for file in files]
        except UnicodeDecodeError:
            raise typer.BadParameter("The files are not UTF-8.") from None

        async def act(service: MonitorService, origin: Origin) -> list[str]:
            actor = await _actor(service, clinic, origin)
            return _told(await service.importer.run(actor, origin, system, texts, dry_run=dry_run))

        _run(opened, act)


def _told(report: ImportReport) -> list[str]:
    counts = (
        f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged, {report.refused} refused"
        f"{': a dry run' if report.dry_run else ''}"
    )
    left = [f"left out: {each}" for each in report.left_out]
    return [*(line for each in report.monitors for line in _lines(each)), *left, counts]


def _lines(monitor: ImportedMonitor) -> list[str]:
    return [
        f"{monitor.outcome}: {monitor.name!r}{'' if monitor.id is None else f' {monitor.id}'}",
        *(f"  {fault.pointer}: {fault.message}" for fault in monitor.errors),
        *(f"  left out: {each}" for each in monitor.left_out),
        *([] if monitor.heartbeat_path is None else [f"  beats go to {monitor.heartbeat_path}"]),
    ]


async def _actor(service: MonitorService, slug: str, origin: Origin) -> Actor:
    found = await service.tenants.find(slug, origin)
    if found is None:
        typer.echo(f"There is no clinic {slug!r}. Make it with `keepwell tenants create`.", err=True)
        raise typer.Exit(1)
    return operator(found.id)


def _words(refusal: Refusal) -> str:
    return f"{refusal.type.title}. {refusal.detail or refusal.type.advice}"


def _run(opened: Opened, act: Act) -> None:
    async def run() -> list[str]:
        async with opened() as service:
            return await act(service, Origin("cli", str(new_id()), purpose="HSYSADMIN"))

    try:
        for line in asyncio.run(run()):
            typer.echo(line)
    except Refused as refused:
        typer.echo(_words(refused.refusal), err=True)
        raise typer.Exit(1) from None
