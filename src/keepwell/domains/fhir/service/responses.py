"""QuestionnaireResponses: the responses of the clinic, shown with the words of their forms."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from msgspec.structs import replace

from keepwell.domains.fhir.models import Filter, OperationOutcome, Resource
from keepwell.domains.fhir.rules import responses, types
from keepwell.domains.fhir.rules.outcomes import of_verdict
from keepwell.domains.fhir.rules.parameters import dated, equals, plain
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.facade import Facade, Plan
from keepwell.domains.fhir.service.patients import identifier_texts
from keepwell.domains.fhir.service.questionnaires import codes
from keepwell.domains.questionnaires import Definition, QuestionnaireService, compile_form, verdict
from keepwell.domains.responses import (
    INVALID_ANSWERS,
    CreateResponse,
    PatchResponse,
    Reading,
    Response,
    ResponseService,
    in_tree,
    items_of,
    read_items,
)
from keepwell.kernel import Command, Condition, Fault, Kernel, Refusal, Refused, Snapshot
from keepwell.kernel.problems import INVALID_BODY, NOT_FOUND
from keepwell.kit.ids import keyed_id, new_id, parse_id

_STATUSES = "http://hl7.org/fhir/questionnaire-answers-status"


class Responses(Facade):
    """The type QuestionnaireResponse."""

    def __init__(self, kernel: Kernel, service: ResponseService, questionnaires: QuestionnaireService) -> None:
        super().__init__(kernel, types.QUESTIONNAIRE_RESPONSE)
        self._service = service
        self._questionnaires = questionnaires

    async def resources(self, caller: Caller, snapshots: Sequence[Snapshot]) -> list[Resource]:
        found: list[Resource] = []
        for snapshot in snapshots:
            state: Response = snapshot.state
            found.append(responses.response_of(snapshot, await self._form_of(caller, state)))
        return found

    async def _form_of(self, caller: Caller, state: Response) -> Definition:
        definition = await self._form(caller, state.questionnaire)
        if definition is None:
            raise ValueError("a response without its questionnaire")
        return definition

    async def _form(self, caller: Caller, id_: UUID) -> Definition | None:
        """A compiled form; None when there is none of this id."""
        if id_ not in caller.forms and id_ in caller.coming:
            caller.forms[id_] = await asyncio.to_thread(_compiled, caller.coming[id_])
        elif id_ not in caller.forms:
            try:
                snapshot = await self._questionnaires.get(caller.actor, id_, caller.origin)
                caller.forms[id_] = await self._questionnaires.definition(caller.actor, snapshot)
            except Refused as refused:
                if refused.refusal.type != NOT_FOUND:
                    raise
                caller.forms[id_] = None
        return caller.forms[id_]

    async def condition(self, caller: Caller, filter_: Filter) -> Condition:
        blind = await self.kernel.blinding(caller.actor.tenant)
        match filter_.name:
            case "questionnaire":
                return equals(
                    "questionnaire", [id_ for value in filter_.values for id_ in await self._named(caller, plain(value))]
                )
            case "subject" | "patient":
                return equals("subject", [blind(_reference(caller.local(plain(value)))) for value in filter_.values])
            case "status":
                return equals("status", codes(filter_, _STATUSES))
            case "authored":
                return dated(filter_, "authored-first", "authored-last", self.kernel.clock.now())
            case _:
                texts = identifier_texts(filter_)
                return tuple(
                    one
                    for text, value in zip(texts, filter_.values, strict=True)
                    for one in equals("identifier" if "|" in value.replace("\\|", "") else "identifier-value", [blind(text)])
                )

    async def _named(self, caller: Caller, reference: str) -> list[UUID]:
        """The questionnaires that a search names."""
        id_ = parse_id(caller.local(reference).removeprefix("Questionnaire/"))
        return [id_] if id_ is not None else await self._questionnaires.named(caller.actor, reference, caller.origin)

    async def fresh_id(self, caller: Caller, resource: Resource) -> UUID:
        return new_id()

    async def create(self, caller: Caller, resource: Resource, id_: UUID) -> Plan:
        resource = _local(caller, resource)
        faults = responses.begin_faults(resource)
        reference = resource.get("questionnaire")
        if not isinstance(reference, str) or not reference:
            faults.append(Fault("/questionnaire", "required", "A response must say which form it answers."))
            return Plan((), refusal=Refusal(INVALID_BODY, faults=tuple(faults)))
        name = caller.local(reference).removeprefix("Questionnaire/")
        questionnaire = await self._service.questionnaire(caller.actor, name, caller.origin)
        definition = await self._form(caller, questionnaire)
        if definition is None:
            return Plan((CreateResponse(id_, questionnaire),))
        reading = await self._reading(caller, definition, resource)
        command = replace(responses.create(questionnaire, resource, reading), id=id_)
        return _plan((command,), definition, reading, faults)

    async def update(self, caller: Caller, base: Snapshot, resource: Resource) -> Plan:
        resource = _local(caller, resource)
        definition = await self._form_of(caller, base.state)
        reading = await self._reading(caller, definition, resource, base)
        commands = responses.update(base, resource, reading, caller.reason)
        return _plan(commands, definition, reading, responses.update_faults(base, resource))

    async def _reading(self, caller: Caller, definition: Definition, resource: Resource, base: Snapshot | None = None) -> Reading:
        """What the items say. New rows get ids that follow from the request, so that a retry of it is known again."""
        blind = await self.kernel.blinding(caller.actor.tenant)
        seed = sha256(responses.seed(resource, base)).hexdigest()
        known = None if base is None else items_of(definition, base.state.answers, base.state.rows)
        return read_items(definition, resource.get("item"), lambda ordinal: str(keyed_id(blind(f"row:{seed}:{ordinal}"))), known)

    def unguarded(self, id_: UUID) -> Command:
        return PatchResponse(id_, {})

    async def judge(self, caller: Caller, resource: Resource) -> OperationOutcome:
        found = await self._service.judge.resource(caller.actor, resource, caller.origin)
        return of_verdict(self.type.name, found.errors, found.warnings, found.information)


def _local(caller: Caller, resource: Resource) -> Resource:
    """A resource that names its subject, whom compartments go by, without this server's own address."""
    reference = responses.subject_of(resource)
    return (
        resource if reference is None else {**resource, "subject": {**resource["subject"], "reference": caller.local(reference)}}
    )


def _compiled(resource: Resource) -> Definition | None:
    """A form that is about to be stored; None when it will be refused."""
    return None if verdict(resource).faults else compile_form(resource)


def _plan(commands: tuple[Command, ...], definition: Definition, reading: Reading, faults: list[Fault]) -> Plan:
    found = (*faults, *reading.faults)
    refusal = Refusal(INVALID_BODY if faults else INVALID_ANSWERS, faults=found) if found else None
    return Plan(commands, refusal=refusal, in_resource=lambda fault: in_tree(definition, reading, fault))


def _reference(text: str) -> str:
    """The reference that a search means: an id alone is a patient's."""
    return text if "/" in text else f"Patient/{text}"
