"""Refusals and verdicts as OperationOutcome: the same stable codes as at every other door, in FHIR's envelope.

An issue carries the problem's code first and, where a place in the input is at fault, that fault's own code after it.
"""

from collections.abc import Iterable

from keepwell.domains.fhir.models import (
    OperationOutcome,
    OutcomeCoding,
    OutcomeDetails,
    OutcomeExtension,
    OutcomeIssue,
)
from keepwell.domains.fhir.rules.expressions import expression
from keepwell.kernel import Fault, Refusal

PROBLEM, FAULT = "/problems", "/problems/errors"
"""The systems of problem codes and of the codes of faulty places."""

REQUEST_ID, CURRENT_VERSION, LINK_ID = (f"urn:keepwell:{name}" for name in ("request-id", "current-version", "link-id"))

_BY_PROBLEM = {
    "malformed-json": "structure",
    "unauthenticated": "login",
    "forbidden": "forbidden",
    "not-found": "not-found",
    "method-not-allowed": "not-supported",
    "unsupported-media-type": "not-supported",
    "body-too-large": "too-long",
    "headers-too-large": "too-long",
    "too-much-at-once": "too-costly",
    "precondition-required": "required",
    "multiple-matches": "multiple-matches",
    "response-invalid": "invariant",
    "internal-error": "exception",
}
_BY_STATUS = {408: "timeout", 409: "conflict", 410: "deleted", 412: "conflict", 429: "throttled", 503: "transient"}
_BY_FAULT = {
    "required": "required",
    "link-id-missing": "required",
    "missing-field": "required",
    "structure": "structure",
    "unknown-field": "structure",
    "nested-items": "structure",
    "not-answerable": "structure",
    "out-of-order": "structure",
    "unknown-item": "not-found",
    "unknown-row": "not-found",
    "unknown-questionnaire": "not-found",
    "not-kept": "not-supported",
    "wrong-type": "value",
    "not-an-option": "code-invalid",
    "not-in-value-set": "code-invalid",
    "too-long": "too-long",
    "limit": "too-costly",
    "fixed": "business-rule",
}


def of_refusal(refusal: Refusal, root: str, request_id: str) -> OperationOutcome:
    """One issue for each fault, or one for the whole. `root` is the type of the resource that pointers lead into."""
    problem = OutcomeCoding(PROBLEM, refusal.code)
    kind = _BY_PROBLEM.get(refusal.code) or _BY_STATUS.get(refusal.type.status) or "invalid"
    words = refusal.detail or refusal.type.advice
    if refusal.faults:
        issues = tuple(_fault(fault, problem, kind, root) for fault in refusal.faults)
    else:
        issues = (OutcomeIssue("error", kind, OutcomeDetails((problem,), refusal.type.title), words),)
    return OperationOutcome(issues, (OutcomeExtension(REQUEST_ID, request_id), *_current(refusal)))


def _current(refusal: Refusal) -> tuple[OutcomeExtension, ...]:
    version = refusal.extra.get("current_version")
    return () if version is None else (OutcomeExtension(CURRENT_VERSION, valueInteger=version),)


def _fault(fault: Fault, problem: OutcomeCoding, kind: str, root: str) -> OutcomeIssue:
    details = OutcomeDetails((problem, OutcomeCoding(FAULT, fault.code)), fault.message)
    return OutcomeIssue(
        "error",
        _BY_FAULT.get(fault.code, kind),
        details,
        fault.message,
        (expression(root, fault.pointer),),
        _link_id(fault),
    )


def of_verdict(
    root: str, errors: Iterable[Fault], warnings: Iterable[Fault] = (), information: Iterable[Fault] = ()
) -> OperationOutcome:
    """What the rules say of a resource; that all is well where they say nothing."""
    issues = (
        *(_found("error", fault, root) for fault in errors),
        *(_found("warning", fault, root) for fault in warnings),
        *(_found("information", fault, root) for fault in information),
    )
    return OperationOutcome(issues or (OutcomeIssue("information", "informational", diagnostics="Nothing is wrong."),))


def _found(severity: str, fault: Fault, root: str) -> OutcomeIssue:
    return OutcomeIssue(
        severity,  # type: ignore[arg-type] - one of the three above
        getattr(fault, "kind", None) or _BY_FAULT.get(fault.code, "invalid"),
        OutcomeDetails((OutcomeCoding(FAULT, fault.code),), fault.message),
        fault.message,
        (expression(root, fault.pointer),),
        _link_id(fault),
    )


def _link_id(fault: Fault) -> tuple[OutcomeExtension, ...]:
    return () if fault.linkId is None else (OutcomeExtension(LINK_ID, fault.linkId),)


def said(words: str) -> OperationOutcome:
    """Something to know, that is no fault."""
    return OperationOutcome((OutcomeIssue("information", "informational", diagnostics=words),))
