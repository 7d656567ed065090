"""What can go wrong with status pages."""

from keepwell.kernel.problems import ProblemType

INVALID_STATUS_PAGE = ProblemType(
    "invalid-status-page", 422, "The status page cannot be like this", "Correct the fields listed in errors.", kept=False
)
STATUS_PAGE_SLUG_TAKEN = ProblemType(
    "status-page-slug-taken", 409, "The clinic has a status page at this address", "Change that page, or use another slug."
)

PROBLEMS: tuple[ProblemType, ...] = (INVALID_STATUS_PAGE, STATUS_PAGE_SLUG_TAKEN)
