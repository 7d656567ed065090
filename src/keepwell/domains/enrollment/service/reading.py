"""Rows of an upload as they come in: its number, counted from 1, what its columns say, and why it means nobody (None: it may)."""

import codecs
import csv
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from keepwell.domains.enrollment.errors import UNREADABLE
from keepwell.kernel import Refusal, Refused

Row = tuple[int, dict[str, str], str | None]
_LONGEST = 1_000_000
_DELIMITERS = ",;\t|"


async def read(stream: AsyncIterator[bytes], media: str) -> AsyncIterator[list[Row]]:
    """The rows of an upload, some at a time.

    Raises:
        Refused: `unreadable-upload`, with the line where it is.
    """
    if media not in ("text/csv", "application/x-ndjson"):
        raise Refused(Refusal(UNREADABLE, f"Files of the type {media} cannot be read yet: send CSV or JSON lines."))
    number = 0
    rows = _objects(stream) if media == "application/x-ndjson" else _table(stream)
    async for some in rows:
        yield [(number + place, row, None) for place, row in enumerate(some, start=1)]
        number += len(some)


async def _objects(stream: AsyncIterator[bytes]) -> AsyncIterator[list[dict[str, str]]]:
    line = 0
    async for records in _records(stream, quotes=False):
        found: list[dict[str, str]] = []
        for record in records:
            line += 1
            if record.strip():
                found.append(_object(record, line))
        yield found


def _object(record: str, line: int) -> dict[str, str]:
    try:
        said = msgspec.json.decode(record, type=dict[str, Any])
    except msgspec.DecodeError:
        raise _unreadable(f"Line {line} is not a JSON object.") from None
    if "external_id" not in said:
        raise _unreadable(f"Line {line} has no external_id.")
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in said.items()
        if value is not None
    }


async def _table(stream: AsyncIterator[bytes]) -> AsyncIterator[list[dict[str, str]]]:
    header: list[str] = []
    delimiter, line = ",", 0
    async for records in _records(stream, quotes=True):
        found: list[dict[str, str]] = []
        for record in records:
            line += 1
            if not header:
                delimiter = max(_DELIMITERS, key=record.count)
                header = _header(_cells(record, delimiter, line))
            elif record.strip():
                cells = _cells(record, delimiter, line)
                if len(cells) > len(header):
                    raise _unreadable(f"Record {line} has {len(cells)} columns; the header has {len(header)}.")
                found.append(dict(zip(header, cells, strict=False)))
            line += record.count("\n")
        yield found
    if not header:
        raise _unreadable("The upload is empty.")


def _cells(record: str, delimiter: str, line: int) -> list[str]:
    try:
        [cells] = csv.reader([record], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        raise _unreadable(f"Line {line} is not CSV: look at its quotes.") from None
    return cells


def _header(cells: list[str]) -> list[str]:
    names = ["_".join(cell.strip().lower().replace("-", " ").replace("_", " ").split()) for cell in cells]
    if "external_id" not in names:
        raise _unreadable("Line 1 names no column external_id.")
    if len(set(names)) != len(names):
        raise _unreadable("Line 1 names a column twice.")
    return names


async def _records(stream: AsyncIterator[bytes], *, quotes: bool) -> AsyncIterator[list[str]]:
    """Lines, joined where a quoted text goes on. None is longer than `_LONGEST` characters."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest, open_ = "", ""
    async for piece in _and_end(stream):
        try:
            text = rest + decoder.decode(piece, final=not piece)
        except UnicodeDecodeError:
            raise _unreadable("It is not text in UTF-8.") from None
        lines = text.replace("\r\n", "\n").split("\n")
        rest = lines.pop() if piece else ""
        if len(rest) + len(open_) > _LONGEST:
            raise _unreadable("A line is too long.")
        records: list[str] = []
        for line in lines:
            whole = f"{open_}\n{line}" if open_ else line
            open_ = whole if quotes and whole.count('"') % 2 else ""
            if not open_:
                records.append(whole)
        yield records
    if open_:
        raise _unreadable("A quoted text does not end.")


async def _and_end(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in stream:
        if piece:
            yield piece
    yield b""


def _unreadable(detail: str) -> Refused:
    return Refused(Refusal(UNREADABLE, detail))
