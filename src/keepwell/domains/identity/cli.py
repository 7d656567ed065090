"""`keepwell users`: what operators do with accounts. Passwords are asked for or read from standard input, never arguments."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated

import typer

from keepwell.domains.identity.models import Role
from keepwell.domains.identity.service import IdentityService
from keepwell.domains.tenants import Clinic
from keepwell.kernel import Origin, console

Opened = Callable[[], AbstractAsyncContextManager[IdentityService]]
"""Opens the program's parts for one command and closes them after it."""

_Email = Annotated[str, typer.Argument(help="The person's e-mail address.")]
_ClinicSlug = Annotated[str, typer.Option("--clinic", help="The clinic's short name.")]
_FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")]


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(no_args_is_help=True, help="Accounts.")

    in_clinic = partial(_in_clinic, opened)

    @group.command()
    def create(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        email: _Email,
        clinic: _ClinicSlug,
        name: Annotated[str, typer.Option(help="The person's name.")],
        role: Annotated[Role, typer.Option(help="What the person may do.")],
        password_stdin: _FromInput = False,  # noqa: FBT002 - a flag is what it is
    ) -> None:
        """Makes an account, or says which one there is already."""
        password = _password(from_input=password_stdin)

        async def act(service: IdentityService, found: Clinic, origin: Origin) -> str:
            user = await service.users.create_user(found.id, email, name, role, password, origin)
            return f"{user.id} {user.email} {user.role}"

        in_clinic(clinic, act)

    @group.command()
    def password(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        email: _Email,
        clinic: _ClinicSlug,
        password_stdin: _FromInput = False,  # noqa: FBT002 - a flag is what it is
    ) -> None:
        """Sets an account's password and ends its sessions."""
        fresh = _password(from_input=password_stdin)

        async def act(service: IdentityService, found: Clinic, origin: Origin) -> str:
            user = await service.users.set_password(found.id, email, fresh, origin)
            return f"{user.id} {user.email}"

        in_clinic(clinic, act)

    @group.command(name="end-sessions")
    def end_sessions(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        email: _Email,
        clinic: _ClinicSlug,
    ) -> None:
        """Ends every session of a person, at once on all nodes."""

        async def act(service: IdentityService, found: Clinic, origin: Origin) -> str:
            return f"{await service.users.end_sessions_of(found.id, email, origin)} ended"

        in_clinic(clinic, act)

    return group


def _in_clinic(opened: Opened, slug: str, act: Callable[[IdentityService, Clinic, Origin], Awaitable[str]]) -> None:
    """Does something in a clinic and prints what it says; exits with 1 when it cannot be done."""

    async def in_clinic(service: IdentityService, origin: Origin) -> list[str]:
        return [await act(service, await service.tenants.named(slug, origin), origin)]

    console.tell(opened, in_clinic)


def _password(*, from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\n")
    return typer.prompt("Password", hide_input=True, confirmation_prompt=True)
