"""What can go wrong with responses."""

from keepwell.kernel.problems import ProblemType

QUESTIONNAIRE_NOT_PUBLISHED = ProblemType(
    "questionnaire-not-published",
    409,
    "The questionnaire takes no new responses",
    "Publish the questionnaire first, or name one that is published and not retired.",
)
INVALID_ANSWERS = ProblemType(
    "invalid-answers",
    422,
    "Some answers do not fit their questions",
    "Correct the answers listed in errors; each names its linkId. Nothing was stored.",
    kept=False,
)
RESPONSE_INVALID = ProblemType(
    "response-invalid",
    422,
    "The response is not complete and correct",
    "Correct the items listed in errors, one error for each, and submit again.",
)
RESPONSE_SUBMITTED = ProblemType(
    "response-submitted", 409, "The response was submitted and can no longer be edited", "Amend it, giving the reason."
)
RESPONSE_VOIDED = ProblemType(
    "response-voided",
    409,
    "The response was declared entered in error",
    "It can only be read. Begin another response.",
)
MERGE_CONFLICT = ProblemType(
    "merge-conflict",
    409,
    "Somebody else changed the same answers differently",
    "Decide about each of conflicts, and send the answers again with If-Match naming current_version.",
)
RESPONSE_NOT_SUBMITTED = ProblemType(
    "response-not-submitted",
    409,
    "The response was not submitted yet",
    "Change its answers with PATCH; amending comes after submitting.",
)

PROBLEMS: tuple[ProblemType, ...] = (
    QUESTIONNAIRE_NOT_PUBLISHED,
    INVALID_ANSWERS,
    RESPONSE_INVALID,
    RESPONSE_SUBMITTED,
    RESPONSE_NOT_SUBMITTED,
    RESPONSE_VOIDED,
    MERGE_CONFLICT,
)
