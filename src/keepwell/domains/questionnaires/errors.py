"""What can go wrong with questionnaires."""

from keepwell.kernel.problems import ProblemType

QUESTIONNAIRE_INVALID = ProblemType(
    "questionnaire-invalid",
    422,
    "This is no valid FHIR R4 Questionnaire",
    "Correct the places listed in errors. Codes such as que-2 name the invariants of the R4 specification; structure means that"
    " an element is missing, unknown or of the wrong type.",
    kept=False,
)
QUESTIONNAIRE_PUBLISHED = ProblemType(
    "questionnaire-published",
    409,
    "A published questionnaire never changes",
    "Create a new questionnaire with the same url and another version.",
)
QUESTIONNAIRE_RETIRED = ProblemType(
    "questionnaire-retired", 409, "The questionnaire is retired", "Create a new questionnaire, or use another one."
)
QUESTIONNAIRE_EXISTS = ProblemType(
    "questionnaire-exists",
    409,
    "The clinic has a questionnaire with this url and version",
    "Give the new one another version, or change the existing draft.",
)

PROBLEMS: tuple[ProblemType, ...] = (
    QUESTIONNAIRE_INVALID,
    QUESTIONNAIRE_PUBLISHED,
    QUESTIONNAIRE_RETIRED,
    QUESTIONNAIRE_EXISTS,
)
