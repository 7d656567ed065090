"""What the FHIR door reads from a request besides its resource, and how its answers look."""

import re
from typing import Any, cast

import msgspec

from keepwell.domains.fhir.models import BASE, FHIR_JSON, OperationOutcome, Preferences, Resource
from keepwell.domains.fhir.rules.outcomes import of_refusal, said
from keepwell.domains.fhir.rules.resources import http_date
from keepwell.domains.fhir.service import Caller, Done
from keepwell.kernel import Fault, Refusal, Refused
from keepwell.kernel.http import Answer, Call, RefusalForm, RequestHeader, problem
from keepwell.kernel.problems import INVALID_BODY, INVALID_HEADER

PREFER = RequestHeader("Prefer", "`return=minimal`, `representation` or `OperationOutcome`; `handling=lenient` or `strict`.")
IF_NONE_EXIST = RequestHeader("If-None-Exist", "A search: the resource is created only when nothing meets it.")
PROVENANCE = RequestHeader("X-Provenance", "A Provenance as JSON: its `reason` is why a response is amended or voided.")
_RETURNED = ("minimal", "representation", "OperationOutcome")
_LONGEST_REASON = 2_000
_SEPARATOR = re.compile(r"[;,]")
_encode = msgspec.json.Encoder().encode


def caller_of(call: Call) -> Caller:
    """Who asks, and how they would like to be answered.

    Raises:
        Refused: `invalid-header` for a provenance that cannot be read.
    """
    return Caller(call.actor, call.origin, call.base, _preferences(call), _reason(call))


def _preferences(call: Call) -> Preferences:
    """What a caller prefers; wishes that are not known count for nothing (RFC 7240, 2)."""
    found = Preferences()
    for part in _SEPARATOR.split(call.raw_headers.get(b"prefer", b"").decode("latin-1")):
        name, _, value = part.strip().partition("=")
        value = value.strip('"')
        if name == "return" and value in _RETURNED:
            found = found._replace(returned=value)
        elif name == "handling" and value in ("lenient", "strict"):
            found = found._replace(lenient=value == "lenient")
    return found


class _Coded(msgspec.Struct):
    display: str = ""


class _Why(msgspec.Struct):
    text: str = ""
    coding: list[_Coded] = []


class _Provenance(msgspec.Struct):
    reason: list[_Why] = []


_provenance = msgspec.json.Decoder(_Provenance)


def _reason(call: Call) -> str:
    """Why a change is made: the first words of a provenance that say so."""
    sent = call.raw_headers.get(b"x-provenance")
    if sent is None:
        return ""
    try:
        reasons = _provenance.decode(sent).reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(Refusal(INVALID_HEADER, "X-Provenance takes a FHIR R4 Provenance as JSON.")) from None
    words = [text for why in reasons for text in (why.text, *(one.display for one in why.coding)) if text]
    if words and len(words[0]) > _LONGEST_REASON:
        raise Refused(Refusal(INVALID_HEADER, f"A reason has at most {_LONGEST_REASON} characters."))
    return words[0] if words else ""


def condition_of(call: Call) -> str | None:
    """The condition of a conditional create."""
    sent = call.raw_headers.get(b"if-none-exist")
    return None if sent is None else sent.decode("latin-1")


def judged_in(body: Resource, type_: str) -> Resource:
    """The resource that `$validate` is asked about: the body, or the `resource` among its parameters.

    Raises:
        Refused: `invalid-body` when there is none, or something else is asked for besides.
    """
    if body.get("resourceType") != "Parameters":
        found: Any = body
    else:
        sent: Any = body.get("parameter")
        parameters = (
            [cast("Resource", one) for one in cast("list[Any]", sent) if isinstance(one, dict)] if isinstance(sent, list) else []
        )
        for place, one in enumerate(parameters):
            if one.get("name") != "resource":
                raise _wrong(f"/parameter/{place}/name", "not-kept", "Only a resource can be validated, and by its own rules.")
        found = parameters[0].get("resource") if len(parameters) == 1 else None
    if not isinstance(found, dict) or cast("Resource", found).get("resourceType") != type_:
        raise _wrong("/resourceType", "not-allowed", f"This must be {type_}, or Parameters with one as resource.")
    return cast("Resource", found)


def _wrong(pointer: str, code: str, message: str) -> Refused:
    return Refused(Refusal(INVALID_BODY, faults=(Fault(pointer, code, message),)))


def answer(body: Resource | OperationOutcome, headers: dict[str, str] | None = None, status: int = 200) -> Answer:
    """A resource as an answer."""
    return Answer(status, _encode(body), headers or {}, FHIR_JSON)


def answered(caller: Caller, done: Done) -> Answer:
    """What became of one resource."""
    place = f"{caller.base}/{done.facade.type.name}/{done.id}"
    headers = {"etag": f'W/"{done.version}"', "location": f"{place}/_history/{done.version}"}
    if done.snapshot is not None:
        headers["last-modified"] = http_date(done.snapshot.updated_at)
    if done.replayed:
        headers["idempotency-replayed"] = "true"
    if caller.preferences.returned == "OperationOutcome":
        return answer(said("It is stored."), headers, done.status)
    if done.resource is None:
        return Answer(done.status, None, headers)
    return answer(done.resource, headers, done.status)


def seen(done: Done) -> Answer:
    """One version of a resource, as an answer to who reads it."""
    headers = {"etag": f'W/"{done.version}"'}
    if done.snapshot is not None:
        headers["last-modified"] = http_date(done.snapshot.updated_at)
    return answer(done.resource or {}, headers)


def refused(refusal: Refusal, path: str, request_id: str) -> Answer:
    """A refusal of any path below the FHIR interface, as OperationOutcome: same status and headers as everywhere."""
    type_ = path.removeprefix(BASE).strip("/").partition("/")[0]
    outcome = of_refusal(refusal, type_ if type_.isalpha() else "Bundle", request_id)
    return answer(outcome, problem(refusal, path, request_id).headers, refusal.type.status)


REFUSED_AS = RefusalForm(FHIR_JSON, OperationOutcome, refused)
"""What the document says of refusals."""
