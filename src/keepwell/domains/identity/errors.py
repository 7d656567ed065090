"""What can go wrong with logging in, sessions and accounts."""

from keepwell.kernel.problems import ProblemType

INVALID_CREDENTIALS = ProblemType(
    "invalid-credentials",
    401,
    "The e-mail address or the password is wrong",
    "Check both and try again. For safety the answer is the same whatever is wrong.",
)
SECOND_FACTOR_REQUIRED = ProblemType(
    "second-factor-required",
    401,
    "A second factor is asked for",
    "Send the challenge with one of the methods named to POST /v1/auth/second-factor.",
    kept=False,
)
LOGIN_METHOD_NOT_ALLOWED = ProblemType(
    "login-method-not-allowed",
    403,
    "The clinic does not let people log in like this",
    "Log in by one of the methods named.",
    kept=False,
)
CHALLENGE_REQUIRED = ProblemType(
    "challenge-required",
    429,
    "There were too many failures: the next try takes some work, or some time",
    "Send the same again with the solution of `challenge` (ALTCHA), or after Retry-After seconds if nobody else tried meanwhile.",
    kept=False,
)
WRONG_PASSWORD = ProblemType(
    "wrong-password", 403, "The current password is wrong", "Send the password that you log in with now.", kept=False
)
EMAIL_TAKEN = ProblemType("email-taken", 409, "The clinic has an account with this e-mail address", "Use the account there is.")
OWN_ACCOUNT = ProblemType(
    "own-account", 409, "Nobody disables or demotes themselves", "Ask another administrator of the clinic to do it."
)
INVALID_USER = ProblemType(
    "invalid-user", 422, "The account cannot be made like this", "Correct the fields listed in errors.", kept=False
)
UNSUITABLE_PASSWORD = ProblemType(
    "unsuitable-password",
    422,
    "The password cannot be used",
    "Use 15 to 256 characters; a sentence is good. None that is common, made of your names, or runs or repeats itself.",
    kept=False,
)

PROBLEMS: tuple[ProblemType, ...] = (
    INVALID_CREDENTIALS,
    SECOND_FACTOR_REQUIRED,
    LOGIN_METHOD_NOT_ALLOWED,
    CHALLENGE_REQUIRED,
    WRONG_PASSWORD,
    EMAIL_TAKEN,
    OWN_ACCOUNT,
    INVALID_USER,
    UNSUITABLE_PASSWORD,
)
