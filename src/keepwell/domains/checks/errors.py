"""What can go wrong with checks."""

from keepwell.kernel.problems import ProblemType

MONITOR_IDLE = ProblemType(
    "monitor-idle", 409, "The monitor is not checked", "Resume it first; one that waits for heartbeats is never checked."
)

PROBLEMS: tuple[ProblemType, ...] = (MONITOR_IDLE,)
