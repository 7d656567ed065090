"""What resources of all types have in common: the elements that are the server's own, and those that cannot be kept."""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, cast

from keepwell.domains.fhir.models import Resource
from keepwell.domains.questionnaires import element_faults
from keepwell.kernel import Fault

_SERVERS = ("resourceType", "id")
_META = ("versionId", "lastUpdated")
_CHANGES_MEANING = ("implicitRules", "modifierExtension")


def instant(at: datetime) -> str:
    """An instant as FHIR writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def http_date(at: datetime) -> str:
    """An instant as HTTP writes it (RFC 9110, 5.6.7)."""
    return format_datetime(at.astimezone(UTC), usegmt=True)


def told(resource: Resource, *, without: Iterable[str] = ()) -> Resource:
    """What a sender tells: all but the elements that the server itself gives, and those named."""
    found = {name: value for name, value in resource.items() if name not in (*_SERVERS, *without)}
    if isinstance(found.get("meta"), dict):
        meta = {name: value for name, value in found["meta"].items() if name not in _META}
        found = {name: value for name, value in {**found, "meta": meta}.items() if name != "meta" or meta}
    return found


def versioned(elements: Resource, type_: str, id_: str, version: int, at: datetime) -> Resource:
    """A resource with the elements that the server gives, those first."""
    meta = {**cast("dict[str, Any]", elements.get("meta", {})), "versionId": str(version), "lastUpdated": instant(at)}
    own = {"resourceType": type_, "id": id_, "meta": meta}
    return {**own, **elements, **own}


def structure_faults(type_: str, resource: Resource) -> list[Fault]:
    """What is wrong with a resource by the structure of R4, and what of it would change its meaning unnoticed."""
    if len(resource) <= 1:
        return []  # nothing is said but what it is
    faults = element_faults(type_, {name: value for name, value in resource.items() if name != "resourceType"})
    kept = [
        Fault(f"/{name}", "not-kept", "This changes the meaning of a resource in a way that is not known here.")
        for name in _CHANGES_MEANING
        if name in resource
    ]
    return [*faults, *kept]
