"""The run of a batch: part by part, rows become commands on participants; what came of them is stored in the same transaction.

Whoever runs it may die at any moment, and several may run it at once: a part goes on where its record ends, and what was recorded
first counts. Dry run and real run are this same code; only `dry_run` of the kernel differs.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from keepwell.domains.enrollment.models import (
    Correction,
    Part,
    Phase,
    RecordRows,
    RollBackBatch,
    RowOutcome,
    StartBatch,
)
from keepwell.domains.enrollment.rules.rows import GOOD, Person, admitted, repeated, settled, understood
from keepwell.domains.enrollment.service import measures
from keepwell.domains.enrollment.service.settings import BATCH, PART
from keepwell.domains.enrollment.service.trying import Trying
from keepwell.domains.enrollment.service.undoing import undo
from keepwell.domains.enrollment.service.uploading import Row
from keepwell.domains.enrollment.service.window import Window
from keepwell.domains.enrollment.service.work import Job, Stopped, Work
from keepwell.domains.participants import EnrollParticipant, ParticipantService, participant_id
from keepwell.domains.tenants import operator
from keepwell.domains.uploads import Normaliser, RawRow
from keepwell.kernel import Actor, Closing, Envelope, Origin, Outcome

_READ_AT_ONCE = 16
_rows = msgspec.msgpack.Decoder(list[Row])
_Seen = dict[int, int]
"""By the last bits of a participant's id: what the row of the batch said that came through first."""


class _Named(NamedTuple):
    """A row's person, and the id that follows."""

    person: Person
    id: UUID


class _Turn(NamedTuple):
    """The rows of a part that are settled together: those whose outcome is known, and those to be run, by id."""

    known: list[RowOutcome]
    named: dict[UUID, _Named]


class Runner:
    """Runs batches to their ends."""

    def __init__(self, work: Work, participants: ParticipantService) -> None:
        self._work = work
        self._participants = participants

    async def run(self, tenant: UUID, batch: UUID) -> None:
        """Runs a batch until it is finished, paused or cancelled.

        Raises:
            Refused: it could not go on for now; it can later, from where it is.
        """
        try:
            job = await self._work.begin(tenant, batch)
            if job.batch.task == "roll-back":
                await undo(self._work, job)
            else:
                await self._enroll(job)
        except Stopped:
            return

    async def _enroll(self, job: Job) -> None:
        batch = job.batch
        if batch.status == "queued":
            await self._work.do(job, StartBatch(batch.id))
            job = await self._work.begin(job.tenant, batch.id)
        if batch.atomic and not batch.dry_run:
            await self._phase(job, "rehearsal")
            if not await self._work.all_good(job, "rehearsal"):
                await self._work.finish(job, "failed", "rows-refused")
                return
        await self._phase(job, "run")
        if not batch.atomic or await self._work.all_good(job, "run"):
            await self._work.finish(job, "completed")
        elif batch.dry_run:
            await self._work.finish(job, "failed", "rows-refused")
        else:  # the truth changed between rehearsal and run
            await self._work.do(job, RollBackBatch(batch.id, failed=True))
            await undo(self._work, await self._work.begin(job.tenant, batch.id))

    async def _phase(self, job: Job, phase: Phase) -> None:
        seen: _Seen = {}
        known: dict[int, Part | None] = {}
        places = await self._work.parts(job, phase)
        for start in range(0, len(places), _READ_AT_ONCE):
            some = places[start : start + _READ_AT_ONCE]
            for place, part in zip(some, await asyncio.gather(*(self._work.part(job, one.id) for one in some)), strict=True):
                known[place.number] = None if place.complete else part
                _see(seen, part.rows)
        runs = _PhaseRun(self._work, self._participants, job, phase, seen)
        async with Window() as window:
            for number in range(job.batch.parts):
                if number not in known or known[number] is not None:
                    await self._work.still_wanted(job)
                    part = await runs.understood(number, known.get(number))
                    await window.begin({each.id for each in part.rest.named}, runs.run(part))


