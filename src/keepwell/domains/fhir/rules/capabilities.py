"""The CapabilityStatement, made of the same table that the server works by."""

from typing import Any

from keepwell.domains.fhir.models import FHIR_JSON, Resource, ResourceType

_SINCE = "2026-11-25"
"""When what the statement says changed last."""

_READS = ("read", "search-type")
_VERSIONS = ("vread", "history-instance")
_WRITES = ("create", "update")


def capability_statement(types: tuple[ResourceType, ...], version: str) -> Resource:
    """What this server can do, in FHIR's words."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _SINCE,
        "kind": "instance",
        "software": {"name": "Keepwell", "version": version},
        "implementation": {"description": "Keepwell, a multi-tenant health-information backend"},
        "fhirVersion": "4.0.1",
        "format": [FHIR_JSON, "json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "A bearer token, with scopes in the syntax of SMART App Launch 2."},
                "resource": [_resource(type_) for type_ in types],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def interactions(type_: ResourceType) -> tuple[str, ...]:
    """What can be done with resources of a type, in FHIR's codes."""
    return (*_READS, *(_VERSIONS if type_.versioned else ()), *(_WRITES if type_.writable else ()))


def _resource(type_: ResourceType) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": type_.name,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type_.name}",
        "interaction": [{"code": code} for code in interactions(type_)],
        "versioning": "versioned-update" if type_.writable else "versioned" if type_.versioned else "no-version",
        "conditionalRead": "not-match",
        "searchParam": [{"name": one.name, "type": one.type, "documentation": one.documentation} for one in type_.parameters],
    }
    if type_.versioned:
        described["readHistory"] = True
    if type_.writable:
        definition = "http://hl7.org/fhir/OperationDefinition/Resource-validate"
        described |= {
            "updateCreate": False,
            "conditionalCreate": True,
            "operation": [{"name": "validate", "definition": definition}],
        }
    return described
