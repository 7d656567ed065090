"""The nouns of this room: claimed conditions, resource types and how they are searched, and outcomes as FHIR tells them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from keepwell.kernel import Finder
from keepwell.kernel.envelope import Command

BASE = "/fhir/R4"
"""Where the FHIR interface begins."""

FHIR_JSON = "application/fhir+json"

Resource = dict[str, Any]
"""A FHIR resource as JSON has it."""


# -- conditions -------------------------------------------------------------------------------------------------------


class Condition(msgspec.Struct, frozen=True):
    """A condition under which resources were created, in one compartment or in the whole clinic. It counts how often."""

    claims: int
    subject: str | None = None


class OpenCondition(Command, frozen=True):
    """Claims a condition for the first time. There is a command for each type, since each needs the permission to create that."""

    subject: str | None = None


class OpenPatientCondition(OpenCondition, frozen=True):
    """Claims one that Patients are created under."""


class OpenQuestionnaireCondition(OpenCondition, frozen=True):
    """Claims one that Questionnaires are created under."""


class OpenResponseCondition(OpenCondition, frozen=True):
    """Claims one that QuestionnaireResponses are created under."""


class ClaimCondition(Command, frozen=True):
    """Claims it again: only who saw the last claim may. There is one for each type, too."""


class ClaimPatientCondition(ClaimCondition, frozen=True):
    """Claims one that Patients are created under."""


class ClaimQuestionnaireCondition(ClaimCondition, frozen=True):
    """Claims one that Questionnaires are created under."""


class ClaimResponseCondition(ClaimCondition, frozen=True):
    """Claims one that QuestionnaireResponses are created under."""


CONDITION = "fhir-condition"
"""The kind of the aggregate."""

CONDITIONED: Mapping[str, tuple[type[OpenCondition], type[ClaimCondition]]] = {
    "Patient": (OpenPatientCondition, ClaimPatientCondition),
    "Questionnaire": (OpenQuestionnaireCondition, ClaimQuestionnaireCondition),
    "QuestionnaireResponse": (OpenResponseCondition, ClaimResponseCondition),
}
"""By type, how its conditions are claimed first and again."""


class ConditionClaimed(msgspec.Struct, frozen=True, tag="claimed", omit_defaults=True):
    """Somebody created a resource that met the condition, after nobody had found one."""

    subject: str | None = None


# -- resource types ---------------------------------------------------------------------------------------------------

ParameterType = Literal["token", "reference", "date", "string", "uri"]


class Parameter(msgspec.Struct, frozen=True):
    """One search parameter of a type."""

    name: str
    type: ParameterType
    documentation: str
    modifiers: tuple[str, ...] = ()


class ResourceType(msgspec.Struct, frozen=True):
    """One type of resource, and what can be done with it. `finder` is None where the room itself searches."""

    name: str
    kind: str
    parameters: tuple[Parameter, ...]
    finder: Finder | None = None
    writable: bool = True
    versioned: bool = True

    def parameter(self, name: str) -> Parameter | None:
        return next((one for one in self.parameters if one.name == name), None)


class Filter(msgspec.Struct, frozen=True):
    """One search parameter as sent: it holds for any of the values."""

    name: str
    values: tuple[str, ...]
    modifier: str = ""


class Query(msgspec.Struct, frozen=True):
    """One search as sent: every filter must hold. `ignored` are parameters nobody here knows, where the caller allows that."""

    filters: tuple[Filter, ...] = ()
    count: int = 100
    by: Literal["id", "updated_at"] = "id"
    descending: bool = True
    counted: bool = False
    listed: bool = True
    cursor: str | None = None
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()


class HistoryPart(NamedTuple):
    """Which versions of a history: at most so many of those below `before` and made at or after `since`."""

    most: int
    before: int | None = None
    since: datetime | None = None
    since_text: str = ""


# -- outcomes ---------------------------------------------------------------------------------------------------------


class OutcomeCoding(msgspec.Struct, frozen=True):
    """A code, and whose it is."""

    system: str
    code: str


class OutcomeDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What it is, in codes and words."""

    coding: tuple[OutcomeCoding, ...]
    text: str = ""


class OutcomeExtension(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something more that FHIR has no place for."""

    url: str
    valueString: str | None = None  # noqa: N815 - FHIR's own name
    valueInteger: int | None = None  # noqa: N815 - as above


class OutcomeIssue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to tell. `code` is FHIR's issue type; `expression` are FHIRPaths to the places meant."""

    severity: Literal["error", "warning", "information"]
    code: str
    details: OutcomeDetails | None = None
    diagnostics: str | None = None
    expression: tuple[str, ...] = ()
    extension: tuple[OutcomeExtension, ...] = ()


class OperationOutcome(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="resourceType", tag="OperationOutcome"):
    """What came of something, as FHIR tells it."""

    issue: tuple[OutcomeIssue, ...]
    extension: tuple[OutcomeExtension, ...] = ()


# -- interactions -----------------------------------------------------------------------------------------------------


class Preferences(NamedTuple):
    """What a caller would rather have: `returned` is `representation`, `minimal` or `OperationOutcome`."""

    returned: str = "representation"
    lenient: bool = False
