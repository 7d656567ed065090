"""Which flags have outlived what they were for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from keepwell.domains.flags.models import WHOLE, Declaration, Flag
from keepwell.domains.flags.rules.rollouts import watched

LONG_DECLARED = timedelta(days=90)
LONG_SETTLED = timedelta(days=30)
LONG_UNUSED = timedelta(days=30)


def reasons(
    declared: Declaration | None, flag: Flag | None, set_at: datetime | None, used_at: datetime | None, now: datetime
) -> tuple[str, ...]:
    """Why a flag wants attention; empty when it does not. `set_at` is when it last changed, `used_at` when it was last asked."""
    return ("not-declared",) if declared is None else tuple(_reasons(declared, flag, set_at, used_at, now))


def _reasons(
    declared: Declaration, flag: Flag | None, set_at: datetime | None, used_at: datetime | None, now: datetime
) -> Iterator[str]:
    known = datetime(declared.declared.year, declared.declared.month, declared.declared.day, tzinfo=UTC)
    settled = (set_at or known) <= now - LONG_SETTLED
    if not declared.kill_switch and known <= now - LONG_DECLARED and settled and _decided(flag):
        yield "decided"
    if (used_at or known) <= now - LONG_UNUSED:
        yield "never-evaluated"


def _decided(flag: Flag | None) -> bool:
    """Whether everybody gets the same."""
    if flag is None or not flag.enabled:
        return True
    moving = flag.rollout is not None and watched(flag.rollout)
    return flag.setup.basis_points in (0, WHOLE) and not flag.setup.cohorts and not moving
