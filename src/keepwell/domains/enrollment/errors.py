"""What can go wrong with batches."""

from keepwell.kernel.problems import ProblemType

BATCH_STATUS = ProblemType(
    "batch-status", 409, "The batch is not in a status that allows this", "Read the batch; its status is in the detail."
)
TOO_MANY_BATCHES = ProblemType(
    "too-many-batches",
    409,
    "The clinic has too many batches that are not finished",
    "Wait until some are, or cancel them.",
    kept=False,
)
TOO_MANY_ROWS = ProblemType(
    "too-many-rows", 413, "The upload has more rows than one batch takes", "Send it in several batches.", kept=False
)
UNKNOWN_ROWS = ProblemType(
    "unknown-rows",
    422,
    "Rows are named that are not there, or need no second try",
    "Name rows that are dead, refused or in conflict.",
    kept=False,
)
UPLOAD_GONE = ProblemType(
    "upload-gone", 409, "What was uploaded is no longer kept", "Upload the rows again: who is enrolled stays as they are."
)
PROBLEMS: tuple[ProblemType, ...] = (BATCH_STATUS, TOO_MANY_BATCHES, TOO_MANY_ROWS, UNKNOWN_ROWS, UPLOAD_GONE)
