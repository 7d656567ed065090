"""The life of a questionnaire: draft, published, retired. Pure."""

from keepwell.domains.questionnaires.errors import QUESTIONNAIRE_INVALID, QUESTIONNAIRE_PUBLISHED, QUESTIONNAIRE_RETIRED
from keepwell.domains.questionnaires.models import (
    CreateQuestionnaire,
    Definition,
    PublishQuestionnaire,
    Questionnaire,
    QuestionnaireCreated,
    QuestionnaireEvent,
    QuestionnairePublished,
    QuestionnaireReplaced,
    QuestionnaireRetired,
    QuestionnaireView,
    ReplaceQuestionnaire,
    RetireQuestionnaire,
    Verdict,
)
from keepwell.domains.questionnaires.rules.definition import compile_form
from keepwell.domains.questionnaires.rules.judging import verdict
from keepwell.kernel.aggregate import Decision
from keepwell.kernel.envelope import Context, Snapshot
from keepwell.kernel.problems import Fault, Refusal

DRAFT, ACTIVE, RETIRED = "draft", "active", "retired"


def prepare(command: CreateQuestionnaire | ReplaceQuestionnaire) -> Verdict:
    """Judges the resource: it may be large, and nothing else has a say in it."""
    return verdict(command.resource)


def decide_create(_state: None, command: CreateQuestionnaire, context: Context) -> Decision:
    """Stores a valid resource under its own status, draft or active."""
    return _refusal(command, context) or (QuestionnaireCreated(command.resource["status"], command.resource),)


def guard_replace(state: Questionnaire, _command: ReplaceQuestionnaire, _context: Context) -> Refusal | None:
    """Only drafts change."""
    if state.status == ACTIVE:
        return Refusal(QUESTIONNAIRE_PUBLISHED)
    return Refusal(QUESTIONNAIRE_RETIRED) if state.status == RETIRED else None


def decide_replace(_state: Questionnaire, command: ReplaceQuestionnaire, context: Context) -> Decision:
    """Puts a valid resource in the place of the draft's; one whose status is active is thereby published."""
    return _refusal(command, context) or (QuestionnaireReplaced(command.resource["status"], command.resource),)


def decide_publish(state: Questionnaire, _command: PublishQuestionnaire, _context: Context) -> Decision:
    """Publishing what is published changes nothing."""
    if state.status == RETIRED:
        return Refusal(QUESTIONNAIRE_RETIRED)
    return (QuestionnairePublished(),) if state.status == DRAFT else ()


def decide_retire(state: Questionnaire, _command: RetireQuestionnaire, _context: Context) -> Decision:
    """Retiring what is retired changes nothing. A draft may be retired too: it was never open."""
    return (QuestionnaireRetired(),) if state.status != RETIRED else ()


def _refusal(command: CreateQuestionnaire | ReplaceQuestionnaire, context: Context) -> Refusal | None:
    judged: Verdict = prepare(command) if context.prepared is None else context.prepared
    faults = judged.faults
    if not faults and command.resource["status"] not in (DRAFT, ACTIVE):
        faults = (Fault("/status", "status", "What is stored anew must be draft or active."),)
    return Refusal(QUESTIONNAIRE_INVALID, faults=faults) if faults else None


def evolve(state: Questionnaire | None, event: QuestionnaireEvent) -> Questionnaire:
    """The questionnaire after one event."""
    if isinstance(event, QuestionnaireCreated | QuestionnaireReplaced):
        return Questionnaire(event.status, event.resource)
    if state is None:
        raise ValueError("a questionnaire begins by being created")
    return Questionnaire(ACTIVE if isinstance(event, QuestionnairePublished) else RETIRED, state.resource)


def view(snapshot: Snapshot) -> QuestionnaireView:
    """What callers see. The resource is as sent but for `id`, which the server gives, and `status`, which moves on."""
    state: Questionnaire = snapshot.state
    sent = state.resource
    resource = {"resourceType": "Questionnaire", "id": str(snapshot.id), "status": state.status}
    # In the author's order; the server's own members win.
    resource = {**dict.fromkeys(("resourceType", "id")), **sent, **resource}
    return QuestionnaireView(snapshot.id, sent.get("url"), sent.get("version"), state.status, sent.get("title"), resource)


def published(state: Questionnaire) -> bool:
    """Whether the resource is fixed for ever: published once, it stays so."""
    return state.status != DRAFT


def canonical(state: Questionnaire) -> str | None:
    """`url|version`, or the url alone; None when the author gave no url."""
    url, version = state.resource.get("url"), state.resource.get("version")
    return f"{url}|{version}" if url and version else url


def derive(state: Questionnaire) -> Definition:
    """The compiled form."""
    return compile_form(state.resource)
