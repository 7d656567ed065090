"""Items of the audit that the vocabulary of DICOM has a name of its own for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from keepwell.domains.audit import AuditedEntity, AuditItem, AuditPosition
from keepwell.domains.fhir.rules.audit import audit_event_of
from keepwell.kit.ids import new_id

AT = datetime(2026, 3, 1, tzinfo=UTC)


def subtypes(action: str) -> list[str]:
    entity = AuditedEntity("emergency-access", new_id(), 1)
    who: dict[str, Any] = {"actor": new_id(), "role": "clinician", "door": "http", "request_id": "r", "purpose": "ETREAT"}
    item = AuditItem(at=AT, action=action, command=action, event="x", outcome="stored", entity=entity, **who)
    event = audit_event_of(AuditPosition(AT, 1, new_id(), 1, "emergency-access"), item, {})
    assert event["agent"][0]["purposeOfUse"][0]["coding"][0]["code"] == "ETREAT"
    return [f"{each['system']}|{each['code']}" for each in event["subtype"]]


@pytest.mark.parametrize(("action", "code"), [("break-glass.start", "110127"), ("break-glass.end", "110138")])
def test_emergency_access_begins_and_ends_as_an_override(action: str, code: str):
    assert subtypes(action) == [f"urn:keepwell:action|{action}", f"http://dicom.nema.org/resources/ontology/DCM|{code}"]


def test_nothing_else_is_one():
    assert subtypes("break-glass.review") == ["urn:keepwell:action|break-glass.review"]
