"""What may happen to the condition of a conditional create: it is claimed, once after each look. Pure."""

from keepwell.domains.fhir.models import ClaimCondition, Condition, ConditionClaimed, OpenCondition
from keepwell.kernel import Snapshot
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context


def decide_open(_state: None, command: OpenCondition, _context: Context) -> Decision:
    """The first claim."""
    return (ConditionClaimed(command.subject),)


def decide_claim(state: Condition, _command: ClaimCondition, _context: Context) -> Decision:
    """A later one; that nobody came in between, the version says."""
    return (ConditionClaimed(state.subject),)


def evolve(state: Condition | None, event: ConditionClaimed) -> Condition:
    """The condition after one more claim."""
    return Condition(1 if state is None else state.claims + 1, event.subject)


def view(snapshot: Snapshot) -> Condition:
    """What callers would see, if it were shown."""
    return snapshot.state
