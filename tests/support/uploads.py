"""Files as people send them, made by code, and what is read of them."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from openpyxl import Workbook  # type: ignore[import-untyped]
from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]

from keepwell.domains.uploads import Chunk, Limits, Position, RawRow, RowFault, read
from keepwell.domains.uploads import Mapping as Columns
from keepwell.kernel import Refusal, Refused

CSV, JSONL, BUNDLE = "text/csv", "application/x-ndjson", "application/fhir+json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Table = Sequence[Sequence[str]]


async def pieces(content: bytes, size: int = 1_000) -> AsyncIterator[bytes]:
    """The content, as it may come over a wire."""
    for begun in range(0, len(content), size):
        yield content[begun : begun + size]


def chunks(
    content: bytes,
    media: str = CSV,
    *,
    size: int = 1_000,
    limits: Limits | None = None,
    mapping: Columns | None = None,
    start: Position | None = None,
) -> list[Chunk]:
    """What is read of a content. Raises `Refused` when it cannot be."""

    async def gathered() -> list[Chunk]:
        return [chunk async for chunk in read(pieces(content, size), media, limits, mapping, start)]

    return asyncio.run(gathered())


def rows(content: bytes, media: str = CSV, **how: Any) -> list[RawRow | RowFault]:
    """Every row of a content."""
    return [row for chunk in chunks(content, media, **how) for row in chunk.rows]


def values(content: bytes, media: str = CSV, **how: Any) -> list[dict[str, str]]:
    """What the rows of a content say; all of them have to be readable, and counted without a gap."""
    found = rows(content, media, **how)
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    said: list[dict[str, str]] = []
    for row in found:
        assert isinstance(row, RawRow), row
        said.append(row.values)
    return said


def refusal(content: bytes, media: str = CSV, **how: Any) -> Refusal:
    """Why a content cannot be read."""
    try:
        found = chunks(content, media, **how)
    except Refused as error:
        return error.refusal
    raise AssertionError(f"it was read: {found}")


def as_csv(table: Table, encoding: str = "utf-8", delimiter: str = ",", end: str = "\r\n", *, quoted: bool = False) -> bytes:
    """CSV by RFC 4180; the standard library's writer leaves some line ends unquoted. `quoted`: all of it, or what has to be."""

    def cell(text: str) -> str:
        needs = quoted or any(sign in text for sign in ("\r", "\n", '"', delimiter))
        return '"' + text.replace('"', '""') + '"' if needs else text

    return "".join(delimiter.join(map(cell, row)) + end for row in table).encode(encoding)


def as_jsonl(table: Table) -> bytes:
    return b"".join(json.dumps(dict(zip(table[0], row, strict=True))).encode() + b"\n" for row in table[1:])


def as_xlsx(table: Sequence[Sequence[Any]]) -> bytes:
    book: Any = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in table:
        sheet.append([as_cell(sheet, value) for value in row])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def as_cell(sheet: Any, value: Any) -> Any:
    """A cell that stays the text it is, also when it begins like a formula."""
    cell = WriteOnlyCell(sheet, value)
    if isinstance(value, str):
        cell.data_type = "s"
    return cell


def as_bundle(*resources: Mapping[str, Any], kind: str = "collection") -> bytes:
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()
