"""What can go wrong, said once: problem types (RFC 9457) with stable codes, and refusals that use them.

A room declares its own types in `errors.py`; this module holds those every door shares. Each type carries the sentence
that tells the caller what to do next, which `GET /problems/<code>` shows.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

Answer = TypeVar("Answer")


class ProblemType(msgspec.Struct, frozen=True):
    """One kind of failure. `code` is stable for ever; `status` is the HTTP status every door derives its own from.

    `kept`: under an Idempotency-Key this is the outcome that the same request gets again. Not so where what was sent is
    itself at fault, or who sent it: the corrected request may come under the same key.
    """

    code: str
    status: int
    title: str
    advice: str
    kept: bool = True


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One faulty place in the caller's input. `pointer` is a JSON pointer (RFC 6901) into the body sent."""

    pointer: str
    code: str
    message: str
    linkId: str | None = None  # noqa: N815 - FHIR's own name


class Refusal(msgspec.Struct, frozen=True):
    """A decision not to do what was asked. `detail` never holds health information.

    `extra` becomes members of the problem document, such as `current_version`. So does `disclosed`, which may hold health
    information: the kernel leaves it in only for who may read the aggregate, and records that as a read.
    """

    type: ProblemType
    detail: str = ""
    faults: tuple[Fault, ...] = ()
    extra: Mapping[str, Any] = {}
    retry_after: int | None = None
    disclosed: Mapping[str, Any] = {}

    @property
    def code(self) -> str:
        return self.type.code


class Refused(Exception):  # noqa: N818 - it is not an error of ours, it is an answer
    """Carries a refusal out of orchestrating code to the door. `replayed`: a request under the same key got it before.

    `headers` are what the HTTP door says besides.
    """

    headers: Mapping[str, str] = {}

    def __init__(self, refusal: Refusal, *, replayed: bool = False) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.replayed = replayed


class UndecidedError(Refused):
    """Refused by what this process knows, which may be too little: `learn` sees to that, and then the same may go well."""

    def __init__(self, refusal: Refusal, learn: Callable[[], Awaitable[None]]) -> None:
        super().__init__(refusal)
        self.learn = learn


async def decided(ask: Callable[[], Answer]) -> Answer:
    """What `ask` gives: at the second attempt, where the first knew too little. Raises as `ask` does."""
    try:
        return ask()
    except UndecidedError as undecided:
        await undecided.learn()
    return ask()


MALFORMED_JSON = ProblemType(
    "malformed-json", 400, "The body is not valid JSON", "Send one JSON document, encoded in UTF-8, no deeper than 100 levels."
)
INVALID_HEADER = ProblemType(
    "invalid-header", 400, "A header has a value that cannot be used", "Correct the header named in the detail."
)
INVALID_PARAMETER = ProblemType(
    "invalid-parameter", 400, "A query parameter is unknown or has a wrong value", "See /docs for the parameters of this route."
)
UNAUTHENTICATED = ProblemType(
    "unauthenticated", 401, "No valid credentials", "Log in, or refresh the session, and send the access token.", kept=False
)
FORBIDDEN = ProblemType(
    "forbidden", 403, "Not allowed", "Ask an administrator of the clinic for the permission this needs.", kept=False
)
STEP_UP_REQUIRED = ProblemType(
    "step-up-required",
    403,
    "Prove once more who you are",
    "Send your password or a second factor to POST /v1/auth/step-up, then send this again.",
    kept=False,
)
NOT_FOUND = ProblemType("not-found", 404, "Not found", "Check the address and the id.")
METHOD_NOT_ALLOWED = ProblemType("method-not-allowed", 405, "Method not allowed", "Use one of the methods in the Allow header.")
CONFLICT = ProblemType("conflict", 409, "The request conflicts with what is stored", "Read the current state and decide again.")
IDEMPOTENCY_KEY_IN_USE = ProblemType(
    "idempotency-key-in-use", 409, "A request with this key is still running", "Send the same request again after Retry-After."
)
TENANT_DESTROYED = ProblemType(
    "tenant-destroyed",
    410,
    "The clinic's keys were destroyed",
    "Nothing the clinic stored can be read any more, by anybody. There is nothing to try again.",
    kept=False,
)
VERSION_CONFLICT = ProblemType(
    "version-conflict", 412, "Somebody else changed it", "Read the current version, reapply your change, send If-Match with it."
)
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The body is too large", "Send less at once; the limit is in the detail.")
TOO_MUCH_AT_ONCE = ProblemType(
    "too-much-at-once", 413, "This is too much for one atomic call", "Send it in parts, or without atomic."
)
UNSUPPORTED_MEDIA_TYPE = ProblemType("unsupported-media-type", 415, "The content type is not supported", "Send application/json.")
INVALID_BODY = ProblemType("invalid-body", 422, "The body has wrong fields", "Correct the fields listed in errors.", kept=False)
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency-key-reused",
    422,
    "The key was used for another request",
    "Use a new Idempotency-Key for a new request.",
    kept=False,
)
PRECONDITION_REQUIRED = ProblemType(
    "precondition-required", 428, "If-Match is required", "Read the resource and send its ETag in If-Match."
)
RATE_LIMITED = ProblemType(
    "rate-limited", 429, "Too many requests", "Send fewer, and the next one after Retry-After seconds.", kept=False
)
INTERNAL = ProblemType(
    "internal-error", 500, "Something went wrong on our side", "Try again; if it stays, report the request id.", kept=False
)
OVERLOADED = ProblemType("overloaded", 503, "Too busy just now", "Try again after Retry-After seconds.")
UNAVAILABLE = ProblemType(
    "temporarily-unavailable", 503, "A part we need is not available", "Try again after Retry-After seconds."
)
OUTCOME_UNKNOWN = ProblemType(
    "outcome-unknown",
    503,
    "We cannot tell whether this was stored",
    "Send it again with the same Idempotency-Key: it will be applied once.",
)

SHARED: tuple[ProblemType, ...] = (
    MALFORMED_JSON,
    INVALID_HEADER,
    INVALID_PARAMETER,
    UNAUTHENTICATED,
    FORBIDDEN,
    STEP_UP_REQUIRED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    CONFLICT,
    IDEMPOTENCY_KEY_IN_USE,
    TENANT_DESTROYED,
    VERSION_CONFLICT,
    BODY_TOO_LARGE,
    TOO_MUCH_AT_ONCE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_BODY,
    IDEMPOTENCY_KEY_REUSED,
    PRECONDITION_REQUIRED,
    RATE_LIMITED,
    INTERNAL,
    OVERLOADED,
    UNAVAILABLE,
    OUTCOME_UNKNOWN,
)

ENDED = Refusal(UNAUTHENTICATED, "The session has ended, or the key is no longer valid.")
"""What whoever acts with a credential is told once it is worth nothing."""

ABORTED = Refusal(CONFLICT, "Another operation of this atomic call was refused.")
"""What comes of a command that would have been carried out, were it not for another one of its list."""
