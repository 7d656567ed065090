"""Enrollment in service: uploads taken, batches run as jobs, looked at, steered, taken back."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

import structlog

from keepwell.domains.enrollment.errors import UNKNOWN_ROWS
from keepwell.domains.enrollment.models import PART_ROWS, Batch, Correction, ReopenBatch, ReopenRows
from keepwell.domains.enrollment.rules.parts import REOPENABLE
from keepwell.domains.enrollment.service import measures
from keepwell.domains.enrollment.service.running import Runner
from keepwell.domains.enrollment.service.settings import BATCH, PART, RESOURCE, RUN, EnrollmentSettings
from keepwell.domains.enrollment.service.showing import Showing, shown_phase
from keepwell.domains.enrollment.service.uploading import Upload, Uploading
from keepwell.domains.enrollment.service.work import Work
from keepwell.domains.enrollment.store import Runnable, known_parts, runnable_batches
from keepwell.domains.participants import ParticipantService
from keepwell.domains.programs import ProgramService
from keepwell.domains.tenants import operator
from keepwell.kernel import Actor, Command, Envelope, Kernel, Origin, Outcome, Permission, Read, Refusal, Refused, Search
from keepwell.kernel.problems import ABORTED
from keepwell.kit.ids import NIL
from keepwell.platform.queue import Job
from keepwell.platform.telemetry import describe

_UPDATE = Permission(RESOURCE, "u")

Enqueue = Callable[[UUID, Sequence[Job]], Awaitable[None]]
"""Puts jobs of a clinic into the queue."""
_ATTEMPTS = 100
"""A batch outlives many of its workers: each goes on where the last one was. What stalls is said long before this."""
_log = structlog.stdlib.get_logger("keepwell.enrollment")


class EnrollmentService:
    """Batches, for doors and the worker."""

    def __init__(
        self,
        kernel: Kernel,
        programs: ProgramService,
        participants: ParticipantService,
        settings: EnrollmentSettings | None = None,
        enqueue: Enqueue | None = None,
    ) -> None:
        self.settings = settings or EnrollmentSettings()
        self.kernel = kernel
        self.showing = Showing(kernel, self.settings)
        self._uploading = Uploading(kernel, programs, self.settings)
        self._work = Work(kernel, self.settings)
        self._runner = Runner(self._work, participants)
        self._enqueue = enqueue
        self._stalled: set[UUID] = set()

    async def upload(self, actor: Actor, origin: Origin, upload: Upload, stream: AsyncIterator[bytes]) -> Outcome:
        """Makes a batch of what streams in, to be run. Raises `Refused` when it cannot be read, or there is no room for it."""
        outcome = await self._uploading.take(actor, origin, upload, stream)
        if outcome.refusal is None:
            await self.enqueue(actor.tenant, outcome.id)
        return outcome

    async def retry(self, actor: Actor, origin: Origin, id: UUID, rows: Sequence[int], corrections: Sequence[Correction]) -> None:
        """Has rows run again, as corrected; without any named, all that did not come through.

        Raises:
            Refused: as any command; `unknown-rows`, `batch-status`.
        """
        batch: Batch = (await self.showing.get(actor, id, origin)).state
        wanted = {*rows, *(one.row for one in corrections)}
        if any(not 1 <= row <= batch.total for row in wanted):
            raise Refused(Refusal(UNKNOWN_ROWS))
        chosen = await self._chosen(actor, origin, batch, wanted)
        commands: list[Command] = [ReopenBatch(id)]
        for part, mine in chosen.items():
            commands.append(ReopenRows(part, tuple(sorted(mine)), tuple(one for one in corrections if one.row in mine)))
        outcomes = await self.kernel.execute([Envelope(each, actor, origin) for each in commands], atomic=True)
        for outcome in outcomes:
            if outcome.refusal is not None and outcome.refusal != ABORTED:
                raise Refused(outcome.refusal)
        await self.enqueue(actor.tenant, id)

    async def _chosen(self, actor: Actor, origin: Origin, batch: Batch, wanted: set[int]) -> dict[UUID, set[int]]:
        """Rows by part."""
        search = Search(PART, actor, origin, _UPDATE, "find-rows")
        places = await self.kernel.search(search, lambda connection: known_parts(connection, batch.id, shown_phase(batch)))
        chosen: dict[UUID, set[int]] = {}
        for place in places:
            first = place.number * PART_ROWS
            mine = {row for row in wanted if first < row <= first + PART_ROWS}
            if not wanted:
                read = Read(PART, place.id, actor, origin, Permission(RESOURCE, "r"), "list")
                mine = {one.row for one in (await self.kernel.read(read)).state.rows if one.result in REOPENABLE}
            if mine:
                chosen[place.id] = mine
        return chosen

    async def enqueue(self, tenant: UUID, batch: UUID) -> None:
        """Has a batch run by a worker soon. Should this fail, whoever looks for batches that rest does it a little later."""
        if self._enqueue is None:
            return
        try:
            await self._enqueue(tenant, [job(batch)])
        except Exception as error:  # noqa: BLE001 - what the caller asked for is stored by now
            _log.warning("enrollment.not-enqueued", tenant=tenant, id=batch, **describe(error))

    async def run(self, tenant: UUID, batch: UUID) -> None:
        """Runs one batch, here and now. Raises `Refused` where it cannot go on for now."""
        with measures.RUNNING.track_inprogress():
            await self._runner.run(tenant, batch)

    async def runnable(self) -> list[Runnable]:
        """The batches of all clinics that somebody has to work on. Which should move and do not, is said once each time."""
        search = Search(BATCH, operator(NIL), Origin("worker", "enrollment", purpose="HSYSADMIN"), _UPDATE, "find-runnable")
        found = await self.kernel.search(search, runnable_batches)
        measures.WAITING.set(len(found))
        now = self.kernel.clock.now()
        stalled = {each.id: each for each in found if (now - each.moved_at).total_seconds() > self.settings.stall}
        measures.STALLED.set(len(stalled))
        for id_ in stalled.keys() - self._stalled:
            _log.warning("enrollment.stalled", tenant=stalled[id_].tenant, id=id_)
        self._stalled = set(stalled)
        return found


def job(batch: UUID) -> Job:
    """The job of running a batch. While it lies there, or is done, there is no second one."""
    return Job(RUN, str(batch), {"batch": str(batch)}, most_attempts=_ATTEMPTS)


__all__ = ["BATCH", "PART", "RESOURCE", "RUN", "EnrollmentService", "EnrollmentSettings", "Upload", "job"]
