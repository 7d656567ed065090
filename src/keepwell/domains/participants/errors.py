"""What can go wrong with participants."""

from keepwell.kernel.problems import ProblemType

INVALID_PARTICIPANT = ProblemType(
    "invalid-participant",
    422,
    "This cannot be said of a participant",
    "Correct the fields listed in errors. Nothing was stored.",
    kept=False,
)

PROBLEMS: tuple[ProblemType, ...] = (INVALID_PARTICIPANT,)
