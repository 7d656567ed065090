"""The HTTP door of reminders."""

from datetime import UTC, datetime
from uuid import UUID

from keepwell.domains.reminders.models import DueReminders, Reminder
from keepwell.domains.reminders.service import ReminderService
from keepwell.kernel.http import Answer, Call, Endpoint, Example, Part

_SHOWN = Reminder(UUID("6b1f0c9e-4d27-8a53-b7e8-0f5c2d9a3e14"))
_EXAMPLE = Example(answer=DueReminders([_SHOWN], None, datetime(2026, 5, 31, 22, 0, tzinfo=UTC), due=True))


class _Reminders:
    def __init__(self, service: ReminderService) -> None:
        self._service = service

    async def page(self, call: Call) -> Answer:
        part: Part = call.query
        return Answer(200, await self._service.page(call.actor, call.id, call.origin, part.cursor, part.limit))


def endpoints(service: ReminderService) -> tuple[Endpoint, ...]:
    """Every route of the room."""
    return (
        Endpoint(
            "GET",
            "/v1/programs/{id}/reminders",
            _Reminders(service).page,
            "List who is enrolled and has not answered",
            "Programs",
            query=Part,
            answers={200: DueReminders},
            compressed=True,
            example=_EXAMPLE,
        ),
    )
