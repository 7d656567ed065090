"""Rows of CSV in any of its dialects, block by block."""

import csv
import io
from collections.abc import Sequence

from msgspec.structs import replace

from keepwell.domains.uploads.errors import unreadable
from keepwell.domains.uploads.models import Limits, Position, RawRow, RowFault
from keepwell.domains.uploads.rules.columns import Columns, doubled
from keepwell.domains.uploads.service.blocks import Block
from keepwell.kernel import Fault

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_UNFINISHED = "unexpected end of data"
_Rows = list[RawRow | RowFault]


class Delimited:
    """Reads one file. After each block, `position` is where the rows after it begin."""

    def __init__(self, position: Position, columns: Columns, limits: Limits) -> None:
        self.position = position
        self._columns = columns
        self._limits = limits
        self._kept = ""
        self._targets: tuple[str, ...] = ()
        if position.format.header:
            self._targets = columns.targets(position.format.header)

    def rows(self, block: Block) -> _Rows:
        """The rows that end in a block.

        Raises:
            Refused: nothing more can be read.
        """
        text = self._kept + block.text
        line, before = self.position.line, 0
        if not self._targets:
            before, text = self._begin(text, line)
        found, consumed, row, whole = self._parsed(text, line + before)
        self._kept = "" if whole else _after(text, consumed)
        if len(self._kept) > self._limits.record:
            raise _unclosed(line + before + consumed + 1)
        unread = len(self._kept.encode(self.position.format.encoding))
        self.position = Position(self.position.format, block.end - unread, row, line + before + consumed)
        return found

    def finish(self) -> None:
        """The file ends here.

        Raises:
            Refused: in the middle of a row.
        """
        if self._kept:
            raise _unclosed(self.position.line + 1)

    def _begin(self, text: str, line: int) -> tuple[int, str]:
        """Settles what the columns are; the number of lines up to the header's end, and the text after it."""
        told, delimiter, lines = _declared_delimiter(text)
        rest = _after(text, lines)
        found = [_header(rest, one, self._columns) for one in ((delimiter,) if told else tuple(_DELIMITERS))]
        _, names, consumed, delimiter = max(found, key=lambda one: one[0])
        place = line + lines + consumed
        self._targets = checked(
            names, self._columns, self._limits, place, f", separated by {_DELIMITERS.get(delimiter, 'one sign')}"
        )
        changed = replace(self.position.format, delimiter=delimiter, header=names[: len(self._targets)])
        self.position = replace(self.position, format=changed)
        return lines + consumed, _after(rest, consumed)

    def _parsed(self, text: str, line: int) -> tuple[_Rows, int, int, bool]:
        """The rows of a text, the number of lines they take, the number of the last one, and whether that is the whole text."""
        rows: _Rows = []
        targets, width, number = self._targets, len(self._targets), self.position.row
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.position.format.delimiter or ",", strict=True)
        began = 0
        while True:
            try:
                for cells in reader:
                    if any(cells):
                        number += 1
                        if len(cells) == width:
                            rows.append(RawRow(number, dict(zip(targets, cells, strict=True)), line + began + 1))
                        else:
                            rows.append(_uneven(number, targets, cells, line + began + 1))
                    began = reader.line_num
            except csv.Error as error:
                if str(error) == _UNFINISHED:
                    return rows, began, number, False
                number += 1
                rows.append(_broken(error, number, line + began + 1))
                began = reader.line_num
                continue
            return rows, began, number, True


def checked(names: Sequence[str], columns: Columns, limits: Limits, line: int, how: str) -> tuple[str, ...]:
    """What each column fills, by the names in a header; without columns at the end that have no name.

    Raises:
        Refused: the header cannot be used.
    """
    width = max((place for place, name in enumerate(names, 1) if name.strip()), default=0)
    targets = columns.targets(names[:width])
    if "external_id" not in targets:
        message = f"No column is named external_id, or as the program calls it. There seem to be {len(names)} columns{how}."
        raise unreadable("missing-column", message, line)
    if width > limits.columns:
        raise unreadable("too-many-columns", f"There are {width} columns; at most {limits.columns} are read.", line)
    if not all(targets):
        raise unreadable("unnamed-column", "A column has no name.", line, targets.index("") + 1)
    for place in doubled(targets):
        first = targets.index(targets[place]) + 1
        raise unreadable("duplicate-column", f"Columns {first} and {place + 1} mean the same.", line, place + 1)
    return targets


def _declared_delimiter(text: str) -> tuple[bool, str, int]:
    """The delimiter that a first line `sep=;` names, as Excel writes and reads it; and whether there is such a line."""
    first, _, _ = text.partition("\n")
    first = first.rstrip("\r")
    told = len(first) == 5 and first.startswith("sep=") and first[4] not in '\r"'
    return told, first[4] if told else ",", int(told)


def _header(text: str, delimiter: str, columns: Columns) -> tuple[tuple[bool, int, int], tuple[str, ...], int, str]:
    """How much the first row looks like a header with a delimiter, its names, and the number of lines up to its end."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = next((tuple(cells) for cells in reader if any(cells)), ())
    except csv.Error:
        names = ()
    fields = sum(map(columns.is_field, names))
    return ("external_id" in columns.targets(names), fields, len(names)), names, reader.line_num, delimiter


def _uneven(number: int, targets: tuple[str, ...], cells: list[str], line: int) -> RawRow | RowFault:
    """A row of another width than the header's: empty cells too many at the end do no harm."""
    width = len(targets)
    if len(cells) > width and not any(cells[width:]):
        return RawRow(number, dict(zip(targets, cells, strict=False)), line)
    code = "too-few-values" if len(cells) < width else "too-many-values"
    message = f"The header names {width} columns; this row has {len(cells)} values."
    return RowFault(number, (Fault("", code, message),), line)


def _broken(error: csv.Error, number: int, line: int) -> RowFault:
    if "field larger" in str(error):
        message = f"A value is longer than {csv.field_size_limit():,} characters. A quote may not be closed."
        raise unreadable("value-too-long", message, line)
    fault = Fault("", "malformed-quotes", "Something follows a closing quote. Quotes in a quoted value are written twice.")
    return RowFault(number, (fault,), line)


def _unclosed(line: int) -> Exception:
    return unreadable("unclosed-quote", "In the row that begins here, a quote is opened and not closed.", line)


def _after(text: str, lines: int) -> str:
    """What comes after so many lines."""
    source = io.StringIO(text, newline="")
    for _ in range(lines):
        source.readline()
    return source.read()
