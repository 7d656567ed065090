"""Patients: the participants of the clinic."""

from collections.abc import Sequence
from uuid import UUID

from keepwell.domains.fhir.models import Filter, OperationOutcome, Resource
from keepwell.domains.fhir.rules import types
from keepwell.domains.fhir.rules.outcomes import of_verdict
from keepwell.domains.fhir.rules.parameters import equals, plain, token, wrong
from keepwell.domains.fhir.rules.patients import details_of, external_id_of, faults_of, in_patient, patient_of
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.facade import Facade, Plan
from keepwell.domains.participants import (
    INVALID_PARTICIPANT,
    ChangeParticipant,
    Details,
    Participant,
    ParticipantService,
    RegisterParticipant,
    name_token,
)
from keepwell.kernel import Command, Condition, Envelope, Fault, Kernel, Refusal, Refused, Snapshot
from keepwell.kernel.problems import INVALID_BODY
from keepwell.kit.fhir.tokens import identifier_token
from keepwell.kit.ids import new_id

_NOTHING = Details()


class Patients(Facade):
    """The type Patient."""

    def __init__(self, kernel: Kernel, participants: ParticipantService) -> None:
        super().__init__(kernel, types.PATIENT)
        self._participants = participants

    async def resources(self, caller: Caller, snapshots: Sequence[Snapshot]) -> list[Resource]:
        return [patient_of(snapshot) for snapshot in snapshots]

    async def condition(self, caller: Caller, filter_: Filter) -> Condition:
        blind = await self.kernel.blinding(caller.actor.tenant)
        if filter_.name == "identifier":
            texts = identifier_texts(filter_)
        else:
            texts = [name_token(filter_.name, plain(value), exact=filter_.modifier == "exact") for value in filter_.values]
        return equals("token", map(blind, texts))

    async def fresh_id(self, caller: Caller, resource: Resource) -> UUID:
        external_id = None if faults_of(resource) else external_id_of(resource)
        return await self._participants.id_for(caller.actor.tenant, None, external_id)

    async def create(self, caller: Caller, resource: Resource, id_: UUID) -> Plan:
        faults = faults_of(resource)
        if faults:
            return Plan((RegisterParticipant(id_),), refusal=Refusal(INVALID_BODY, faults=tuple(faults)))
        command = RegisterParticipant(id_, external_id_of(resource), None, details_of(resource))
        return Plan((command,), in_resource=lambda fault: in_patient(resource, fault))

    async def update(self, caller: Caller, base: Snapshot, resource: Resource) -> Plan:
        faults = faults_of(resource)
        state: Participant = base.state
        if not faults and external_id_of(resource, state.program) != state.external_id:
            faults = [Fault("/identifier", "fixed", "A participant stays with the external id.")]
        if faults:
            refusal = Refusal(INVALID_BODY, faults=tuple(faults))
            return Plan((ChangeParticipant(base.id, _NOTHING),), refusal=refusal)
        command = ChangeParticipant(base.id, details_of(resource))
        return Plan((command,), in_resource=lambda fault: in_patient(resource, fault))

    def unguarded(self, id_: UUID) -> Command:
        return ChangeParticipant(id_, _NOTHING)

    async def judge(self, caller: Caller, resource: Resource) -> OperationOutcome:
        plan = await self.create(caller, resource, new_id())
        [command] = plan.commands
        [outcome] = await self.kernel.execute([Envelope(command, caller.actor, caller.origin)], dry_run=True)
        if outcome.refusal is not None and outcome.refusal.type != INVALID_PARTICIPANT:
            raise Refused(outcome.refusal)
        refusal = plan.refusal or outcome.refusal
        return of_verdict(self.type.name, [] if refusal is None else map(plan.in_resource, refusal.faults))


def identifier_texts(filter_: Filter) -> list[str]:
    """What the indexes are made of that find identifiers.

    Raises:
        Refused: `invalid-parameter` for a system without a value: nothing is indexed by that.
    """
    found: list[str] = []
    for value in filter_.values:
        system, code = token(value)
        if not code:
            raise wrong(filter_.name, "Send a value, system|value or |value; a system alone cannot be searched for.")
        found.append(identifier_token(system, code))
    return found
