"""What can go wrong with monitors."""

from keepwell.kernel.problems import ProblemType

INVALID_MONITOR = ProblemType(
    "invalid-monitor",
    422,
    "The monitor cannot be made like this",
    "Correct the fields listed in errors. Nothing was stored.",
    kept=False,
)
INVALID_IMPORT = ProblemType(
    "invalid-import",
    422,
    "The file is none that can be imported",
    "Send what the program that you name in `from` writes, whole. Nothing was stored.",
    kept=False,
)
MONITOR_IMPORTED = ProblemType(
    "monitor-imported", 409, "The same import is under way somewhere else", "Import again: it goes on where the other one ended."
)
NO_HEARTBEAT = ProblemType("no-heartbeat", 409, "The monitor waits for no heartbeat", "Use a monitor of kind heartbeat.")

PROBLEMS: tuple[ProblemType, ...] = (INVALID_MONITOR, INVALID_IMPORT, MONITOR_IMPORTED, NO_HEARTBEAT)
