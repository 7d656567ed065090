"""The interactions of the FHIR door, each mapped onto the kernel."""

from collections.abc import Mapping

from keepwell.domains.audit import AuditService
from keepwell.domains.fhir.service.caller import Caller
from keepwell.domains.fhir.service.events import AuditEvents
from keepwell.domains.fhir.service.facade import Facade, Source
from keepwell.domains.fhir.service.interactions import Done
from keepwell.domains.fhir.service.patients import Patients
from keepwell.domains.fhir.service.questionnaires import Questionnaires
from keepwell.domains.fhir.service.responses import Responses
from keepwell.domains.participants import ParticipantService
from keepwell.domains.questionnaires import QuestionnaireService
from keepwell.domains.responses import ResponseService
from keepwell.kernel import Kernel


class FhirService:
    """All types of resources, over the services of the rooms that keep them."""

    def __init__(
        self,
        kernel: Kernel,
        questionnaires: QuestionnaireService,
        responses: ResponseService,
        participants: ParticipantService,
        audit: AuditService,
    ) -> None:
        self.kernel = kernel
        self.events = AuditEvents(kernel, audit)
        self.stored: tuple[Facade, ...] = (
            Questionnaires(kernel, questionnaires),
            Responses(kernel, responses, questionnaires),
            Patients(kernel, participants),
        )
        self.sources: Mapping[str, Source] = {source.type.name: source for source in (*self.stored, self.events)}


__all__ = ["Caller", "Done", "Facade", "FhirService"]
