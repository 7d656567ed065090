"""Finding who is to be reminded, part by part of a program's people."""

from datetime import timedelta
from uuid import UUID

from keepwell.domains.participants import ParticipantService
from keepwell.domains.programs import Program, ProgramService
from keepwell.domains.reminders.models import DueReminders, Reminder
from keepwell.domains.responses import ResponseService
from keepwell.kernel import Actor, Kernel, Origin

_AT_ONCE = 500


class ReminderService:
    """People of one clinic at a time: the actor's. `ahead`: how long before a program closes its people are to be reminded."""

    def __init__(
        self,
        kernel: Kernel,
        programs: ProgramService,
        participants: ParticipantService,
        responses: ResponseService,
        ahead: timedelta,
    ) -> None:
        self._kernel = kernel
        self._programs = programs
        self._participants = participants
        self._responses = responses
        self._ahead = ahead

    async def page(self, actor: Actor, id: UUID, origin: Origin, after: UUID | None, limit: int) -> DueReminders:
        """Of the next `limit` people of a program, those who have not answered; `next` goes on behind the last looked at.

        Raises:
            Refused: as any read of programs, people and responses.
        """
        program: Program = (await self._programs.get(actor, id, origin)).state
        people = await self._participants.enrolled(actor, origin, id, after, limit + 1)
        shown = people[:limit]
        answered = await self._responses.answered(actor, origin, shown, program.opens_at)
        items = [Reminder(person) for person in shown if person not in answered]
        now = self._kernel.clock.now()
        due = program.opens_at <= now < program.closes_at <= now + self._ahead
        return DueReminders(items, str(shown[-1]) if len(people) > limit else None, program.closes_at, due)

    async def count(self, actor: Actor, origin: Origin) -> dict[UUID, int]:
        """How many people are to be reminded, by program of the clinic that closes soon. Raises as `page` does."""
        closing = await self._programs.closing(actor, origin, self._kernel.clock.now() + self._ahead)
        return {program: await self._count(actor, origin, program) for program in closing}

    async def _count(self, actor: Actor, origin: Origin, program: UUID) -> int:
        found, after = 0, None
        while True:
            part = await self.page(actor, program, origin, after, _AT_ONCE)
            found += len(part.items)
            if part.next is None:
                return found
            after = UUID(part.next)
