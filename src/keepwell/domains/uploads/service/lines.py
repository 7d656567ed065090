"""Rows of JSONL, block by block: a line at fault is a row at fault, and no more."""

import io
from decimal import Decimal
from typing import Any

import msgspec

from keepwell.domains.uploads.errors import unreadable
from keepwell.domains.uploads.models import Position, RawRow, RowFault
from keepwell.domains.uploads.rules.objects import Objects
from keepwell.domains.uploads.service.blocks import Block
from keepwell.kernel import Fault

_decode = msgspec.json.Decoder(Any, float_hook=Decimal).decode


class Lines:
    """Reads one file. After each block, `position` is where the rows after it begin."""

    def __init__(self, position: Position, objects: Objects) -> None:
        self.position = position
        self._objects = objects

    def rows(self, block: Block) -> list[RawRow | RowFault]:
        """The rows of a block.

        Raises:
            Refused: it is one document over many lines.
        """
        rows: list[RawRow | RowFault] = []
        number, line = self.position.row, self.position.line
        for text in io.StringIO(block.text, newline=""):
            line += 1
            if not text.strip():
                continue
            if number == 0 and text.strip() == "{":
                raise unreadable(
                    "not-jsonl", "An object begins here and does not end on its line: each has to stand on one.", line
                )
            row = self._row(text, number + 1, line)
            if row is not None:
                rows.append(row)
                number += 1
        self.position = Position(self.position.format, block.end, number, line)
        return rows

    def finish(self) -> None:
        """The file ends here: a line that was cut off is a row at fault already."""

    def _row(self, text: str, number: int, line: int) -> RawRow | RowFault | None:
        try:
            found = _decode(text)
        except (msgspec.DecodeError, RecursionError, ArithmeticError):
            return RowFault(number, (Fault("", "invalid-json", "The line is not a JSON object."),), line)
        return self._objects.row(found, number, line)
