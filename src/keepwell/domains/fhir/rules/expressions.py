"""Places in a resource as FHIRPath: from JSON pointers, which every other door uses."""

import re

_CHOICE = re.compile(r"(value|answer|deceased|multipleBirth|defaultValue)([A-Z][A-Za-z0-9]*)")
_COMPLEX = frozenset(
    (
        "Address", "Age", "Annotation", "Attachment", "CodeableConcept", "Coding", "ContactDetail", "ContactPoint", "Contributor",
        "Count", "DataRequirement", "Distance", "Dosage", "Duration", "Expression", "HumanName", "Identifier", "Meta", "Money",
        "ParameterDefinition", "Period", "Quantity", "Range", "Ratio", "Reference", "RelatedArtifact", "SampledData", "Signature",
        "Timing", "TriggerDefinition", "UsageContext",
    )
)  # fmt: skip
_PRIMITIVE = frozenset(
    (
        "Base64Binary", "Boolean", "Canonical", "Code", "Date", "DateTime", "Decimal", "Id", "Instant", "Integer", "Markdown",
        "Oid", "PositiveInt", "String", "Time", "UnsignedInt", "Uri", "Url", "Uuid",
    )
)  # fmt: skip
_WORDS = frozenset(("and", "as", "contains", "div", "false", "implies", "in", "is", "mod", "or", "true", "xor"))
"""Names that FHIRPath would take for something else."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expression(root: str, pointer: str) -> str:
    """The FHIRPath to the place that a JSON pointer means in a resource of this type.

    Of a parameter (`?name`) it is `http.name`, as FHIR R4 wants it (OperationOutcome.issue.location).
    """
    if pointer.startswith("?"):
        return f"http.{pointer[1:]}"
    found = root
    for step in pointer.split("/")[1:]:
        found += _step(step.replace("~1", "/").replace("~0", "~"))
    return found


def _step(step: str) -> str:
    if step.isascii() and step.isdigit():
        return f"[{step}]"
    choice = _CHOICE.fullmatch(step)
    if choice is not None and choice[2] in _COMPLEX:
        return f".{choice[1]}.ofType({choice[2]})"
    if choice is not None and choice[2] in _PRIMITIVE:
        return f".{choice[1]}.ofType({choice[2][0].lower()}{choice[2][1:]})"
    return (
        f".{step}"
        if _NAME.fullmatch(step) and step not in _WORDS
        else ".`" + step.replace("\\", "\\\\").replace("`", "\\`") + "`"
    )
