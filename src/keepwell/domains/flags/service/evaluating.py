"""What a flag is for somebody, in this process, from what it knows: quickly, and never with an exception."""

from datetime import timedelta

from keepwell.domains.flags.models import Asked, Declaration, Evaluation
from keepwell.domains.flags.rules.evaluating import evaluate, fallback
from keepwell.domains.flags.service.memory import Freshness, Memory
from keepwell.kernel import Actor, Kernel, seen
from keepwell.kernel.tally import TallyKind

USES = TallyKind("flag-uses", width=timedelta(days=1), kept=timedelta(days=400))
"""Evaluations, by flag."""


class Evaluator:
    """Evaluates the flags that the program declares."""

    def __init__(self, kernel: Kernel, declared: dict[str, Declaration], freshness: Freshness) -> None:
        self._kernel = kernel
        self._declared = declared
        self._memory = Memory(kernel, tuple(declared), freshness)

    async def evaluate(self, key: str, asked: Asked) -> Evaluation:
        """What the flag is. Of a clinic that nothing is known of, what the program declares, with reason ERROR.

        Raises:
            KeyError: the program declares no such flag.
        """
        declared = self._declared[key]
        flags = await self._memory.of(asked.tenant)
        if flags is None:
            return fallback(declared, "PROVIDER_NOT_READY")
        flag = flags.get(key)
        found = evaluate(declared, flag, asked)
        self._kernel.tally.add(asked.tenant, USES, key)
        seen.note(asked.tenant, key, on=found.variant == (declared.on if flag is None else flag.setup.on))
        return found

    async def is_on(self, key: str, actor: Actor) -> bool:
        """Whether a flag that is on or off is on for an actor. Raises as `evaluate` does."""
        return (await self.evaluate(key, asking(actor))).value is True


def asking(actor: Actor) -> Asked:
    """Whom an actor's own evaluations are for."""
    return Asked(actor.tenant, str(actor.id), (actor.role,))
