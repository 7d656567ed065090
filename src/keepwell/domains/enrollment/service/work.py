"""What running and taking back share: the batch at hand, its parts, commands about it, and whether it is still wanted."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from keepwell.domains.enrollment.models import Batch, FinishBatch, Part, Phase, Status
from keepwell.domains.enrollment.rules.rows import GOOD
from keepwell.domains.enrollment.service import measures
from keepwell.domains.enrollment.service.settings import BATCH, PART, RESOURCE, EnrollmentSettings
from keepwell.domains.enrollment.store import PartPlace, PhaseCounts, counts, known_parts
from keepwell.domains.tenants import operator
from keepwell.kernel import Command, Envelope, Kernel, Origin, Outcome, Permission, Read, Refused, Search, Wanted
from keepwell.kit.ids import keyed_id

_READ, _SEARCH = Permission(RESOURCE, "r"), Permission(RESOURCE, "s")


class Stopped(Exception):  # noqa: N818 - it is how a run ends early, not an error
    """The batch is not to be worked on any more: paused, cancelled or finished."""


class Job(NamedTuple):
    """A batch being worked on, as it was at `version`."""

    tenant: UUID
    batch: Batch
    version: int
    origin: Origin
    blind: Callable[[str], bytes]


class Work:
    """Reads and commands about batches, in the program's own name: who uploaded them is asked for rows only."""

    def __init__(self, kernel: Kernel, settings: EnrollmentSettings) -> None:
        self.kernel = kernel
        self.settings = settings
        self.turns = asyncio.Semaphore(settings.at_once)
        """Parts of all batches take turns, so that the kernel's line for long lists is not theirs alone."""

    async def begin(self, tenant: UUID, batch: UUID) -> Job:
        """A batch to work on.

        Raises:
            Stopped: there is nothing to do.
        """
        origin = Origin("worker", str(batch), purpose="HSYSADMIN")
        snapshot = await self.kernel.read(Read(BATCH, batch, operator(tenant), origin, _READ, "run"))
        state: Batch = snapshot.state
        if state.status not in ("queued", "running"):
            raise Stopped
        return Job(tenant, state, snapshot.version, origin, await self.kernel.blinding(tenant))

    async def still_wanted(self, job: Job) -> None:
        """Raises:
        Stopped: it was paused or cancelled since, or is to be taken back.
        """
        wanted = Wanted({(BATCH, job.batch.id)}, set(), set())
        found = (await self.kernel.versions({job.tenant: wanted})).aggregates
        if found.get((job.tenant, BATCH, job.batch.id)) == job.version:
            return
        if (await self.begin(job.tenant, job.batch.id)).batch.task != job.batch.task:
            raise Stopped

    async def parts(self, job: Job, phase: Phase) -> list[PartPlace]:
        """The parts that anything was recorded of."""
        return await self.kernel.search(self._search(job), lambda connection: known_parts(connection, job.batch.id, phase))

    async def counts(self, job: Job) -> dict[str, PhaseCounts]:
        """How many rows came to what, by phase."""
        return await self.kernel.search(self._search(job), lambda connection: counts(connection, job.batch.id))

    async def all_good(self, job: Job, phase: Phase) -> bool:
        """Whether every row came through."""
        found = (await self.counts(job)).get(phase)
        return found is not None and sum(found.results[name] for name in GOOD) == job.batch.total

    async def part(self, job: Job, id: UUID) -> Part:
        """What is recorded of a part."""
        return (await self.kernel.read(Read(PART, id, operator(job.tenant), job.origin, _READ, "run"))).state

    def part_id(self, job: Job, phase: Phase, number: int) -> UUID:
        """The id of a part, which is the same for everybody who runs it."""
        return keyed_id(job.blind(f"batch-part:{job.batch.id}:{phase}:{number}"))

    def envelope(self, job: Job, command: Command) -> Envelope:
        return Envelope(command, operator(job.tenant), job.origin)

    async def do(self, job: Job, command: Command) -> Outcome:
        """Runs a command about the batch. Raises `Refused` when it is not carried out."""
        return await self.run(self.envelope(job, command))

    async def finish(self, job: Job, status: Status, reason: str | None = None, left: int = 0) -> None:
        """Ends what is being done to the batch. Raises as `do` does."""
        await self.do(job, FinishBatch(job.batch.id, status, reason, left))
        measures.BATCHES.labels(status).inc()

    async def run(self, envelope: Envelope) -> Outcome:
        [outcome] = await self.kernel.execute([envelope])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        return outcome

    def _search(self, job: Job) -> Search:
        return Search(PART, operator(job.tenant), job.origin, _SEARCH, "run")
