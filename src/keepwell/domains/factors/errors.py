"""What can go wrong with second factors, other ways in, and what clinics ask for."""

from keepwell.kernel.problems import ProblemType

INVALID_SECOND_FACTOR = ProblemType(
    "invalid-second-factor",
    401,
    "The second factor was not accepted",
    "Wait for the next code, or use another method. A code is accepted once.",
    kept=False,
)
CHALLENGE_EXPIRED = ProblemType(
    "challenge-expired",
    401,
    "The challenge cannot be used",
    "It was used, tried too often, is too old, or is not one of ours: log in again.",
    kept=False,
)
SECOND_FACTOR_DELAYED = ProblemType(
    "second-factor-delayed",
    429,
    "Too many wrong codes one after the other",
    "Wait for Retry-After, or use a passkey or a recovery code.",
    kept=False,
)
NO_FACTOR = ProblemType("no-factor", 409, "There is no such factor", "Set up an authenticator app or a passkey first.")
PASSKEY_REFUSED = ProblemType(
    "passkey-refused",
    422,
    "The passkey cannot be taken",
    "Ask for fresh options and let the browser make the credential for them.",
    kept=False,
)
MAIL_NOT_CONFIGURED = ProblemType(
    "mail-not-configured",
    503,
    "This server sends no mail",
    "Log in in another way, or ask who runs the server to set KEEPWELL_SMTP_URL.",
    kept=False,
)
OIDC_REFUSED = ProblemType(
    "oidc-refused",
    401,
    "The clinic's provider did not say who you are",
    "Begin again at the clinic's login; if it stays, tell an administrator of the clinic.",
    kept=False,
)
OIDC_UNREACHABLE = ProblemType(
    "oidc-unreachable", 503, "The clinic's provider does not answer", "Try again soon, or log in in another way.", kept=False
)
INVALID_OIDC_PROVIDER = ProblemType(
    "invalid-oidc-provider", 422, "The provider cannot be used", "Name an issuer by its https address.", kept=False
)
INVALID_POLICY = ProblemType(
    "invalid-login-policy", 422, "Nobody could log in like this", "Correct the fields listed in errors.", kept=False
)

PROBLEMS: tuple[ProblemType, ...] = (
    INVALID_SECOND_FACTOR,
    CHALLENGE_EXPIRED,
    SECOND_FACTOR_DELAYED,
    NO_FACTOR,
    PASSKEY_REFUSED,
    MAIL_NOT_CONFIGURED,
    OIDC_REFUSED,
    OIDC_UNREACHABLE,
    INVALID_OIDC_PROVIDER,
    INVALID_POLICY,
)
