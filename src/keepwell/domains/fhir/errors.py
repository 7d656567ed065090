"""What can go wrong at the FHIR door and nowhere else."""

from keepwell.kernel.problems import ProblemType

RESOURCE_ID = ProblemType(
    "resource-id",
    400,
    "The resource does not have the id of its address",
    "Send the resource with the id that stands in the address.",
    kept=False,
)
MULTIPLE_MATCHES = ProblemType(
    "multiple-matches",
    412,
    "More than one resource meets the condition",
    "Make the condition narrower, or decide which of them is meant.",
)

PROBLEMS: tuple[ProblemType, ...] = (RESOURCE_ID, MULTIPLE_MATCHES)
