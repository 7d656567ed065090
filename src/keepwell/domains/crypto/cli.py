"""`keepwell crypto`: how keys stand, changing them while everything goes on, and destroying a clinic's."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated

import typer

from keepwell.domains.crypto.service import CryptoService
from keepwell.kernel import Origin, console
from keepwell.kit.ids import NIL

Opened = Callable[[], AbstractAsyncContextManager[CryptoService]]
"""Opens the program's parts for one command and closes them after it."""

Act = Callable[[CryptoService, Origin], Awaitable[bool]]
"""What a command does; whether all is well."""

_Slug = Annotated[str, typer.Argument(help="The clinic's short name.")]


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(no_args_is_help=True, help="Keys: how they stand, changing them, destroying a clinic's.")
    _looking(group, opened)
    _changing(group, opened)
    _destroying(group, opened)
    return group


def _looking(group: typer.Typer, opened: Opened) -> None:
    @group.command()
    def status() -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """How all keys stand; 1 while a rotation is not finished."""

        async def act(service: CryptoService, _: Origin) -> bool:
            status = await service.status()
            unfinished = status.outdated > 0
            typer.echo(f"installation: {_wrapped(status.outdated)}; access tokens are signed with key {status.signing}.")
            for tenant, now in status.tenants.items():
                coming = "" if now.coming is None else f", version {now.coming} on its way"
                name = "installation's own index" if tenant == NIL else str(tenant)
                states = f"{now.states - now.behind} of {now.states} states under it"
                typer.echo(f"{name}: data key version {now.current}{coming}; {states}; {_wrapped(now.outdated)}.")
                unfinished = unfinished or bool(now.behind or now.outdated or now.coming)
            return not unfinished

        _run(opened, act)


def _changing(group: typer.Typer, opened: Opened) -> None:
    @group.command("rotate-master")
    def rotate_master() -> None:  # pyright: ignore[reportUnusedFunction] - as above
        """Wrap every key by KEEPWELL_MASTER_KEY; KEEPWELL_MASTER_KEY_PREVIOUS opens what is not yet."""

        async def act(service: CryptoService, origin: Origin) -> bool:
            done = await service.rotate_master(origin, typer.echo)
            typer.echo(f"Every key is wrapped by the present master key; {done} were not before.")
            return True

        _run(opened, act)

    @group.command("rotate-tenant")
    def rotate_tenant(  # pyright: ignore[reportUnusedFunction] - as above
        slug: Annotated[str | None, typer.Argument(help="The clinic's short name.")] = None,
        everybody: Annotated[bool, typer.Option("--all", help="Of all clinics.")] = False,  # noqa: FBT002
    ) -> None:
        """Give a clinic a new data key, and seal its states under it. What was broken off is finished."""
        if (slug is None) != everybody:
            raise typer.BadParameter("name one clinic, or give --all")

        async def act(service: CryptoService, origin: Origin) -> bool:
            tenants = await service.everybody() if slug is None else [(await service.clinic(slug, origin)).id]
            return await service.rotate_tenants(tenants, origin, typer.echo)

        _run(opened, act)

    @group.command("rotate-signing")
    def rotate_signing(  # pyright: ignore[reportUnusedFunction] - as above
        revoke: Annotated[bool, typer.Option("--revoke", help="End at once whatever was signed before.")] = False,  # noqa: FBT002
    ) -> None:
        """Sign access tokens with a new key. Those signed before count until they expire."""

        async def act(service: CryptoService, origin: Origin) -> bool:
            number = await service.rotate_signing(origin, revoke=revoke)
            typer.echo(f"Access tokens are signed with key {number}.")
            return True

        _run(opened, act)


def _destroying(group: typer.Typer, opened: Opened) -> None:
    @group.command("destroy-tenant")
    def destroy_tenant(  # pyright: ignore[reportUnusedFunction] - as above
        slug: _Slug,
        confirm: Annotated[str | None, typer.Option(help="The short name once more, instead of being asked for it.")] = None,
    ) -> None:
        """Destroy a clinic's keys, and with them all it ever stored. There is no way back."""

        async def act(service: CryptoService, origin: Origin) -> bool:
            clinic = await service.clinic(slug, origin)
            typer.echo(f"All that {clinic.slug} ({clinic.id}) stored becomes unreadable, for everybody and for ever.")
            if (confirm if confirm is not None else typer.prompt("Type its short name to go on")) != clinic.slug:
                typer.echo("That is not its short name. Nothing was destroyed.", err=True)
                return False
            await service.destroy(clinic, origin)
            typer.echo("Its keys are destroyed. Backups made before still hold them: see docs/keys-and-rotation.md.")
            return True

        _run(opened, act)


def _wrapped(outdated: int) -> str:
    return f"{outdated} keys not yet wrapped by the present master key" if outdated else "wrapped by the present master key"


def _run(opened: Opened, act: Act) -> None:
    if not console.run(opened, act):
        raise typer.Exit(console.FAILED)
