"""A Questionnaire as FHIR shows it, and which command brings it from one version to another."""

from keepwell.domains.fhir.models import Resource
from keepwell.domains.fhir.rules.resources import told, versioned
from keepwell.domains.questionnaires import (
    PublishQuestionnaire,
    Questionnaire,
    ReplaceQuestionnaire,
    RetireQuestionnaire,
)
from keepwell.kernel import Command, Snapshot

QUESTIONNAIRE = "Questionnaire"
_DRAFT, _ACTIVE, _RETIRED = "draft", "active", "retired"


def questionnaire_of(snapshot: Snapshot) -> Resource:
    """The Questionnaire as it was sent, but for the elements that are the server's own."""
    state: Questionnaire = snapshot.state
    elements = {**state.resource, "status": state.status}
    elements.pop("resourceType", None)
    elements.pop("id", None)
    return versioned(elements, QUESTIONNAIRE, str(snapshot.id), snapshot.version, snapshot.updated_at)


def update(base: Snapshot, resource: Resource) -> Command:
    """What an update asks for: to publish or retire when nothing but the status says so, else to put it in the other's place."""
    state: Questionnaire = base.state
    status = resource.get("status")
    if told(resource, without=("status",)) == told(state.resource, without=("status",)):
        if status == _RETIRED and state.status != _RETIRED:
            return RetireQuestionnaire(base.id)
        if status == _ACTIVE and state.status == _DRAFT:
            return PublishQuestionnaire(base.id)
    return ReplaceQuestionnaire(base.id, resource)
