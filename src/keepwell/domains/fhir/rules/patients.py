"""A Patient as what is said of a participant, and back.

Every element is kept as it was sent. The few that a participant has fields for are read from it, by the first place where they
can stand; where a field was changed since, that place shows it.
"""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, unquote
from uuid import UUID

from keepwell.domains.fhir.models import Resource
from keepwell.domains.fhir.rules.resources import structure_faults, told, versioned
from keepwell.domains.participants import Details, Participant, external_system
from keepwell.kernel import Fault, Snapshot

PATIENT = "Patient"
ATTRIBUTE = "urn:keepwell:attribute:"
TIME_ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
_EXTERNAL = external_system(None)
_Json = dict[str, Any]
_ABSENT: _Json = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def external_id_of(resource: Resource, program: UUID | None = None) -> str | None:
    """The external id among a patient's identifiers."""
    return next(
        (one.get("value") for one in _list(resource, "identifier") if one.get("system") == external_system(program)), None
    )


def details_of(resource: Resource) -> Details:
    """What a well-formed Patient says."""
    elements = told(resource)
    return Details(elements=elements, **fields_of(elements))


def fields_of(elements: Mapping[str, Any]) -> _Json:
    """The fields of a participant, as the elements of a Patient say them."""
    [name, *_] = _list(elements, "name") or [{}]
    given = [part for part in name.get("given", ()) if part]
    extensions = _list(elements, "extension")
    return {
        "given_name": " ".join(given) or None,
        "family_name": name.get("family"),
        "birth_date": elements.get("birthDate"),
        "email": _telecom(elements, "email"),
        "phone": _telecom(elements, "phone"),
        "time_zone": next((one.get("valueCode") for one in extensions if one["url"] == TIME_ZONE), None),
        "attributes": {
            unquote(one["url"].removeprefix(ATTRIBUTE)): one["valueString"] for one in extensions if _is_attribute(one)
        },
    }


def _telecom(elements: Mapping[str, Any], system: str) -> str | None:
    return next((one.get("value") for one in _list(elements, "telecom") if one.get("system") == system), None)


def _is_attribute(extension: Mapping[str, Any]) -> bool:
    return extension["url"].startswith(ATTRIBUTE) and "valueString" in extension


def patient_of(snapshot: Snapshot) -> Resource:
    """The Patient that shows a participant."""
    state: Participant = snapshot.state
    return versioned(shown_elements(state), PATIENT, str(snapshot.id), snapshot.version, snapshot.updated_at)


def shown_elements(state: Participant) -> Resource:
    """The elements as sent, with every field in its place."""
    elements: Resource = dict(state.elements)
    said = fields_of(elements)
    if (said["given_name"], said["family_name"]) != (state.given_name, state.family_name):
        _put_name(elements, state)
    if said["birth_date"] != state.birth_date:
        elements.pop("_birthDate", None)
        _put(elements, "birthDate", state.birth_date)
    for system, value in (("email", state.email), ("phone", state.phone)):
        if said[system] != value:
            _put_telecom(elements, system, value)
    if (said["time_zone"], said["attributes"]) != (state.time_zone, state.attributes):
        _put_extensions(elements, state)
    if state.external_id is not None and external_id_of(elements, state.program) != state.external_id:
        identifier = {"system": external_system(state.program), "value": state.external_id}
        elements["identifier"] = [identifier, *_list(elements, "identifier")]
    return elements


def _put(elements: _Json, name: str, value: Any) -> None:
    """Sets an element; without a value there is none."""
    if value:
        elements[name] = value
    else:
        elements.pop(name, None)


def _put_name(elements: _Json, state: Participant) -> None:
    first, *others = _list(elements, "name") or [{}]
    first = {name: value for name, value in first.items() if name not in ("given", "_given", "family", "_family", "text")}
    _put(first, "family", state.family_name)
    _put(first, "given", state.given_name and [state.given_name])
    # The next name must not take the place of one that is gone.
    _put(elements, "name", [first or _ABSENT, *others] if others else [name for name in (first,) if name])


def _put_telecom(elements: _Json, system: str, value: str | None) -> None:
    points = list(_list(elements, "telecom"))
    place = next((place for place, one in enumerate(points) if one.get("system") == system), None)
    if value is None:
        # The next one of its kind would take its place: all of them go.
        points = [one for one in points if one.get("system") != system]
    elif place is None:
        points.append({"system": system, "value": value})
    else:
        points[place] = {**points[place], "value": value}
    _put(elements, "telecom", points)


def _put_extensions(elements: _Json, state: Participant) -> None:
    others = [one for one in _list(elements, "extension") if one["url"] != TIME_ZONE and not _is_attribute(one)]
    zone = [] if state.time_zone is None else [{"url": TIME_ZONE, "valueCode": state.time_zone}]
    attributes = [{"url": ATTRIBUTE + quote(name, safe=""), "valueString": text} for name, text in state.attributes.items()]
    _put(elements, "extension", [*others, *zone, *attributes])


def faults_of(resource: Resource) -> list[Fault]:
    """What of a Patient cannot be stored."""
    return structure_faults(PATIENT, resource)


def in_patient(resource: Resource, fault: Fault) -> Fault:
    """A fault of a participant's field, at the element that the field was read from."""
    telecom = [one.get("system") for one in _list(resource, "telecom")]
    identifiers = [one.get("system") for one in _list(resource, "identifier")]
    places = {
        "/given_name": "/name/0/given",
        "/family_name": "/name/0/family",
        "/birth_date": "/birthDate",
        "/email": f"/telecom/{telecom.index('email')}/value" if "email" in telecom else "",
        "/phone": f"/telecom/{telecom.index('phone')}/value" if "phone" in telecom else "",
        "/external_id": f"/identifier/{identifiers.index(_EXTERNAL)}/value" if _EXTERNAL in identifiers else "",
        "/time_zone": "/extension",
        "/attributes": "/extension",
    }
    return Fault(places.get(fault.pointer, fault.pointer), fault.code, fault.message)


def _list(elements: Mapping[str, Any], name: str) -> list[_Json]:
    return cast("list[_Json]", elements.get(name) or [])
