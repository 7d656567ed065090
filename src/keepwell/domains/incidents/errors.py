"""What can go wrong with incidents."""

from keepwell.kernel.problems import ProblemType

INCIDENT_OPEN = ProblemType(
    "incident-open", 409, "There is an open incident about this already", "Add a note to the incident there is."
)
INCIDENT_RESOLVED = ProblemType(
    "incident-resolved", 409, "The incident is resolved", "Notes can still be added; what happens again opens another incident."
)
TOO_MANY_NOTES = ProblemType("too-many-notes", 409, "The incident has as many notes as one may have", "Resolve it.")
UNKNOWN_OWNER = ProblemType(
    "unknown-owner", 422, "Nobody of this id has an account in the clinic", "Choose one of GET /v1/users.", kept=False
)

PROBLEMS: tuple[ProblemType, ...] = (INCIDENT_OPEN, INCIDENT_RESOLVED, TOO_MANY_NOTES, UNKNOWN_OWNER)
