"""`keepwell tenants`: what operators do with clinics."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated

import typer

from keepwell.domains.tenants.service import TenantService
from keepwell.kernel import Origin, console

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

        async def act(service: TenantService, origin: Origin) -> list[str]:
            view = await service.create(slug, name, origin)
            return [f"{view.id} {view.slug}"]

        console.tell(opened, act)

    return group
