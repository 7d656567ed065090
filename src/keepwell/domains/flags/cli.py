"""`keepwell flags`: what operators do with feature flags, in one clinic or, to turn something off, in all of them."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated
from uuid import UUID

import typer

from keepwell.domains.flags.models import Changes, Declaration, FlagView
from keepwell.domains.flags.service import FlagService, orders
from keepwell.domains.tenants import Clinic, operator
from keepwell.kernel import Actor, Command, Origin, Outcome, Refused, console

Opened = Callable[[], AbstractAsyncContextManager[FlagService]]
"""Opens the program's parts for one command and closes them after it."""

Act = Callable[[FlagService, Origin], Awaitable[list[str]]]
"""What a command does; the lines it says."""

_Key = Annotated[str, typer.Argument(help="The flag's key.")]
_ClinicSlug = Annotated[str, typer.Option("--clinic", help="The clinic's short name.")]
_AnyClinic = Annotated[str | None, typer.Option("--clinic", help="The clinic's short name.")]
_Everywhere = Annotated[bool, typer.Option("--everywhere", help="In all clinics that there are now.")]
_Reason = Annotated[str, typer.Option(help="Why; it stands in the history.")]
_Share = Annotated[int, typer.Option("--basis-points", min=0, max=10_000, help="Of ten thousand people, how many are in.")]


def commands(opened: Opened) -> typer.Typer:
    """The group of commands, to hang into the program's root."""
    group = typer.Typer(no_args_is_help=True, help="Feature flags.")
    _looking(group, opened)
    _changing(group, opened)
    return group


def _looking(group: typer.Typer, opened: Opened) -> None:
    @group.command("list")
    def list_(clinic: _ClinicSlug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Lists the clinic's flags."""

        async def act(service: FlagService, origin: Origin) -> list[str]:
            return [_line(flag) for flag in await service.keeper.page(await _actor(service, clinic, origin), origin)]

        console.tell(opened, act)

    @group.command()
    def show(key: _Key, clinic: _ClinicSlug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Shows a flag, and what happened to it."""

        async def act(service: FlagService, origin: Origin) -> list[str]:
            actor = await _actor(service, clinic, origin)
            flag = await service.keeper.show(actor, key, origin)
            history = await service.keeper.history(actor, key, origin)
            told = [] if flag.declared is None else [f"  {flag.declared.description}"]
            return [_line(flag), *told, *(f"  {entry.version} {entry.at.isoformat()} {entry.command}" for entry in history)]

        console.tell(opened, act)

    @group.command()
    def stale(clinic: _ClinicSlug) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Lists flags that have outlived what they were for."""

        async def act(service: FlagService, origin: Origin) -> list[str]:
            found = await service.keeper.stale(await _actor(service, clinic, origin), origin)
            return [f"{flag.key}: {', '.join(flag.reasons)}; owner {flag.owner or 'unknown'}" for flag in found]

        console.tell(opened, act)


def _changing(group: typer.Typer, opened: Opened) -> None:
    @group.command("set")
    def set_(key: _Key, clinic: _ClinicSlug, basis_points: _Share) -> None:  # pyright: ignore[reportUnusedFunction] - Typer calls it
        """Sets how many people are in; the rest of the flag stays as it is."""

        async def act(service: FlagService, origin: Origin) -> list[str]:
            actor = await _actor(service, clinic, origin)
            declared, version = service.keeper.known(key), (await service.keeper.show(actor, key, origin)).version

            def order(tenant: UUID) -> Command:
                return orders.changing(tenant, declared, Changes(basis_points=basis_points))

            [outcome] = await service.order([actor.tenant], order, origin, if_match=version)
            if outcome.refusal is not None:
                raise Refused(outcome.refusal)
            return [_line(service.keeper.shown(outcome))]

        console.tell(opened, act)

    @group.command()
    def kill(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        key: _Key,
        reason: _Reason,
        clinic: _AnyClinic = None,
        everywhere: _Everywhere = False,  # noqa: FBT002 - a flag is what it is
    ) -> None:
        """Turns a flag off for everybody, at once: in one clinic, or everywhere."""
        console.tell(
            opened, _in_clinics(key, clinic, lambda tenant, declared: orders.killing(tenant, declared, reason), all_=everywhere)
        )

    @group.command()
    def restore(  # pyright: ignore[reportUnusedFunction] - Typer calls it
        key: _Key,
        reason: _Reason,
        clinic: _AnyClinic = None,
        everywhere: _Everywhere = False,  # noqa: FBT002 - a flag is what it is
    ) -> None:
        """Takes a kill back: in one clinic, or everywhere."""
        console.tell(
            opened, _in_clinics(key, clinic, lambda tenant, declared: orders.restoring(tenant, declared, reason), all_=everywhere)
        )


def _in_clinics(key: str, slug: str | None, order: Callable[[UUID, Declaration], Command], *, all_: bool) -> Act:
    if all_ == (slug is not None):
        raise typer.BadParameter("say --clinic or --everywhere")

    async def act(service: FlagService, origin: Origin) -> list[str]:
        declared = service.keeper.known(key)
        clinics = await service.tenants.everywhere(origin) if slug is None else [await service.tenants.named(slug, origin)]
        outcomes = await service.order([clinic.id for clinic in clinics], lambda tenant: order(tenant, declared), origin)
        told = [_outcome(service, clinic, outcome) for clinic, outcome in zip(clinics, outcomes, strict=True)]
        refused = [outcome.refusal for outcome in outcomes if outcome.refusal is not None]
        if refused:
            typer.echo("\n".join(told))
            raise Refused(refused[0])
        return told

    return act


def _outcome(service: FlagService, clinic: Clinic, outcome: Outcome) -> str:
    told = _line(service.keeper.shown(outcome)) if outcome.refusal is None else console.words(outcome.refusal)
    return f"{clinic.slug}: {told}"


def _line(flag: FlagView) -> str:
    state = f"{flag.basis_points / 100:g} %" if flag.enabled else "killed"
    rollout = "" if flag.rollout is None else f", roll-out {flag.rollout.status}"
    return f"{flag.key} {state}{rollout} (version {flag.version})"


async def _actor(service: FlagService, slug: str, origin: Origin) -> Actor:
    return operator((await service.tenants.named(slug, origin)).id)
