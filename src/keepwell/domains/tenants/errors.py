"""What can go wrong with clinics."""

from keepwell.kernel.problems import ProblemType

SLUG_TAKEN = ProblemType("slug-taken", 409, "Another clinic has this short name", "Choose another short name for the clinic.")
INVALID_TENANT = ProblemType(
    "invalid-tenant",
    422,
    "The clinic cannot be made like this",
    "A short name has 1 to 63 lower-case letters, digits and single hyphens between them; a name has 1 to 200 characters.",
    kept=False,
)

NO_CLINIC = ProblemType(
    "no-such-clinic",
    404,
    "No clinic has this short name",
    "Where there is no clinic yet, make it with `keepwell tenants create`.",
)

PROBLEMS: tuple[ProblemType, ...] = (SLUG_TAKEN, INVALID_TENANT, NO_CLINIC)
