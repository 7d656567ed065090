"""Items of the audit as AuditEvents, and the ids by which one is found again.

An item has no id of its own: its id says where it stands, so that finding it needs no index. Source: HL7 FHIR R4 (4.0.1).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from keepwell.domains.audit import AuditItem, AuditPosition
from keepwell.domains.fhir.models import Resource
from keepwell.domains.fhir.rules.resources import instant
from keepwell.kit.ids import NIL
from keepwell.kit.time import microseconds

AUDIT_EVENT = "AuditEvent"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = ("Patient", "Questionnaire", "QuestionnaireResponse")
_WELL = ("ok", "stored", "replayed", "unchanged", "dry-run", "repaired")
_OURS = ("internal-error", "overloaded", "temporarily-unavailable", "outcome-unknown")
_LOOKS = ("read", "history", "list", "diff", "validate")
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_OVERRIDES: Mapping[str, tuple[dict[str, str], ...]] = {
    "break-glass.start": ({"system": _DCM, "code": "110127", "display": "Emergency Override Started"},),
    "break-glass.end": ({"system": _DCM, "code": "110138", "display": "Emergency Override Stopped"},),
}
"""What the vocabulary of DICOM has a name of its own for (PS3.16, annex D)."""


class Standing(NamedTuple):
    """Where an item stands: `entity` is what was seen, for a look; of a change, `id` is what was changed."""

    at: datetime
    source: int
    id: UUID
    version: int
    entity: UUID


def event_id(position: AuditPosition, item: AuditItem) -> str:
    """The id of an item: letters, digits, hyphens and dots, at most 64 (FHIR R4, id)."""
    place = bytes((position.source,)) + microseconds(position.at).to_bytes(8, "big", signed=True) + position.id.bytes
    last = position.version.to_bytes(4, "big") if position.source else (item.entity.id or NIL).bytes
    return urlsafe_b64encode(place + last).decode("ascii").rstrip("=").replace("_", ".")


def standing(text: str) -> Standing | None:
    """Where the item of this id stands; None for what is no id of an item."""
    try:
        whole = urlsafe_b64decode(text.replace(".", "_") + "=" * (-len(text) % 4))
        at = _EPOCH + timedelta(microseconds=int.from_bytes(whole[1:9], "big", signed=True))
    except (ValueError, NotBase64, OverflowError):
        return None
    source, last = whole[:1], whole[25:]
    if source == b"\1" and len(last) == 4:
        id_ = UUID(bytes=whole[9:25])
        return Standing(at, 1, id_, int.from_bytes(last, "big"), id_)
    if source == b"\0" and len(last) == 16:
        return Standing(at, 0, UUID(bytes=whole[9:25]), 0, UUID(bytes=last))
    return None


def audit_event_of(position: AuditPosition, item: AuditItem, types: Mapping[str, str]) -> Resource:
    """The AuditEvent of an item. `types` names the resource type of each kind."""
    return {
        "resourceType": AUDIT_EVENT,
        "id": event_id(position, item),
        "meta": {"versionId": "1", "lastUpdated": instant(item.at)},
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "urn:keepwell:action", "code": item.action}, *_OVERRIDES.get(item.action, ())],
        "action": _action(item),
        "recorded": instant(item.at),
        "outcome": "0" if item.outcome in _WELL else "8" if item.outcome in _OURS else "4",
        "outcomeDesc": item.outcome,
        "agent": [
            {
                "role": [{"coding": [{"system": "urn:keepwell:role", "code": item.role}]}],
                "who": _named(item.actor),
                "requestor": True,
                "purposeOfUse": [
                    {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": item.purpose}]}
                ],
            }
        ],
        "source": {"site": item.door, "observer": {"display": "Keepwell"}},
        "entity": [_entity(item, types), _request(item)],
    }


def _action(item: AuditItem) -> str:
    if item.command is not None:
        return "C" if item.entity.version == 1 else "U"
    return "R" if item.action.startswith(_LOOKS) else "E"


def _named(id_: UUID) -> dict[str, Any]:
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{id_}"}}


def _entity(item: AuditItem, types: Mapping[str, str]) -> dict[str, Any]:
    about, type_ = item.entity, types.get(item.entity.kind, AUDIT_EVENT)
    found: dict[str, Any] = {"name": about.kind}
    if type_ in _SHOWN and about.id is not None:
        version = "" if about.version is None else f"/_history/{about.version}"
        found["what"] = {"reference": f"{type_}/{about.id}{version}"}
    elif about.id is not None:
        found["what"] = _named(about.id)
    return found


def _request(item: AuditItem) -> dict[str, Any]:
    system = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
    return {"what": {"identifier": {"value": item.request_id}}, "type": {"system": system, "code": "XrequestId"}}
