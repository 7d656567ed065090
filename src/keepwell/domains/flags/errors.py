"""What can go wrong with feature flags."""

from keepwell.kernel.problems import ProblemType

INVALID_FLAG = ProblemType(
    "invalid-flag",
    422,
    "The flag cannot be set like this",
    "Correct the fields listed in errors. Nothing was stored.",
    kept=False,
)
ROLLOUT_RUNNING = ProblemType(
    "rollout-running", 409, "A roll-out of this flag is under way", "Stop the roll-out first, or kill the flag."
)
ROLLOUT_NOT_RUNNING = ProblemType(
    "rollout-not-running", 409, "No roll-out of this flag is under way", "Read the flag: its roll-out has ended, or never began."
)
FLAG_KILLED = ProblemType("flag-killed", 409, "The flag is killed", "Restore the flag first.")

PROBLEMS: tuple[ProblemType, ...] = (INVALID_FLAG, ROLLOUT_RUNNING, ROLLOUT_NOT_RUNNING, FLAG_KILLED)
