"""The HTTP door of status pages: keeping them, and what everybody sees, as JSON."""

from keepwell.domains.statuspages.errors import INVALID_STATUS_PAGE, STATUS_PAGE_SLUG_TAKEN
from keepwell.domains.statuspages.models import (
    ChangeStatusPage,
    CreateStatusPage,
    DeleteStatusPage,
    PublicPage,
    StatusPageView,
)
from keepwell.domains.statuspages.routes import examples
from keepwell.domains.statuspages.routes.bodies import NewStatusPage, StatusPageChange, StatusPageList
from keepwell.domains.statuspages.service import StatusPageService
from keepwell.domains.statuspages.service.public import FRESH_SECONDS
from keepwell.kernel.http import Answer, Call, Endpoint, Part, answer, page_of
from keepwell.kit.ids import new_id

_TAG = "Status pages"
_PUBLIC = {"cache-control": f"public, max-age={FRESH_SECONDS}"}


class _Pages:
    def __init__(self, service: StatusPageService) -> None:
        self._service = service

    async def create(self, call: Call) -> Answer:
        body: NewStatusPage = call.body
        command = CreateStatusPage(
            new_id(), body.slug, body.title, body.description, body.time_zone, body.components, body.published
        )
        outcome = await call.execute(command)
        return answer(outcome, 201, f"/v1/status-pages/{outcome.id}")

    async def page(self, call: Call) -> Answer:
        part: Part = call.query
        found = await self._service.keeper.page(call.actor, call.origin, part.cursor, part.limit + 1)
        return Answer(200, StatusPageList(*page_of(found, part.limit, lambda one: one.id)))

    async def show(self, call: Call) -> Answer:
        page = await self._service.keeper.get(call.actor, call.id, call.origin)
        return Answer(200, page, {"etag": f'"{page.version}"'})

    async def change(self, call: Call) -> Answer:
        body: StatusPageChange = call.body
        command = ChangeStatusPage(
            call.id, body.slug, body.title, body.description, body.time_zone, body.components, body.published
        )
        return answer(await call.execute(command))

    async def delete(self, call: Call) -> Answer:
        outcome = await call.execute(DeleteStatusPage(call.id))
        return Answer(204, headers={"etag": f'"{outcome.version}"'})

    async def public(self, call: Call) -> Answer:
        shown = await self._service.showing.show(call.path["clinic"], call.path["slug"], call.origin)
        return Answer(200, shown.page, dict(_PUBLIC))


def endpoints(service: StatusPageService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    pages = _Pages(service)
    public = Endpoint(
        "GET",
        "/v1/status/{clinic}/{slug}",
        pages.public,
        "Show everybody how a clinic's services are and were",
        _TAG,
        answers={200: PublicPage},
        public=True,
        compressed=True,
        example=examples.PUBLIC,
    )
    return (public, *_kept(pages))


def _kept(pages: _Pages) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/v1/status-pages",
            pages.create,
            "Make a status page",
            _TAG,
            body=NewStatusPage,
            answers={201: StatusPageView},
            problems=(INVALID_STATUS_PAGE, STATUS_PAGE_SLUG_TAKEN),
            etag=True,
            compressed=True,
            example=examples.CREATE,
        ),
        Endpoint(
            "GET",
            "/v1/status-pages",
            pages.page,
            "List the clinic's status pages, the newest first",
            _TAG,
            query=Part,
            answers={200: StatusPageList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "GET",
            "/v1/status-pages/{id}",
            pages.show,
            "Show a status page as those who keep it see it",
            _TAG,
            answers={200: StatusPageView},
            etag=True,
            compressed=True,
            example=examples.SHOW,
        ),
        Endpoint(
            "PATCH",
            "/v1/status-pages/{id}",
            pages.change,
            "Change a status page, publish it or take it back",
            _TAG,
            body=StatusPageChange,
            answers={200: StatusPageView},
            problems=(INVALID_STATUS_PAGE, STATUS_PAGE_SLUG_TAKEN),
            guarded=True,
            etag=True,
            compressed=True,
            example=examples.CHANGE,
        ),
        Endpoint(
            "DELETE",
            "/v1/status-pages/{id}",
            pages.delete,
            "Take a status page away",
            _TAG,
            answers={204: None},
            guarded=True,
            etag=True,
        ),
    )
