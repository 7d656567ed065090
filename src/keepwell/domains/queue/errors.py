"""What can go wrong with jobs."""

from keepwell.kernel.problems import ProblemType

JOB_NOT_HELD = ProblemType(
    "job-not-held", 409, "The job did not fail for good", "Nothing: it waits for its turn, or is being done.", kept=False
)

PROBLEMS: tuple[ProblemType, ...] = (JOB_NOT_HELD,)
