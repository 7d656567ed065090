"""How a roll-out moves: on when a step was held in health, back when too many requests failed that saw the flag on."""

from datetime import datetime, timedelta
from typing import Literal

from keepwell.domains.flags.models import (
    Guard,
    Numbers,
    Rollout,
    RolloutAdvanced,
    RolloutCompleted,
    RolloutSteppedBack,
)

OFF = -1
"""The step before the first."""

Move = RolloutAdvanced | RolloutCompleted | RolloutSteppedBack
Health = Literal["healthy", "failing", "unclear"]


def watched(rollout: Rollout) -> bool:
    """Whether the numbers still matter. One that stepped back goes on by nobody's hand but can step back further."""
    return rollout.status in ("running", "stepped-back") and rollout.step > OFF


def move(rollout: Rollout, numbers: Numbers, now: datetime) -> Move | None:
    """What the numbers since the step began lead to; None: nothing yet."""
    if not watched(rollout):
        return None
    health = judge(rollout.plan.guard, numbers)
    if health == "failing":
        return RolloutSteppedBack(rollout.step - 1, now, numbers)
    held = now - rollout.since >= timedelta(seconds=rollout.plan.hold_s)
    if rollout.status != "running" or health != "healthy" or not held:
        return None
    if rollout.step + 1 == len(rollout.plan.steps):
        return RolloutCompleted(now, numbers)
    return RolloutAdvanced(rollout.step + 1, now, numbers)


def judge(guard: Guard, numbers: Numbers) -> Health:
    """Unclear is what too few requests saw, and what fails as much without the flag: then something else is at fault."""
    if numbers.on < guard.minimum_sample:
        return "unclear"
    rate = numbers.on_errors / numbers.on
    if rate <= guard.maximum_error_rate:
        return "healthy"
    if guard.maximum_ratio is None or numbers.off < guard.minimum_sample:
        return "failing"
    return "failing" if rate > guard.maximum_ratio * numbers.off_errors / numbers.off else "unclear"


def share(rollout: Rollout) -> int:
    """The basis points of the step a roll-out is at."""
    return 0 if rollout.step == OFF else rollout.plan.steps[rollout.step]
