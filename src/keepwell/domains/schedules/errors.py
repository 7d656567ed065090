"""What can go wrong with schedules."""

from keepwell.kernel.problems import ProblemType

INVALID_SCHEDULE = ProblemType(
    "invalid-schedule",
    422,
    "The schedule cannot be made like this",
    "Correct the fields listed in errors. Nothing was stored.",
    kept=False,
)
SCHEDULE_PAUSED = ProblemType("schedule-paused", 409, "The schedule is paused", "Resume it first.")
RUN_UNDER_WAY = ProblemType("run-under-way", 409, "A run of this schedule is under way", "Wait until it has ended.")
RUN_NOT_DUE = ProblemType("run-not-due", 409, "No run of this schedule is due for that instant", "Nothing: it ran, or will.")

PROBLEMS: tuple[ProblemType, ...] = (INVALID_SCHEDULE, SCHEDULE_PAUSED, RUN_UNDER_WAY, RUN_NOT_DUE)
