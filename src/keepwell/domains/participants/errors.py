"""What can go wrong with participants."""

from keepwell.kernel.problems import ProblemType

INVALID_PARTICIPANT = ProblemType(
    "invalid-participant",
    422,
    "This cannot be said of a participant",
    "Correct the fields listed in errors. Nothing was stored.",
    kept=False,
)
ANOTHER_BIRTH_DATE = ProblemType(
    "another-birth-date",
    409,
    "The person known by this external id was born on another day",
    "Find out whether it is the same person; correct the external id or the record.",
)
CHANGED_SINCE = ProblemType("changed-since", 409, "The record was changed since", "Look at its history; it was left as it is.")
PARTICIPANT_MERGED = ProblemType(
    "participant-merged", 409, "The record is merged into another one", "Use the record it is merged into, or unmerge it first."
)
INVALID_MERGE = ProblemType("invalid-merge", 422, "These records cannot be merged or unmerged", "See the detail.", kept=False)

PROBLEMS: tuple[ProblemType, ...] = (INVALID_PARTICIPANT, ANOTHER_BIRTH_DATE, CHANGED_SINCE, PARTICIPANT_MERGED, INVALID_MERGE)
