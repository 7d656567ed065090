"""What a row says, shown to who may see people, so that it can be corrected."""

from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.enrollment.models import PART_ROWS, Batch, Part, RowContent
from keepwell.domains.enrollment.service.settings import BATCH, PART
from keepwell.domains.enrollment.service.showing import is_aborted, row_views, shown_phase
from keepwell.domains.enrollment.service.uploading import Row
from keepwell.domains.enrollment.store import parts_holding
from keepwell.kernel import Actor, Kernel, Origin, Permission, Read, Refusal, Refused, Search
from keepwell.kernel.problems import NOT_FOUND

_PEOPLE = Permission("Patient", "r")
"""Whoever may see batches sees what came of rows; what they say is about people."""
_rows = msgspec.msgpack.Decoder(list[Row])


class Contents:
    """Reads what was uploaded."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def row(self, actor: Actor, id: UUID, number: int, origin: Origin) -> RowContent:
        """One row of a batch; that it was looked at is recorded first.

        Raises:
            Refused: as any read of people; `not-found`: there is no such row.
        """
        batch: Batch = (await self._kernel.read(Read(BATCH, id, actor, origin, _PEOPLE, "show-row"))).state
        if not 1 <= number <= batch.total:
            raise Refused(Refusal(NOT_FOUND))
        part = await self._part(actor, batch, (number - 1) // PART_ROWS, origin)
        values = await self._values(actor, batch, number)
        corrections = () if part is None else part.corrections
        for correction in corrections:
            if correction.row == number and values is not None:
                values |= correction.values
        views = () if part is None else row_views(part, aborted=is_aborted(batch))
        for view in views:
            if view.row == number:
                return RowContent(number, view.outcome, view.reason, view.participant, view.attempts, values)
        return RowContent(number, None, None, None, 0, values)

    async def _part(self, actor: Actor, batch: Batch, number: int, origin: Origin) -> Part | None:
        async def query(connection: Any) -> list[tuple[UUID, int]]:
            return await parts_holding(connection, batch.id, shown_phase(batch), "", number, 1)

        found = await self._kernel.search(Search(PART, actor, origin, _PEOPLE, "show-row"), query)
        if not found or found[0][1] != number:
            return None
        return (await self._kernel.read(Read(PART, found[0][0], actor, origin, _PEOPLE, "show-row"))).state

    async def _values(self, actor: Actor, batch: Batch, number: int) -> dict[str, str] | None:
        content = await self._kernel.pieces.get(actor.tenant, BATCH, batch.id, (number - 1) // PART_ROWS)
        if content is None:
            return None
        [values] = [values for row, values, _ in _rows.decode(content) if row == number]
        return values
