"""The HTTP door of programs."""

from keepwell.domains.programs.errors import INVALID_PROGRAM
from keepwell.domains.programs.models import ChangeProgram, Changes, CreateProgram, Period, ProgramView
from keepwell.domains.programs.routes import examples
from keepwell.domains.programs.routes.bodies import NewProgram, ProgramList
from keepwell.domains.programs.service import ProgramService
from keepwell.kernel.http import Answer, Call, Endpoint, Part, answer, page_of
from keepwell.kit.ids import new_id

_TAG = "Programs"


class _Programs:
    def __init__(self, service: ProgramService) -> None:
        self._service = service

    async def create(self, call: Call) -> Answer:
        body: NewProgram = call.body
        period = Period(body.opens, body.closes, body.time_zone, body.window)
        outcome = await call.execute(CreateProgram(new_id(), body.name, period, body.mapping))
        return answer(outcome, 201, f"/v1/programs/{outcome.id}")

    async def page(self, call: Call) -> Answer:
        query: Part = call.query
        found = await self._service.page(call.actor, call.origin, query.cursor, query.limit + 1)
        return Answer(200, ProgramList(*page_of(found, query.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        seen = await self._service.show(call.actor, call.id, call.origin)
        return Answer(200, seen.body, {"etag": f'"{seen.version}"'})

    async def change(self, call: Call) -> Answer:
        return answer(await call.execute(ChangeProgram(call.id, call.body)))


def endpoints(service: ProgramService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    programs = _Programs(service)
    return (
        Endpoint(
            "POST",
            "/v1/programs",
            programs.create,
            "Begin a program",
            _TAG,
            body=NewProgram,
            answers={201: ProgramView},
            problems=(INVALID_PROGRAM,),
            etag=True,
            compressed=True,
            example=examples.CREATE,
        ),
        Endpoint(
            "GET",
            "/v1/programs",
            programs.page,
            "List the clinic's programs",
            _TAG,
            query=Part,
            answers={200: ProgramList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/programs/{id}",
            programs.show,
            "Show a program",
            _TAG,
            answers={200: ProgramView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "PATCH",
            "/v1/programs/{id}",
            programs.change,
            "Change a program",
            _TAG,
            body=Changes,
            answers={200: ProgramView},
            problems=(INVALID_PROGRAM,),
            etag=True,
            guarded=True,
            compressed=True,
            example=examples.CHANGE,
        ),
    )