class _PhaseRun:
    """The run of one phase's parts."""

    def __init__(self, work: Work, participants: ParticipantService, job: Job, phase: Phase, seen: _Seen) -> None:
        self._work = work
        self._participants = participants
        self._job = job
        self._phase: Phase = phase
        self._seen = seen
        self._dry_run = job.batch.dry_run or phase == "rehearsal"
        self._normaliser = Normaliser(job.batch.mapping, job.batch.received_at.date())
        uploader = job.batch.uploader
        self._actor = Actor(job.tenant, uploader.id, uploader.role, uploader.scopes)
        self._origin = Origin("enrollment", str(job.batch.id))

    async def understood(self, number: int, part: Part | None) -> "_Understood":
        """A part that is to be run. What is recorded of it already is not run again."""
        rows = await self._uploaded(number)
        settled_rows = set[int]() if part is None else {outcome.row for outcome in part.rows}
        rest = self._named(rows, () if part is None else part.corrections, settled_rows)
        return _Understood(self._work.part_id(self._job, self._phase, number), number, len(rows), rest)

    async def run(self, part: "_Understood") -> None:
        """Runs what is left of a part, until something came of each of its rows."""
        pending, trying = part.rest, Trying(self._work.settings)
        while pending.known or pending.named:
            turn, later = await self._turn(pending)
            outcomes = await self._settle(turn, part, trying.attempt)
            _see(self._seen, outcomes)
            done = {outcome.row for outcome in outcomes}
            again = [each for each in turn.named.values() if each.person.row not in done]
            await trying.after(settled=bool(done), failed=bool(again))
            pending = _Rest([], [*again, *later])

    async def _uploaded(self, number: int) -> list[Row]:
        content = await self._work.kernel.pieces.get(self._job.tenant, BATCH, self._job.batch.id, number)
        if content is None:
            await self._work.finish(self._job, "failed", "upload-gone")
            raise Stopped
        return _rows.decode(content)

    def _named(self, rows: list[Row], corrections: Sequence[Correction], settled_rows: set[int]) -> "_Rest":
        corrected = {one.row: one.values for one in corrections}
        known: list[RowOutcome] = []
        named: list[_Named] = []
        for row, values, fault in rows:
            if row in settled_rows:
                continue
            if fault is None or row in corrected:
                found = understood(self._normaliser.normal(RawRow(row, {**values, **corrected.get(row, {})})))
            else:
                found = RowOutcome(row, "dead", fault)
            if isinstance(found, Person):
                refused = admitted(self._job.batch, found)
                if refused is None:
                    id_ = participant_id(self._job.blind, self._job.batch.program, found.external_id)
                    named.append(_Named(found, id_))
                    continue
                found = refused
            known.append(found)
        return _Rest(known, named)

    async def _turn(self, pending: "_Rest") -> tuple[_Turn, list[_Named]]:
        """Each person once; who is named again waits until it is known what came of the first."""
        known, named, later = list(pending.known), dict[UUID, _Named](), list[_Named]()
        for each in pending.named:
            content = self._seen.get(_key(each.id))
            if content is not None:
                known.append(repeated(each.person, each.id, content))
            elif each.id in named:
                later.append(each)
            else:
                named[each.id] = each
        if named:
            said = {each.id: each.person.details for each in named.values()}
            for id_ in await self._participants.unchanged(operator(self._job.tenant), self._origin, said):
                person = named.pop(id_).person
                known.append(RowOutcome(person.row, "unchanged", None, id_, person.content))
        return _Turn(known, named), later

    async def _settle(self, turn: _Turn, part: "_Understood", attempt: int) -> list[RowOutcome]:
        """What came of the rows of a turn, which is stored; those to be tried again are not among it."""
        batch = self._job.batch

        def record(pairs: Sequence[tuple[Envelope, Outcome]]) -> Envelope:
            rows = (*turn.known, *self._settled(turn, [outcome for _, outcome in pairs], attempt))
            place = (part.id, batch.id, self._phase, part.number, part.size)
            return self._work.envelope(self._job, RecordRows(*place, tuple(rows)))

        if not turn.named:
            await self._work.run(record(()))
            return self._counted(turn.known)
        envelopes = [Envelope(self._enroll(each), self._actor, self._origin) for each in turn.named.values()]
        closing = Closing(PART, part.id, record)
        async with self._work.turns:
            outcomes = await self._work.kernel.execute(envelopes, dry_run=self._dry_run, closing=closing)
        done = self._settled(turn, outcomes, attempt)
        return self._counted([*turn.known, *done]) if done else []

    def _counted(self, outcomes: list[RowOutcome]) -> list[RowOutcome]:
        for result, number in Counter(outcome.result for outcome in outcomes).items():
            measures.ROWS.labels(result, str(self._dry_run).lower()).inc(number)
        return outcomes

    def _settled(self, turn: _Turn, outcomes: Sequence[Outcome], attempt: int) -> list[RowOutcome]:
        found = (settled(turn.named[outcome.id].person, outcome, attempt) for outcome in outcomes)
        return [each for each in found if each is not None]

    def _enroll(self, each: _Named) -> EnrollParticipant:
        person, batch = each.person, self._job.batch
        return EnrollParticipant(each.id, person.external_id, batch.program, batch.id, person.row, person.details)


class _Rest(NamedTuple):
    """What is left of a part: outcomes to be stored, rows to be run."""

    known: list[RowOutcome]
    named: list[_Named]


class _Understood(NamedTuple):
    """A part of `size` rows, and what is left to do of it."""

    id: UUID
    number: int
    size: int
    rest: _Rest


def _see(seen: _Seen, outcomes: Sequence[RowOutcome]) -> None:
    for outcome in outcomes:
        if outcome.participant is not None and outcome.result in GOOD:
            seen.setdefault(_key(outcome.participant), outcome.content)


def _key(participant: UUID) -> int:
    return participant.int & 0x3FFFFFFFFFFFFFFF
