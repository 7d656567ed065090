"""Questionnaires: the forms of the clinic."""

from collections.abc import Sequence
from uuid import UUID

from keepwell.domains.fhir.models import Filter, OperationOutcome, Resource
from keepwell.domains.fhir.rules import questionnaires, types
from keepwell.domains.fhir.rules.outcomes import of_verdict
from keepwell.domains.fhir.rules.parameters import equals, plain, token
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.facade import Facade, Plan
from keepwell.domains.questionnaires import CreateQuestionnaire, QuestionnaireService, ReplaceQuestionnaire
from keepwell.kernel import Command, Condition, Kernel, Snapshot
from keepwell.kit.ids import new_id

_STATUSES = "http://hl7.org/fhir/publication-status"


class Questionnaires(Facade):
    """The type Questionnaire."""

    def __init__(self, kernel: Kernel, service: QuestionnaireService) -> None:
        super().__init__(kernel, types.QUESTIONNAIRE)
        self._service = service

    async def resources(self, caller: Caller, snapshots: Sequence[Snapshot]) -> list[Resource]:
        return [questionnaires.questionnaire_of(snapshot) for snapshot in snapshots]

    async def condition(self, caller: Caller, filter_: Filter) -> Condition:
        values = [plain(value) for value in filter_.values]
        match filter_.name, filter_.modifier:
            case "status", _:
                return equals("status", codes(filter_, _STATUSES))
            case "title", "exact":
                return equals("title-exact", values)
            case "title", modifier:
                column = "title-contains" if modifier else "title"
                return equals(column, [value.lower() for value in values])
            case name, _:
                return equals(name, values)

    async def fresh_id(self, caller: Caller, resource: Resource) -> UUID:
        return new_id()

    async def create(self, caller: Caller, resource: Resource, id_: UUID) -> Plan:
        caller.coming[id_] = resource
        return Plan((CreateQuestionnaire(id_, resource),))

    async def update(self, caller: Caller, base: Snapshot, resource: Resource) -> Plan:
        return Plan((questionnaires.update(base, resource),))

    def unguarded(self, id_: UUID) -> Command:
        return ReplaceQuestionnaire(id_, {})

    async def judge(self, caller: Caller, resource: Resource) -> OperationOutcome:
        found = await self._service.judge(caller.actor, resource, caller.origin)
        return of_verdict(self.type.name, found.errors, found.warnings)


def codes(filter_: Filter, system: str) -> list[str]:
    """The codes asked for, of those that are of this system or of any."""
    return [code for sent, code in map(token, filter_.values) if sent in (None, "", system)]
