"""`keepwell tenants`: what operators do with clinics."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated

import typer

from keepwell.domains.tenants.service import TenantService
from keepwell.kernel import Origin, Refused
from keepwell.kit.ids import new_id

Opened = Callable[[], AbstractAsyncContextManager[TenantService]]
"""Opens the program's parts for one command and closes them after it."""


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(no_args_is_help=True, help="Clinics.")

    @group.callback()
    def tenants() -> None:  # pyright: ignore[reportUnusedFunction] - keeps `create` a subcommand while it is the only one
        """Clinics."""

    @group.command()
    def create(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        slug: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits, single hyphens.")],
        name: Annotated[str, typer.Option(help="The clinic's name as people read it.")],
    ) -> None:
        """Opens a clinic and prints its id."""

        async def run() -> None:
            async with opened() as service:
                view = await service.create(slug, name, Origin("cli", str(new_id()), purpose="HSYSADMIN"))
            typer.echo(f"{view.id} {view.slug}")

        try:
            asyncio.run(run())
        except Refused as refused:
            refusal = refused.refusal
            typer.echo(f"{refusal.type.title}. {refusal.type.advice}", err=True)
            raise typer.Exit(1) from None

    return group
