"""How operators' commands run: on parts opened for one command, in an operator's name, and with every refusal told in words."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import typer

from keepwell.kernel.envelope import Origin
from keepwell.kernel.problems import Refusal, Refused
from keepwell.kit.ids import new_id

Parts = TypeVar("Parts")
Result = TypeVar("Result")
FAILED = 1


def run(opened: Callable[[], AbstractAsyncContextManager[Parts]], act: Callable[[Parts, Origin], Awaitable[Result]]) -> Result:
    """What `act` gives. `opened` opens the program's parts for it and closes them afterwards.

    Raises:
        typer.Exit: it was refused, and the operator has been told why.
    """

    async def in_parts() -> Result:
        async with opened() as parts:
            return await act(parts, Origin("cli", str(new_id()), purpose="HSYSADMIN"))

    try:
        return asyncio.run(in_parts())
    except Refused as refused:
        typer.echo(words(refused.refusal), err=True)
        raise typer.Exit(FAILED) from None


def tell(
    opened: Callable[[], AbstractAsyncContextManager[Parts]], act: Callable[[Parts, Origin], Awaitable[Iterable[str]]]
) -> None:
    """As `run`, and says the lines that `act` gives."""
    for line in run(opened, act):
        typer.echo(line)


def words(refusal: Refusal) -> str:
    """A refusal as operators read it: what is wrong, what to do, and where."""
    faults = "".join(f"\n  {fault.pointer}: {fault.message}" for fault in refusal.faults)
    return f"{refusal.type.title}. {refusal.detail or refusal.type.advice}{faults}"
