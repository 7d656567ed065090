"""Looking at jobs, trying again what failed for good, and telling of it while it is so."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from keepwell.domains.incidents import IncidentService, Report
from keepwell.domains.queue.errors import JOB_NOT_HELD
from keepwell.domains.queue.models import JobView, Status, Trouble
from keepwell.domains.queue.store import one, page, troubles
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Kernel, Origin, Permission, Refused, Search
from keepwell.kernel.problems import NOT_FOUND, Refusal
from keepwell.kit.ids import NIL
from keepwell.platform.queue import Queue

KIND, RESOURCE = "job", "Job"
_READ, _SEARCH, _UPDATE, _DELETE = (Permission(RESOURCE, letter) for letter in "rsud")
_SUBJECTS = "queue/"
_RUNBOOK = "docs/jobs.md"


class QueueService:
    """The jobs of a clinic. `queue` is asked for what only a worker may do; how long is too long is its setting."""

    def __init__(self, kernel: Kernel, queue: Queue, incidents: IncidentService) -> None:
        self._kernel = kernel
        self._queue = queue
        self._incidents = incidents

    async def page(self, actor: Actor, origin: Origin, status: Status | None, before: UUID | None, limit: int) -> list[JobView]:
        """Jobs, the newest first. Raises `Refused` as any search."""
        search = Search(KIND, actor, origin, _SEARCH, "list")
        return await self._kernel.search(search, lambda connection: page(connection, status, before, limit))

    async def retry(self, actor: Actor, id_: UUID, origin: Origin) -> JobView:
        """A held job, made ready again with all its attempts. That it was asked for is recorded first, that it was done after.

        Raises:
            Refused: as any search; `not-found`; `job-not-held`.
        """
        search = Search(KIND, actor, origin, _UPDATE, "retry")
        found = await self._kernel.search(search, lambda connection: one(connection, id_))
        if found is None:
            raise Refused(Refusal(NOT_FOUND))
        if not await self._queue.redrive(actor.tenant, id_):
            raise Refused(Refusal(JOB_NOT_HELD))
        await self._kernel.record(actor, origin, "jobs.redrive", KIND, id_, "ok")
        search = Search(KIND, actor, origin, _READ, "show")
        again = await self._kernel.search(search, lambda connection: one(connection, id_))
        return found if again is None else again  # a worker may have done it already

    async def purge(self, actor: Actor, origin: Origin, kept: timedelta) -> int:
        """Deletes the clinic's jobs that failed for good longer ago than they are `kept`; how many. The audit says so.

        Raises:
            Refused: as any search.
        """
        await self._kernel.search(Search(KIND, actor, origin, _DELETE, "purge"), _nothing)
        purged = await self._queue.purge(actor.tenant, self._kernel.clock.now() - kept)
        if purged:
            await self._kernel.record(actor, origin, "jobs.purge", KIND, NIL, "ok")
        return purged

    async def watch(self, origin: Origin) -> None:
        """Opens an incident in each clinic whose jobs fail for good or wait too long, and resolves it when that is over.

        Raises:
            Refused: the database is out of reach.
        """
        late, patient = self._queue.settings.stuck, self._queue.settings.patient
        search = Search(KIND, operator(NIL), origin, _SEARCH, "watch")
        found = await self._kernel.search(search, lambda connection: troubles(connection, late, patient))
        await self._incidents.keep_told(origin, _SUBJECTS, _reports(found, late))


async def _nothing(_: Any) -> None:
    """Only whether they may is asked."""


def _reports(found: Iterable[Trouble], late: float) -> dict[UUID, list[Report]]:
    told: dict[UUID, list[Report]] = {}
    for trouble in found:
        reports = told.setdefault(trouble.tenant, [])
        if trouble.held:
            text = f"{trouble.held} so far. GET /v1/jobs?status=held lists them; POST /v1/jobs/{{id}}/retry tries one again."
            reports.append(Report(f"{_SUBJECTS}held", "warning", "Jobs failed for good", text, _RUNBOOK))
        if trouble.age > late:
            text = f"The oldest has been due for {trouble.age:.0f} s."
            reports.append(Report(f"{_SUBJECTS}age", "critical", "Jobs wait too long", text, _RUNBOOK))
    return told
