"""Rows of the first sheet of a workbook, as it is unpacked. Formulas count by the value that was last shown for them."""

from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from keepwell.domains.uploads.errors import unreadable
from keepwell.domains.uploads.models import Limits, Position, RawRow, RowFault
from keepwell.domains.uploads.rules.cells import column, number_text
from keepwell.domains.uploads.rules.columns import Columns
from keepwell.domains.uploads.service.delimited import checked
from keepwell.domains.uploads.service.sealed_file import SealedFile
from keepwell.domains.uploads.service.workbook import Archive, Outline, Part, Texts, outline, texts
from keepwell.kernel import Fault

_CELL = 32_767
_WIDEST = 16_384
_FIRST_ROWS = 1_000
_CHUNK = 4_000
_Line = tuple[int, list[str]]


class _Cells(Part):
    """Gathers the lines of a sheet."""

    def __init__(self, about: Outline, shared: Texts, most: int) -> None:
        self.lines: list[_Line] = []
        self._about = about
        self._shared = shared
        self._most = most
        self._number = 0
        self._cells: list[str] = []
        self._place = -1
        self._kind = "n"
        self._style = 0
        self._open = False
        self._text: list[str] = []
        self._size = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            reference = attributes.get("r")
            self._place = self._place + 1 if reference is None else column(reference)
            self._kind, self._style = attributes.get("t", "n"), int(attributes.get("s", "0"))
            self._text.clear()
            self._size = 0
        elif name == "row":
            self._number = int(attributes.get("r", self._number + 1))
            self._cells, self._place = [], -1
        self._open = name in ("v", "t")

    def text(self, text: str) -> None:
        if self._open:
            self._size += len(text)
            if self._size > _CELL:
                raise unreadable("value-too-long", f"A cell holds more than {_CELL:,} characters.", self._number)
            self._text.append(text)

    def end(self, name: str) -> None:
        self._open = False
        if name == "c" and self._text:
            self._put(self._value("".join(self._text)))
        elif name == "row":
            self.lines.append((self._number, self._cells))

    def _put(self, value: str) -> None:
        if not 0 <= self._place < _WIDEST:
            raise ValueError("no such column")
        if value and self._place >= self._most:
            message = f"There are values beyond column {self._most}; at most so many are read."
            raise unreadable("too-many-columns", message, self._number, self._place + 1)
        if value:
            self._cells += [""] * (self._place - len(self._cells)) + [value]

    def _value(self, text: str) -> str:
        kind = self._kind
        if kind == "s":
            place = int(text)
            if not 0 <= place < len(self._shared):
                raise ValueError("no such text")
            return self._shared[place]
        if kind == "b":
            return "true" if text == "1" else "false"
        if kind == "n":
            return number_text(text, dated=self._style in self._about.dates, since_1904=self._about.since_1904)
        return text.removesuffix("T00:00:00") if kind == "d" else text


class Sheet:
    """Reads one workbook. After each chunk, `position` says how many rows came so far."""

    def __init__(self, file: SealedFile, position: Position, columns: Columns, limits: Limits) -> None:
        self.position = replace(position, row=0)
        self._columns = columns
        self._limits = limits
        self._targets: tuple[str, ...] = ()
        self._rows = self._read(file)

    def rows(self) -> list[RawRow | RowFault]:
        """The next rows; none at the end.

        Raises:
            Refused: nothing more can be read.
        """
        found = list(islice(self._rows, _CHUNK))
        if found:
            self.position = Position(self.position.format, 0, found[-1].number, 0)
        return found

    def _read(self, file: SealedFile) -> Iterator[RawRow | RowFault]:
        archive = Archive(file, self._limits)
        about = outline(archive)
        cells = _Cells(about, texts(archive, self._limits), self._limits.columns)
        number = 0
        for _ in archive.events(about.sheet, cells, self._limits.unpacked):
            lines, cells.lines = cells.lines, []
            for line, values in lines:
                if not any(values):
                    continue
                if not self._targets:
                    self._begin(values, line)
                    continue
                number += 1
                yield self._row(number, values, line)

    def _begin(self, names: list[str], line: int) -> None:
        if line > _FIRST_ROWS:
            raise unreadable("missing-column", "The first rows of the sheet are empty.", line)
        self._targets = checked(names, self._columns, self._limits, line, " in the first sheet")
        header = tuple(names[: len(self._targets)])
        self.position = replace(self.position, format=replace(self.position.format, header=header))

    def _row(self, number: int, values: list[str], line: int) -> RawRow | RowFault:
        width = len(self._targets)
        if len(values) > width:
            message = f"The header names {width} columns; this row has {len(values)} values."
            return RowFault(number, (Fault("", "too-many-values", message),), line)
        values += [""] * (width - len(values))
        return RawRow(number, dict(zip(self._targets, values, strict=True)), line)
