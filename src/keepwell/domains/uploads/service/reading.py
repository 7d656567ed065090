"""Files read row by row while they come in, each in bounded memory, off the event loop."""

import asyncio
from collections.abc import AsyncIterator
from email.message import Message

from msgspec.structs import replace

from keepwell.domains.uploads.errors import unreadable
from keepwell.domains.uploads.models import Chunk, Format, Kind, Limits, Mapping, Position, RawRow, RowFault
from keepwell.domains.uploads.rules.columns import Columns
from keepwell.domains.uploads.rules.objects import Objects
from keepwell.domains.uploads.service.blocks import Blocks, Pieces, encoding_of
from keepwell.domains.uploads.service.delimited import Delimited
from keepwell.domains.uploads.service.documents import Document
from keepwell.domains.uploads.service.lines import Lines
from keepwell.domains.uploads.service.sealed_file import SealedFile
from keepwell.domains.uploads.service.sheet import Sheet
from keepwell.kernel import Refusal, Refused
from keepwell.kernel.problems import UNSUPPORTED_MEDIA_TYPE

MEDIA: dict[str, Kind] = {
    "text/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/fhir+json": "bundle",
}
"""What is read, by media type."""

_ZIP, _OLE = b"PK\3\4", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_Rows = list[RawRow | RowFault]


async def read(
    stream: AsyncIterator[bytes],
    content_type: str,
    limits: Limits | None = None,
    mapping: Mapping | None = None,
    start: Position | None = None,
) -> AsyncIterator[Chunk]:
    """The rows of a file, a chunk at a time. With `start`, the stream begins at its `offset`, and rows at the one after it.

    Raises:
        Refused: the media type is none that is read, or the file cannot be read any further, with line, column and reason.
    """
    limits, number = limits or Limits(), 0 if start is None else start.row
    async for rows, position in _chunks(stream, content_type, limits, mapping or Mapping(), start):
        number = position.row
        if rows:
            yield Chunk(rows, position)
    if not number:
        raise unreadable("no-rows", "There is no row in the file.")


async def _chunks(
    stream: AsyncIterator[bytes], content_type: str, limits: Limits, mapping: Mapping, start: Position | None
) -> AsyncIterator[tuple[_Rows, Position]]:
    kind, charset = _said(content_type)
    pieces = Pieces(stream, limits.block)
    if start is None:
        kind = _recognised(kind, await pieces.look())
        encoding, skip = encoding_of(await pieces.look(), charset) if kind in ("csv", "jsonl") else ("utf-8", 0)
        start = Position(Format(kind, encoding), 0, 0, 0)
        blocks = Blocks(pieces, encoding, skip, limits, declared=charset is not None)
    else:
        blocks = Blocks(pieces, start.format.encoding, 0, limits, declared=charset is not None)
        blocks.go_on(start.offset, start.line)
    columns = Columns(mapping)
    match start.format.kind:
        case "csv":
            chunks = _text(blocks, Delimited(start, columns, limits))
        case "jsonl":
            chunks = _text(blocks, Lines(start, Objects(columns, limits.columns)))
        case "xlsx":
            chunks = _workbook(pieces, start, columns, limits)
        case _:
            chunks = _document(pieces, start, Objects(columns, limits.columns), limits)
    async for chunk in chunks:
        yield chunk


async def _text(blocks: Blocks, reader: Delimited | Lines) -> AsyncIterator[tuple[_Rows, Position]]:
    while (block := await blocks.next()) is not None:
        if blocks.encoding != reader.position.format.encoding:
            told = replace(reader.position.format, encoding=blocks.encoding)
            reader.position = replace(reader.position, format=told)
        rows = await asyncio.to_thread(reader.rows, block)
        yield rows, reader.position
    reader.finish()


async def _document(pieces: Pieces, start: Position, objects: Objects, limits: Limits) -> AsyncIterator[tuple[_Rows, Position]]:
    reader = Document(replace(start, row=0), objects, limits)
    piece = b"-"
    while piece:
        piece = await pieces.take()
        rows = await asyncio.to_thread(reader.rows, piece)
        yield _later(rows, start.row), reader.position


async def _workbook(pieces: Pieces, start: Position, columns: Columns, limits: Limits) -> AsyncIterator[tuple[_Rows, Position]]:
    with SealedFile() as file:
        while piece := await pieces.take():
            if file.size + len(piece) > limits.workbook:
                raise unreadable("workbook-too-large", f"A workbook may have {limits.workbook:,} bytes. Save the sheet as CSV.")
            await asyncio.to_thread(file.append, piece)
        sheet = Sheet(file, start, columns, limits)
        while rows := await asyncio.to_thread(sheet.rows):
            yield _later(rows, start.row), sheet.position


def _later(rows: _Rows, number: int) -> _Rows:
    return [row for row in rows if row.number > number] if number else rows


def _said(content_type: str) -> tuple[Kind, str | None]:
    message = Message()
    message["content-type"] = content_type
    kind = MEDIA.get(message.get_content_type()) if content_type else None
    if kind is None:
        raise Refused(Refusal(UNSUPPORTED_MEDIA_TYPE, f"Send one of {', '.join(MEDIA)}."))
    return kind, message.get_content_charset()


def _recognised(kind: Kind, head: bytes) -> Kind:
    """What a file is, by its first bytes: an array may come for JSONL; a workbook may not come for text, nor text for it."""
    begun = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not begun:
        raise unreadable("empty", "The file is empty.")
    if begun.startswith(_OLE):
        raise unreadable("old-workbook", "This is a workbook in the old format, or with a password. Save it as XLSX without one.")
    if (kind == "xlsx") != begun.startswith(_ZIP):
        message = "This is not a workbook." if kind == "xlsx" else "This looks like a workbook, and is not said to be one."
        raise unreadable("another-type", f"{message} Name the type of the file that you send.")
    return "json" if kind == "jsonl" and begun.startswith(b"[") else kind
