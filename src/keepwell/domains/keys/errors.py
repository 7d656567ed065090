"""What can go wrong with keys of service accounts."""

from keepwell.kernel.problems import ProblemType

INVALID_KEY = ProblemType(
    "invalid-api-key",
    422,
    "The key cannot be made like this",
    "Correct the fields listed in errors. Nothing was stored.",
    kept=False,
)
SCOPE_NOT_HELD = ProblemType(
    "scope-not-held",
    403,
    "Nobody gives a key what they may not do themselves",
    "Leave out the scopes listed in errors, or ask somebody who has them.",
    kept=False,
)
KEY_REPLACED = ProblemType(
    "key-replaced", 409, "The key has been replaced already", "Use the key that replaced it: see rotated_to."
)
KEY_REVOKED = ProblemType(
    "key-revoked", 409, "The key is revoked", "Make another key, or rotate this one to get its replacement."
)
INVALID_SIGNATURE = ProblemType(
    "invalid-signature",
    403,
    "The report is not signed by who it should be from",
    "Sign the body as it is sent with a key that the operator of this server trusts.",
    kept=False,
)

PROBLEMS: tuple[ProblemType, ...] = (INVALID_KEY, SCOPE_NOT_HELD, KEY_REPLACED, KEY_REVOKED, INVALID_SIGNATURE)
