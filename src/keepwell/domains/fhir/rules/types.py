"""The table of resource types: how each is searched and what can be done with it. Server and CapabilityStatement read it."""

from keepwell.domains import participants, questionnaires, responses
from keepwell.domains.fhir.models import Parameter, ResourceType
from keepwell.domains.fhir.rules.parameters import COMMON

QUESTIONNAIRE = ResourceType(
    "Questionnaire",
    "questionnaire",
    (
        *COMMON,
        Parameter("url", "uri", "The canonical url, in full"),
        Parameter("version", "token", "The business version, in full"),
        Parameter("status", "token", "draft, active or retired"),
        Parameter("title", "string", "How the title begins, in any case", ("exact", "contains")),
    ),
    questionnaires.FINDER,
)
QUESTIONNAIRE_RESPONSE = ResourceType(
    "QuestionnaireResponse",
    "response",
    (
        *COMMON,
        Parameter("questionnaire", "reference", "The form: url, url|version, or Questionnaire/id"),
        Parameter("subject", "reference", "The person it is about, such as Patient/id", ("Patient",)),
        Parameter("patient", "reference", "The patient it is about, by id or as Patient/id"),
        Parameter("status", "token", "in-progress, completed, amended or entered-in-error"),
        Parameter("authored", "date", "When it was authored; when it changed last, where the sender did not say"),
        Parameter("identifier", "token", "The business identifier: value, system|value or |value"),
    ),
    responses.FINDER,
)
PATIENT = ResourceType(
    "Patient",
    "participant",
    (
        *COMMON,
        Parameter("identifier", "token", "An identifier: value, system|value or |value"),
        Parameter("family", "string", "A family name, in full, in any case", ("exact",)),
        Parameter("given", "string", "A given name, in full, in any case", ("exact",)),
    ),
    participants.FINDER,
)
AUDIT_EVENT = ResourceType(
    "AuditEvent",
    "audit",
    (
        Parameter("_id", "token", "The id of the event"),
        Parameter("date", "date", "When it happened"),
        Parameter("entity", "reference", "What was changed or seen, such as QuestionnaireResponse/id"),
        Parameter("agent", "reference", "Who did it: the id of the account"),
    ),
    writable=False,
    versioned=False,
)
TYPES = (QUESTIONNAIRE, QUESTIONNAIRE_RESPONSE, PATIENT, AUDIT_EVENT)
