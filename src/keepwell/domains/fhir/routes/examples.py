"""What the document shows of the FHIR interface: one small form, one patient, their answers, and who saw them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from keepwell.domains.audit import AuditedEntity, AuditItem, AuditPosition
from keepwell.domains.fhir.models import BASE, Resource
from keepwell.domains.fhir.rules.audit import audit_event_of
from keepwell.domains.fhir.rules.outcomes import of_verdict
from keepwell.domains.fhir.rules.resources import instant, versioned
from keepwell.kernel import Fault
from keepwell.kernel.http import Example

_HOST = "https://clinic.example"
_FORM = UUID("01994f90-2b6e-7c35-9a0f-3d7e1c8b5a42")
_RESPONSE = UUID("01994fa0-5c21-7f4d-8b36-2a9d4e7f1c80")
_PATIENT = UUID("6b1f0c9e-4d27-8a53-b7e8-0f5c2d9a3e14")
_OTHER_PATIENT = UUID("a3c85e10-7f92-8b46-9d21-5e8f0a7b4c63")
_OTHER_RESPONSE = UUID("01994fa0-9e47-7b18-a5c2-6f3d8b1e4a09")
_ACTOR = UUID("01994f3c-5b07-7c66-8f0d-91d2a0c6b3f4")
_REQUEST = "01994fa2-30c5-7e84-b1f7-9d0a6c4e3b25"
_NEW = "urn:uuid:5d1c7a3e-8b94-4f06-a2e7-9c3b6f0d1e58"
_BEGUN = datetime(2026, 9, 15, 20, 0, tzinfo=UTC)
_LATER = datetime(2026, 9, 15, 20, 2, 10, tzinfo=UTC)
_URL = "https://clinic.example/fhir/Questionnaire/evening-check"


class Shown(NamedTuple):
    """The examples of one type that is stored."""

    create: Example
    update: Example
    judge: Example
    read: Example
    past: Example
    history: Example
    search: Example
    form: Example


_Two = tuple[Resource, Resource]


def _shown(versions: _Two, bodies: _Two, judged: Example, by: Mapping[str, str]) -> Shown:
    first, second = versions
    name, id_ = first["resourceType"], first["id"]
    place = f"{_HOST}{BASE}/{name}"
    past = {
        "resourceType": "Bundle",
        "type": "history",
        "total": 2,
        "link": [{"relation": "self", "url": f"{place}/{id_}/_history?_count=100"}],
        "entry": [
            _version(second, {"method": "PUT", "url": f"{name}/{id_}"}, "200 OK"),
            _version(first, {"method": "POST", "url": name}, "201 Created"),
        ],
    }
    found = searchset(second, f"{place}?{urlencode(by)}")
    return Shown(
        Example(bodies[0], first),
        Example({**bodies[1], "id": id_}, second),
        judged,
        Example(answer=second),
        Example(answer=first),
        Example(answer=past),
        Example(answer=found),
        Example(dict(by), found),
    )


def _version(resource: Resource, request: Mapping[str, str], status: str) -> dict[str, Any]:
    meta = resource["meta"]
    return {
        "fullUrl": f"{_HOST}{BASE}/{resource['resourceType']}/{resource['id']}",
        "resource": resource,
        "request": request,
        "response": {"status": status, "etag": f'W/"{meta["versionId"]}"', "lastModified": meta["lastUpdated"]},
    }


def searchset(resource: Resource, url: str) -> Resource:
    """A searchset of one."""
    place = f"{_HOST}{BASE}/{resource['resourceType']}/{resource['id']}"
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": url}],
        "entry": [{"fullUrl": place, "resource": resource, "search": {"mode": "match"}}],
    }


# -- forms ------------------------------------------------------------------------------------------------------------


def _form(status: str) -> Resource:
    slept = {"linkId": "slept", "text": "How many hours did you sleep?", "type": "integer", "required": True}
    dreamt = {"linkId": "dreamt", "text": "What did you dream of?", "type": "string"}
    return {
        "resourceType": "Questionnaire",
        "url": _URL,
        "version": "1.0",
        "title": "Evening check",
        "status": status,
        "item": [slept, dreamt],
    }


_WELL = msgspec.to_builtins(of_verdict("Questionnaire", ()))
_FORMS = (
    versioned(_form("draft"), "Questionnaire", str(_FORM), 1, _BEGUN),
    versioned(_form("active"), "Questionnaire", str(_FORM), 2, _LATER),
)

# -- patients ---------------------------------------------------------------------------------------------------------


def _patient(**elements: Any) -> Resource:
    identifier = [{"system": "urn:keepwell:external-id", "value": "E-7"}]
    return {"resourceType": "Patient", "identifier": identifier, "name": [{"family": "Doe", "given": ["Ann"]}], **elements}


_PATIENTS = (
    versioned(_patient(), "Patient", str(_PATIENT), 1, _BEGUN),
    versioned(_patient(birthDate="1970-05"), "Patient", str(_PATIENT), 2, _LATER),
)
_WRONG = Fault("/gender", "structure", "This must be one of: female, male, other, unknown.")

# -- responses --------------------------------------------------------------------------------------------------------


def _response(subject: str, *items: Resource, status: str = "in-progress") -> Resource:
    resource = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{_URL}|1.0",
        "status": status,
        "subject": {"reference": subject},
    }
    return {**resource, "item": list(items)} if items else resource


def _answer(link_id: str, text: str = "", **value: Any) -> Resource:
    return {"linkId": link_id, **({"text": text} if text else {}), "answer": [value]}


def _stored(id_: UUID, subject: UUID, version: int, at: datetime, *items: Resource) -> Resource:
    resource = {**_response(f"Patient/{subject}", *items), "authored": instant(at)}
    return versioned(resource, "QuestionnaireResponse", str(id_), version, at)


_SLEPT = _answer("slept", valueInteger=7)
_SLEPT_SHOWN = _answer("slept", "How many hours did you sleep?", valueInteger=7)
_DREAMT_SHOWN = _answer("dreamt", "What did you dream of?", valueString="Flying")
_RESPONSES = (
    _stored(_RESPONSE, _PATIENT, 1, _BEGUN, _SLEPT_SHOWN),
    _stored(_RESPONSE, _PATIENT, 2, _LATER, _SLEPT_SHOWN, _DREAMT_SHOWN),
)
_MISSING = of_verdict("QuestionnaireResponse", [Fault("", "required", "This question needs an answer.", "slept")])

SHOWN: Mapping[str, Shown] = {
    "Questionnaire": _shown(_FORMS, (_form("draft"), _form("active")), Example(_form("draft"), _WELL), {"url": _URL}),
    "Patient": _shown(
        _PATIENTS,
        (_patient(), _patient(birthDate="1970-05")),
        Example(_patient(gender="f"), of_verdict("Patient", [_WRONG])),
        {"identifier": "E-7"},
    ),
    "QuestionnaireResponse": _shown(
        _RESPONSES,
        (
            _response(f"Patient/{_PATIENT}", _SLEPT),
            _response(f"Patient/{_PATIENT}", _SLEPT, _answer("dreamt", valueString="Flying")),
        ),
        Example(_response(f"Patient/{_PATIENT}", status="completed"), _MISSING),
        {"_id": str(_RESPONSE)},
    ),
}
"""By type."""

# -- bundles ----------------------------------------------------------------------------------------------------------


def _created(resource: Resource) -> Resource:
    location = f"{_HOST}{BASE}/{resource['resourceType']}/{resource['id']}/_history/1"
    told = {"status": "201 Created", "etag": 'W/"1"', "location": location, "lastModified": instant(_BEGUN)}
    return {"resource": resource, "response": told}


_NAME = [{"family": "Roe"}]
BUNDLE = Example(
    {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": _NEW,
                "resource": {"resourceType": "Patient", "name": _NAME},
                "request": {"method": "POST", "url": "Patient"},
            },
            {"resource": _response(_NEW, _SLEPT), "request": {"method": "POST", "url": "QuestionnaireResponse"}},
        ],
    },
    {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [
            _created(versioned({"name": _NAME}, "Patient", str(_OTHER_PATIENT), 1, _BEGUN)),
            _created(_stored(_OTHER_RESPONSE, _OTHER_PATIENT, 1, _BEGUN, _SLEPT_SHOWN)),
        ],
    },
)

# -- the audit --------------------------------------------------------------------------------------------------------

_ITEM = AuditItem(
    at=_LATER,
    action="responses.patch",
    command="responses.patch",
    event="changed",
    outcome="stored",
    entity=AuditedEntity("response", _RESPONSE, 2),
    actor=_ACTOR,
    role="clinician",
    door="fhir",
    request_id=_REQUEST,
    purpose="TREAT",
)
_EVENT = audit_event_of(AuditPosition(_LATER, 1, _RESPONSE, 2, "response"), _ITEM, {"response": "QuestionnaireResponse"})
_ENTITY = f"QuestionnaireResponse/{_RESPONSE}"
_EVENTS = searchset(_EVENT, f"{_HOST}{BASE}/AuditEvent?{urlencode({'entity': _ENTITY})}")
EVENT = Example(answer=_EVENT)
EVENTS = Example(answer=_EVENTS)
EVENTS_FORM = Example({"entity": _ENTITY}, _EVENTS)
