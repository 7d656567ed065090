"""What can go wrong with programs."""

from keepwell.kernel.problems import ProblemType

INVALID_PROGRAM = ProblemType(
    "invalid-program",
    422,
    "The program cannot be like this",
    "Correct the fields listed in errors. Nothing was stored.",
    kept=False,
)

PROBLEMS: tuple[ProblemType, ...] = (INVALID_PROGRAM,)
