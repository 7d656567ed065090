"""Flags in service: evaluated for everybody, kept by those who set them, rolled out step by step."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from keepwell.domains.flags.models import Asked, Declaration, Evaluation
from keepwell.domains.flags.service.evaluating import USES, Evaluator, asking
from keepwell.domains.flags.service.keeping import Keeper
from keepwell.domains.flags.service.memory import KIND, READ, RESOURCE, Freshness
from keepwell.domains.flags.service.steering import steer
from keepwell.domains.tenants import TenantService, operator
from keepwell.kernel import Actor, Command, Envelope, Kernel, Origin, Outcome, Permission, Search
from keepwell.kernel.problems import NOT_FOUND, Refusal, Refused

_OWN = Permission("Organization", "r")


class FlagService:
    """All of the flags, built once a process, over what the program declares."""

    def __init__(
        self,
        kernel: Kernel,
        tenants: TenantService,
        declarations: Iterable[Declaration] = (),
        freshness: Freshness | None = None,
    ) -> None:
        self.tenants = tenants
        self.declared = {declared.key: declared for declared in declarations}
        self.evaluator = Evaluator(kernel, self.declared, freshness or Freshness())
        self.keeper = Keeper(kernel, self.declared)
        self._kernel = kernel

    async def is_on(self, key: str, actor: Actor) -> bool:
        """Whether a flag is on for an actor. Never fails for a database that does.

        Raises:
            KeyError: the program declares no such flag.
        """
        return await self.evaluator.is_on(key, actor)

    async def evaluate(self, actor: Actor, key: str, asked: Asked | None, origin: Origin) -> Evaluation:
        """What a flag is for the actor or, for who may read flags, for somebody else.

        Raises:
            Refused: as any read; `not-found` when the program declares no such flag.
        """
        permission = _OWN if asked is None else READ
        await self._kernel.search(Search(KIND, actor, origin, permission, "evaluate"), _nothing)
        if key not in self.declared:
            raise Refused(Refusal(NOT_FOUND))
        return await self.evaluator.evaluate(key, asked or asking(actor))

    async def order(
        self, tenants: Sequence[UUID], command: Callable[[UUID], Command], origin: Origin, if_match: int | None = None
    ) -> list[Outcome]:
        """What comes of a command that the system carries out in each of these clinics."""
        return await self._kernel.execute([Envelope(command(tenant), operator(tenant), origin, if_match) for tenant in tenants])

    async def steer(self, origin: Origin) -> None:
        """Moves every roll-out whose numbers say so. Raises `Refused` when one could not be looked at; the others were."""
        await steer(self._kernel, origin)


async def _nothing(_connection: Any) -> None:
    """A search for the sake of its permission."""


__all__ = ["KIND", "RESOURCE", "USES", "FlagService", "Freshness"]
