"""`keepwell keys`: what operators do with keys. A leaked key is read from standard input, not an argument others can see."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated
from uuid import UUID

import typer

from keepwell.domains.keys.models import KeyView, RevokeKey
from keepwell.domains.keys.service import Finding, KeyService, Response, creation, replacement
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Command, Envelope, Origin, Refused, console

Opened = Callable[[], AbstractAsyncContextManager[KeyService]]
"""Opens the program's parts for one command and closes them after it."""

Act = Callable[[KeyService, Origin], Awaitable[list[str]]]
"""What a command does; the lines it says."""

_ClinicSlug = Annotated[str, typer.Option("--clinic", help="The clinic's short name.")]
_Key = Annotated[UUID, typer.Argument(help="The key's id.")]
_Overlap = Annotated[int, typer.Option("--overlap-s", help="How long the old key still works, in seconds.")]
_ALL = 1_000


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(no_args_is_help=True, help="Keys of service accounts.")
    _looking(group, opened)
    _changing(group, opened)
    _leaking(group, opened)
    return group


def _looking(group: typer.Typer, opened: Opened) -> None:
    @group.command("list")
    def list_(clinic: _ClinicSlug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Lists the clinic's newest keys."""

        async def act(service: KeyService, origin: Origin) -> list[str]:
            return [_line(key) for key in await service.keeper.page(await _actor(service, clinic, origin), origin, None, _ALL)]

        console.tell(opened, act)

    @group.command()
    def unused(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        clinic: _ClinicSlug, days: Annotated[int, typer.Option(min=1, help="For how many days.")] = 90
    ) -> None:
        """Lists keys that work and that nobody has used for a while."""

        async def act(service: KeyService, origin: Origin) -> list[str]:
            found = await service.keeper.unused(await _actor(service, clinic, origin), origin, days)
            return [f"{_line(each.key)}, last used {each.last_used_at or 'never'}" for each in found]

        console.tell(opened, act)


def _changing(group: typer.Typer, opened: Opened) -> None:
    @group.command()
    def create(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        name: Annotated[str, typer.Argument(help="What it is for.")],
        clinic: _ClinicSlug,
        scope: Annotated[list[str], typer.Option(help="What it may do, such as system/Questionnaire.rs; may be repeated.")],
        address: Annotated[list[str] | None, typer.Option(help="A range it may be used from; may be repeated.")] = None,
    ) -> None:
        """Makes a key and prints it, once."""

        async def act(service: KeyService, origin: Origin) -> list[str]:
            command = creation(name, tuple(scope), tuple(address or ()))
            issued = await service.keeper.create(Envelope(command, await _actor(service, clinic, origin), origin))
            return [str(issued.outcome.id), issued.text]

        console.tell(opened, act)

    @group.command()
    def rotate(key: _Key, clinic: _ClinicSlug, overlap_s: _Overlap = 86_400) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Makes the key that replaces this one and prints it, once."""

        async def act(service: KeyService, origin: Origin) -> list[str]:
            command, successor = replacement(key, overlap_s)
            envelope = Envelope(command, await _actor(service, clinic, origin), origin)
            issued = await service.keeper.rotate(envelope, successor)
            return [str(issued.outcome.id), issued.text]

        console.tell(opened, act)

    @group.command()
    def revoke(key: _Key, clinic: _ClinicSlug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Ends a key at once."""

        async def act(service: KeyService, origin: Origin) -> list[str]:
            await _done(service, RevokeKey(key, "revoked"), await _actor(service, clinic, origin), origin)
            return [f"{key} is revoked."]

        console.tell(opened, act)


def _leaking(group: typer.Typer, opened: Opened) -> None:
    @group.command()
    def leaked() -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Responds to keys that were found where they must not be, one a line of standard input: revokes each, opens an incident,
        and says what was done with it.
        """
        if sys.stdin.isatty():
            typer.echo("Type or paste what was found, one a line, and end with Ctrl-D.", err=True)
        texts = [line.strip() for line in sys.stdin if line.strip()]

        async def act(service: KeyService, origin: Origin) -> list[str]:
            responses = await service.leaks.respond([Finding(text, "an operator") for text in texts], origin)
            return [line for response in responses for line in await _told(service, response, origin)]

        console.tell(opened, act)


async def _told(service: KeyService, response: Response, origin: Origin) -> list[str]:
    """What came of one text, and what to do next. The text itself is not repeated."""
    if response.tenant is None or response.key is None:
        return [f"{response.verdict}: nothing was done."]
    activity = await service.activity.of(operator(response.tenant), response.key, origin, None)
    uses = [f"  {use.operation} at {use.door}: {use.count}, last {use.last_at.isoformat()}" for use in activity.uses]
    incident = [] if response.incident is None else [f"  incident {response.incident}"]
    return [
        f"{response.verdict}: key {response.key} of clinic {response.tenant}",
        *incident,
        *(uses or ["  no use of it was counted"]),
        f"  all it did: GET /v1/keys/{response.key}/activity and GET /v1/audit?actor={response.account}",
        f"  its replacement: POST /v1/keys/{response.key}/rotate, or keepwell keys rotate",
    ]


def _line(key: KeyView) -> str:
    return f"{key.id} {key.name!r} {key.state}, until {key.valid_until.isoformat()}, {' '.join(key.scopes)}"


async def _done(service: KeyService, command: Command, actor: Actor, origin: Origin) -> None:
    [outcome] = await service.kernel.execute([Envelope(command, actor, origin)])
    if outcome.refusal is not None:
        raise Refused(outcome.refusal)


async def _actor(service: KeyService, slug: str, origin: Origin) -> Actor:
    return operator((await service.tenants.named(slug, origin)).id)
