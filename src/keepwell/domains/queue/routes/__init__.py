"""The HTTP door of the queue."""

from keepwell.domains.queue.errors import JOB_NOT_HELD
from keepwell.domains.queue.models import JobView
from keepwell.domains.queue.routes import examples
from keepwell.domains.queue.routes.bodies import JobList, JobPart
from keepwell.domains.queue.service import QueueService
from keepwell.kernel.http import Answer, Call, Endpoint, page_of

_TAG = "Jobs"


class _Jobs:
    def __init__(self, service: QueueService) -> None:
        self._service = service

    async def page(self, call: Call) -> Answer:
        part: JobPart = call.query
        found = await self._service.page(call.actor, call.origin, part.status, part.cursor, part.limit + 1)
        return Answer(200, JobList(*page_of(found, part.limit, lambda job: job.id)))

    async def retry(self, call: Call) -> Answer:
        return Answer(200, await self._service.retry(call.actor, call.id, call.origin))


def endpoints(service: QueueService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    jobs = _Jobs(service)
    return (
        Endpoint(
            "GET",
            "/v1/jobs",
            jobs.page,
            "List the clinic's jobs that are not done, the newest first",
            _TAG,
            query=JobPart,
            answers={200: JobList},
            compressed=True,
            example=examples.PAGE,
        ),
        Endpoint(
            "POST",
            "/v1/jobs/{id}/retry",
            jobs.retry,
            "Try a job again that failed for good",
            _TAG,
            answers={200: JobView},
            problems=(JOB_NOT_HELD,),
            idempotent=False,
            compressed=True,
            example=examples.RETRY,
        ),
    )
