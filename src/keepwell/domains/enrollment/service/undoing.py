"""Taking a batch back, by further events on each participant. Who was changed since by anybody else is left and listed."""

from collections.abc import Sequence
from uuid import UUID

from keepwell.domains.enrollment.models import Part, RecordUndone, RowOutcome
from keepwell.domains.enrollment.rules.rows import TRANSIENT
from keepwell.domains.enrollment.service.settings import PART
from keepwell.domains.enrollment.service.trying import Trying
from keepwell.domains.enrollment.service.work import Job, Work
from keepwell.domains.participants import WithdrawEnrollment
from keepwell.kernel import Actor, Closing, Envelope, Origin, Outcome


async def undo(work: Work, job: Job) -> None:
    """Takes back every row that changed something, part by part, and ends the batch."""
    left = 0
    for place in await work.parts(job, "run"):
        await work.still_wanted(job)
        left += await _part(work, job, place.id)
    await work.finish(job, job.batch.ends, left=left)


async def _part(work: Work, job: Job, id_: UUID) -> int:
    """How many rows of a part were left."""
    trying = Trying(work.settings)
    while True:
        part = await work.part(job, id_)
        pending = _pending(part)
        if not pending:
            return len(part.left)
        outcomes = await _turn(work, job, id_, pending)
        again = [outcome for outcome in outcomes if not _settled(outcome)]
        await trying.after(settled=len(again) < len(outcomes), failed=bool(again))


async def _turn(work: Work, job: Job, id_: UUID, pending: dict[UUID, RowOutcome]) -> list[Outcome]:
    uploader = job.batch.uploader
    actor = Actor(job.tenant, uploader.id, uploader.role, uploader.scopes)
    origin = Origin("enrollment", str(job.batch.id))

    def record(pairs: Sequence[tuple[Envelope, Outcome]]) -> Envelope:
        done = [outcome for _, outcome in pairs if _settled(outcome)]
        undone = tuple(pending[outcome.id].row for outcome in done if outcome.refusal is None)
        left = tuple(pending[outcome.id].row for outcome in done if outcome.refusal is not None)
        return work.envelope(job, RecordUndone(id_, undone, left))

    envelopes = [
        Envelope(WithdrawEnrollment(participant, job.batch.id, outcome.row), actor, origin)
        for participant, outcome in pending.items()
    ]
    return await work.kernel.execute(envelopes, closing=Closing(PART, id_, record))


def _pending(part: Part) -> dict[UUID, RowOutcome]:
    known = {*part.undone, *part.left}
    return {
        outcome.participant: outcome
        for outcome in part.rows
        if outcome.participant is not None and outcome.result in ("enrolled", "updated") and outcome.row not in known
    }


def _settled(outcome: Outcome) -> bool:
    return outcome.refusal is None or outcome.refusal.code not in TRANSIENT
