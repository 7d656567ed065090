"""`keepwell checks`: what operators do with checks that could not be made."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated
from uuid import UUID

import typer

from keepwell.domains.checks.service import CheckService

Opened = Callable[[], AbstractAsyncContextManager[CheckService]]
"""Opens the program's parts for one command and closes them after it."""


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(no_args_is_help=True, help="Checks of monitors that could not be made.")

    @group.command()
    def held() -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Lists them, of all clinics: clinic, monitor, instant, region, how often they were begun, class of the error."""

        async def run() -> None:
            async with opened() as service:
                for check in await service.store.held():
                    print(*check)

        asyncio.run(run())

    @group.command()
    def redrive(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        clinic: Annotated[UUID, typer.Argument(help="The clinic's id.")],
        monitor: Annotated[UUID, typer.Argument(help="The monitor's id.")],
    ) -> None:
        """Has a monitor checked now in place of those that are held; 1 when there are none."""

        async def run() -> int:
            async with opened() as service:
                return await service.store.redrive(clinic, monitor)

        if not asyncio.run(run()):
            print("No check of this monitor is held.")
            raise typer.Exit(1)
        print("The monitor is checked now.")

    return group
