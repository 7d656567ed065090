"""Taking an upload: read as it streams in, so that an unreadable one is refused before anything is done; stored sealed."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from keepwell.domains.enrollment.errors import TOO_MANY_BATCHES, TOO_MANY_ROWS
from keepwell.domains.enrollment.models import PART_ROWS, CreateBatch
from keepwell.domains.enrollment.service.settings import BATCH, RESOURCE, EnrollmentSettings
from keepwell.domains.enrollment.store import open_batches
from keepwell.domains.programs import Program, ProgramService
from keepwell.domains.uploads import RawRow, RowFault, read
from keepwell.kernel import Actor, Envelope, Kernel, Origin, Outcome, Permission, Refusal, Refused, Search
from keepwell.kit.ids import new_id

Row = tuple[int, dict[str, str], str | None]
"""A row as it is stored: its number, what its columns say, and why it means nobody (None: it may)."""

_pack = msgspec.msgpack.Encoder().encode
_CREATE = Permission(RESOURCE, "c")


class Upload(msgspec.Struct, frozen=True):
    """What is uploaded, and how it is to be run. `media` is the content type as it was sent."""

    program: UUID
    media: str
    dry_run: bool = False
    atomic: bool = False
    idempotency_key: str | None = None


class Uploading:
    """Takes uploads into batches."""

    def __init__(self, kernel: Kernel, programs: ProgramService, settings: EnrollmentSettings) -> None:
        self._kernel = kernel
        self._programs = programs
        self._settings = settings

    async def take(self, actor: Actor, origin: Origin, upload: Upload, stream: AsyncIterator[bytes]) -> Outcome:
        """The outcome of making a batch of a stream.

        Raises:
            Refused: the program cannot be read, the stream cannot, or the clinic has too much open.
        """
        await self._room_left(actor, origin)
        program: Program = (await self._programs.get(actor, upload.program, origin)).state
        id_ = new_id()
        try:
            outcome = await self._taken(actor, origin, upload, program, id_, stream)
        except BaseException:
            await self._kernel.pieces.drop(actor.tenant, BATCH, id_)
            raise
        if outcome.id != id_ or outcome.refusal is not None:  # a replay, or nothing came of it
            await self._kernel.pieces.drop(actor.tenant, BATCH, id_)
        return outcome

    async def _room_left(self, actor: Actor, origin: Origin) -> None:
        search = Search(BATCH, actor, origin, _CREATE, "count-open")
        if await self._kernel.search(search, open_batches) >= self._settings.open_batches:
            raise Refused(Refusal(TOO_MANY_BATCHES, f"It has {self._settings.open_batches} already."))

    async def _taken(
        self, actor: Actor, origin: Origin, upload: Upload, program: Program, id_: UUID, stream: AsyncIterator[bytes]
    ) -> Outcome:
        digest = sha256()
        total = 0
        pending: list[Row] = []
        async for chunk in read(_digested(stream, digest), upload.media, mapping=program.mapping):
            pending += map(_row, chunk.rows)
            total += len(chunk.rows)
            if total > self._settings.rows:
                raise Refused(Refusal(TOO_MANY_ROWS, f"One batch takes at most {self._settings.rows} rows."))
            while len(pending) >= PART_ROWS:
                await self._store(actor.tenant, id_, total - len(pending), pending[:PART_ROWS])
                del pending[:PART_ROWS]
        if pending:
            await self._store(actor.tenant, id_, total - len(pending), pending)
        modes = (upload.dry_run, upload.atomic)
        command = CreateBatch(id_, program.id, program.period, program.mapping, total, digest.hexdigest(), *modes)
        [outcome] = await self._kernel.execute([Envelope(command, actor, origin, idempotency_key=upload.idempotency_key)])
        return outcome

    async def _store(self, tenant: UUID, id_: UUID, before: int, rows: list[Row]) -> None:
        await self._kernel.pieces.put(tenant, BATCH, id_, before // PART_ROWS, _pack(rows))


def _row(read_: RawRow | RowFault) -> Row:
    if isinstance(read_, RowFault):
        return read_.number, {}, read_.faults[0].code
    return read_.number, read_.values, None


async def _digested(stream: AsyncIterator[bytes], digest: Any) -> AsyncIterator[bytes]:
    async for piece in stream:
        digest.update(piece)
        yield piece


__all__ = ["Upload", "Uploading"]
