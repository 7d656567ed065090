"""What can go wrong with emergency access."""

from keepwell.kernel.problems import ProblemType

INVALID_EMERGENCY = ProblemType(
    "invalid-emergency", 422, "Emergency access cannot be had like this", "Correct the fields listed in errors.", kept=False
)
NO_MORE_ACCESS = ProblemType(
    "no-more-access",
    409,
    "Emergency access adds nothing here",
    "Only people whose role has something added in an emergency ask for it, and not while they have it.",
)
EMERGENCY_UNDER_WAY = ProblemType(
    "emergency-under-way",
    409,
    "The emergency access is still under way",
    "Review it once it has ended; ending it is possible too.",
)
OWN_EMERGENCY = ProblemType(
    "own-emergency", 403, "Nobody reviews their own emergency access", "Ask another administrator of the clinic.", kept=False
)
ALREADY_REVIEWED = ProblemType(
    "already-reviewed", 409, "The emergency access has been reviewed", "What was found is in the record."
)

PROBLEMS: tuple[ProblemType, ...] = (
    INVALID_EMERGENCY,
    NO_MORE_ACCESS,
    EMERGENCY_UNDER_WAY,
    OWN_EMERGENCY,
    ALREADY_REVIEWED,
)
