"""What can go wrong when keys are changed."""

from keepwell.kernel.problems import ProblemType

WRONG_MASTER_KEY = ProblemType(
    "wrong-master-key",
    409,
    "A stored key is wrapped by a master key that was not given",
    "Give the master key it was wrapped by in KEEPWELL_MASTER_KEY_PREVIOUS, and begin again: what is done stays done.",
)

PROBLEMS: tuple[ProblemType, ...] = (WRONG_MASTER_KEY,)
