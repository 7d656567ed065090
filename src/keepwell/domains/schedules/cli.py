"""`keepwell schedules`: what operators do with the schedules of a clinic."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
import typer

from keepwell.domains.schedules.models import ScheduleView
from keepwell.domains.schedules.service import ScheduleService
from keepwell.domains.tenants import TenantService, operator
from keepwell.kernel import Actor, Entry, Origin, Refused
from keepwell.kernel.journal import event_name
from keepwell.kit.ids import new_id

FAILED = 1


class Services(NamedTuple):
    """What the commands need of the program."""

    schedules: ScheduleService
    tenants: TenantService


Opened = Callable[[], AbstractAsyncContextManager[Services]]
"""Opens the program's parts for one command and closes them after it."""
Act = Callable[[ScheduleService, Actor, Origin], Awaitable[list[str]]]
"""What a command does in a clinic; the lines it says."""

_ClinicSlug = Annotated[str, typer.Option("--clinic", help="The clinic's short name.")]
_Schedule = Annotated[UUID, typer.Argument(help="The schedule's id.")]


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(no_args_is_help=True, help="Tasks of a clinic by its own clocks.")

    @group.command("list")
    def list_(clinic: _ClinicSlug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Lists the clinic's schedules: id, task, when, the next time, and what came of the latest run."""

        async def act(service: ScheduleService, actor: Actor, origin: Origin) -> list[str]:
            return [line(schedule) for schedule in await service.page(actor, origin)]

        _run(opened, clinic, act)

    @group.command("run-now")
    def run_now(schedule: _Schedule, clinic: _ClinicSlug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Asks for a run as soon as a worker is free."""

        async def act(service: ScheduleService, actor: Actor, origin: Origin) -> list[str]:
            return [line(await service.run_now(actor, schedule, origin))]

        _run(opened, clinic, act)

    @group.command()
    def history(schedule: _Schedule, clinic: _ClinicSlug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Tells what happened to a schedule, oldest first: its runs, and the times at which nothing ran."""

        async def act(service: ScheduleService, actor: Actor, origin: Origin) -> list[str]:
            return [_told(entry) for entry in await service.history(actor, schedule, origin)]

        _run(opened, clinic, act)

    return group


def line(schedule: ScheduleView) -> str:
    """A schedule in one line."""
    when = f"every {schedule.every_s} s" if schedule.cron is None else f"{schedule.cron} {schedule.time_zone}"
    run = schedule.run
    latest = "never ran" if run is None else f"ran {run.scheduled_at.isoformat()}: {run.result or 'under way'}"
    error = "" if run is None or run.error is None else f" ({run.error})"
    following = "paused" if schedule.paused else f"next {schedule.next_at.isoformat()}"
    return f"{schedule.id}  {schedule.task}  {when}  {following}  {latest}{error}  missed {schedule.missed}"


def _told(entry: Entry) -> str:
    event = msgspec.to_builtins(entry.event)
    said = (
        f"{name}={event[name]}" for name in ("scheduled_at", "result", "error", "since", "count") if event.get(name) is not None
    )
    return "  ".join((entry.at.isoformat(), event_name(entry.event), *said))


def _run(opened: Opened, slug: str, act: Act) -> None:
    async def run() -> list[str]:
        origin = Origin("cli", str(new_id()), purpose="HSYSADMIN")
        async with opened() as services:
            clinic = await services.tenants.find(slug, origin)
            if clinic is None:
                typer.echo(f"There is no clinic {slug!r}. Make it with `keepwell tenants create`.", err=True)
                raise typer.Exit(FAILED)
            return await act(services.schedules, operator(clinic.id), origin)

    try:
        for each in asyncio.run(run()):
            typer.echo(each)
    except Refused as refused:
        refusal = refused.refusal
        typer.echo(f"{refusal.type.title}. {refusal.detail or refusal.type.advice}", err=True)
        raise typer.Exit(FAILED) from None
