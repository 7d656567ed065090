"""Rows of an upload as they come in, a part at a time."""

import codecs
import csv
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from keepwell.domains.enrollment.errors import UNREADABLE
from keepwell.kernel import Refusal, Refused

Row = tuple[int, dict[str, str]]
_LONGEST = 1_000_000


async def read(stream: AsyncIterator[bytes], media: str) -> AsyncIterator[list[Row]]:
    lines = _records(stream)
    if media == "application/x-ndjson":
        number = 0
        async for record in lines:
            if record.strip():
                number += 1
                yield [(number, {k: str(v) for k, v in msgspec.json.decode(record, type=dict[str, Any]).items()})]
        return
    header: list[str] | None = None
    number = 0
    async for record in lines:
        for cells in csv.reader([record]):
            if header is None:
                header = [cell.strip().lower() for cell in cells]
                if "external_id" not in header:
                    raise Refused(Refusal(UNREADABLE, "There is no column external_id."))
            elif cells:
                number += 1
                yield [(number, dict(zip(header, cells, strict=False)))]
    if header is None:
        raise Refused(Refusal(UNREADABLE, "The upload is empty."))


async def _records(stream: AsyncIterator[bytes]) -> AsyncIterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    text = ""
    try:
        async for piece in stream:
            text += decoder.decode(piece)
            lines = text.split("\n")
            text = lines.pop()
            for line in _whole(lines):
                yield line
        text += decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise Refused(Refusal(UNREADABLE, "The upload is not UTF-8.")) from None
    if text:
        yield text


def _whole(lines: list[str]) -> Iterator[str]:
    yield from lines
