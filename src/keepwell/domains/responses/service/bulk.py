"""Many commands in one call: one after another in parts of a batch's length, or all of them or none."""

from collections.abc import AsyncIterator, Iterable, Sequence

from keepwell.kernel import Envelope, Kernel, Outcome, Refusal, Rehearsal
from keepwell.kernel.problems import ABORTED
from keepwell.kit.ids import NIL

Step = Envelope | Refusal
"""A command to run, or why one that was sent cannot even be tried."""


async def each_in_turn(kernel: Kernel, parts: AsyncIterator[Sequence[Step]], *, dry_run: bool) -> AsyncIterator[list[Outcome]]:
    """The outcomes of each part as soon as it is stored. Every step sees what came before it, in a dry run too."""
    rehearsal = Rehearsal() if dry_run else None
    async for part in parts:
        envelopes = [step for step in part if isinstance(step, Envelope)]
        outcomes = await kernel.execute(envelopes, dry_run=dry_run, rehearsal=rehearsal)
        yield _in_place(part, outcomes)


async def together(kernel: Kernel, steps: Sequence[Step], *, dry_run: bool) -> list[Outcome]:
    """The outcomes of all steps, stored in one transaction: with one refused, nothing of the others is."""
    envelopes = [step for step in steps if isinstance(step, Envelope)]
    if len(envelopes) == len(steps):
        return await kernel.execute(envelopes, atomic=True, dry_run=dry_run)
    # Nothing can be stored any more; what else would be refused is still worth telling.
    outcomes = await kernel.execute(envelopes, atomic=True, dry_run=True)
    return _in_place(steps, [_aborted(outcome) for outcome in outcomes])


def _in_place(steps: Iterable[Step], outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes with those of the steps that could not be tried between them."""
    found = iter(outcomes)
    return [next(found) if isinstance(step, Envelope) else Outcome("", NIL, refusal=step) for step in steps]


def _aborted(outcome: Outcome) -> Outcome:
    return Outcome(outcome.kind, outcome.id, refusal=outcome.refusal or ABORTED)
