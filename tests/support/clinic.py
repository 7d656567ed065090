"""A clinic over HTTP without log-in: the door, the kernel and the database are real, who calls is simply said."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

from keepwell.domains import enrollment, fhir, incidents, participants, programs, questionnaires, responses
from keepwell.domains.audit import AuditService
from keepwell.domains.enrollment import EnrollmentService, EnrollmentSettings
from keepwell.domains.enrollment import routes as enrollment_routes
from keepwell.domains.fhir import FhirService
from keepwell.domains.fhir import routes as fhir_routes
from keepwell.domains.graphql import GraphQLService
from keepwell.domains.graphql import routes as graphql_routes
from keepwell.domains.participants import ParticipantService
from keepwell.domains.participants import routes as participant_routes
from keepwell.domains.programs import ProgramService
from keepwell.domains.programs import routes as program_routes
from keepwell.domains.questionnaires import QuestionnaireService
from keepwell.domains.questionnaires import routes as questionnaire_routes
from keepwell.domains.responses import ResponseService
from keepwell.domains.responses import routes as response_routes
from keepwell.kernel import Actor, Catalog, Kernel, Limits, Refusal, Refused
from keepwell.kernel.http import Door, Endpoint
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.problems import UNAUTHENTICATED
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.clock import ManualClock
from tests.support.cluster import MASTER_KEY, DatabaseUrls
from tests.support.forms import form
from tests.support.http_server import serving

_asyncpg: Any = asyncpg  # partly typed
CLINICIAN = (
    "user/Batch.crus",
    "user/Patient.crus",
    "user/Program.crus",
    "user/Questionnaire.crus",
    "user/QuestionnaireResponse.crus",
)
_ROOMS = (questionnaires, responses, participants, fhir, programs, enrollment, incidents)
PATIENT = ("user/Questionnaire.rs", "patient/QuestionnaireResponse.crus")


@dataclass
class Clinic:
    """One clinic and who may call on its behalf. `http` speaks as a clinician unless told otherwise."""

    kernel: Kernel
    clock: ManualClock
    http: httpx.AsyncClient
    everything: str
    enrollment: EnrollmentService
    tenant: Any = field(default_factory=new_id)
    actors: dict[str, Actor] = field(default_factory=dict[str, Actor])
    merges: bool = False
    legacy: bool = True
    endpoints: tuple[Endpoint, ...] = ()

    async def merges_by_default(self, _: Actor) -> bool:
        """What the flag of this name says here."""
        return self.merges

    async def legacy_graphql(self, _: Actor) -> bool:
        """What the flag of this name says here."""
        return self.legacy

    def acting(
        self, name: str, scopes: tuple[str, ...] = CLINICIAN, subject: str | None = None, tenant: Any = None
    ) -> dict[str, str]:
        """Headers that speak for an actor of this name."""
        self.actors[f"Bearer {name}"] = Actor(tenant or self.tenant, new_id(), "clinician", scopes, subject=subject)
        return {"authorization": f"Bearer {name}"}

    def authenticate(self, authorization: str) -> Actor:
        if authorization not in self.actors:
            raise Refused(Refusal(UNAUTHENTICATED))
        return self.actors[authorization]

    async def publish(self, *items: dict[str, Any], **elements: Any) -> str:
        """The id of a published form with these items."""
        answer = await self.http.post("/v1/questionnaires", json=form(*items, **elements))
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def begin(self, questionnaire: str, **body: Any) -> dict[str, Any]:
        """A response just begun."""
        answer = await self.http.post("/v1/responses", json={"questionnaire": questionnaire, **body})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def patch(self, id_: str, version: int, answers: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.http.patch(f"/v1/responses/{id_}", json={"answers": answers}, headers={**match(version), **headers})

    async def stored(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Rows as the superuser sees them: past row-level security."""
        connection = await _asyncpg.connect(self.everything)
        rows = await connection.fetch(sql, *arguments)
        await connection.close()
        return [tuple(row) for row in rows]

    async def graphql(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        return await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    async def post(self, path: str, version: int | None = None, body: Any = None) -> httpx.Response:
        headers = {} if version is None else match(version)
        return await self.http.post(path, headers=headers, **({} if body is None else {"json": body}))


def match(version: int) -> dict[str, str]:
    return {"if-match": f'"{version}"'}


@asynccontextmanager
async def opened(urls: DatabaseUrls, clock: ManualClock, *, introspection: bool = False) -> AsyncGenerator[Clinic]:
    """A clinic of the test's own, served on a socket."""
    database = Database(PoolSettings(urls.app, largest=4, wait=2.0))
    await database.open()
    kernel = Kernel(
        database,
        Catalog(tuple(aggregate for room in _ROOMS for aggregate in room.AGGREGATES)),
        KeyRing(MASTER_KEY, clock),
        clock,
        Limits(patience=10.0),  # as long as a busy machine takes
    )
    forms, people = QuestionnaireService(kernel), ParticipantService(kernel)
    studies = ProgramService(kernel)
    batches = EnrollmentService(kernel, studies, people, EnrollmentSettings(pauses=(0.01, 0.05)))
    async with httpx.AsyncClient(timeout=20) as http:
        clinic = Clinic(kernel, clock, http, urls.superuser, batches)
        answers = ResponseService(kernel, forms, clinic.merges_by_default)
        records = (*questionnaire_routes.endpoints(forms), *response_routes.endpoints(answers))
        old = GraphQLService(kernel, clinic.legacy_graphql)
        clinic.endpoints = (
            *records,
            *participant_routes.endpoints(people),
            *program_routes.endpoints(studies),
            *enrollment_routes.endpoints(batches),
            *fhir_routes.endpoints(FhirService(kernel, forms, answers, people, AuditService(kernel))),
            *graphql_routes.endpoints(old, records, lambda _: None, introspection=introspection),
        )
        shapes = {**fhir_routes.SHAPES, **graphql_routes.SHAPES}
        async with serving(Door(kernel, clinic.authenticate, clinic.endpoints, shapes=shapes)) as base:
            http.base_url = httpx.URL(base)
            http.headers.update(clinic.acting("clinician"))
            yield clinic
    await kernel.close()
    await database.close()
