"""What holds a workbook together, read with bounds: which part is its first sheet, which styles are dates, its shared texts."""

import io
import posixpath
import struct
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from typing import Any
from xml.parsers import expat

import msgspec

from keepwell.domains.uploads.errors import unreadable
from keepwell.domains.uploads.models import Limits
from keepwell.domains.uploads.rules.cells import shows_date
from keepwell.domains.uploads.service.sealed_file import SealedFile

_PIECE = 65_536
_DIRECTORY = 1_048_576
_SMALL = 16_777_216
_Attributes = dict[str, str]


class Part:
    """Receives the elements of one part of a workbook. Names are without their namespaces."""

    def start(self, name: str, attributes: _Attributes) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Text between tags."""


class Archive:
    """The parts of a workbook, each as a stream that cannot become larger than is allowed."""

    def __init__(self, file: SealedFile, limits: Limits) -> None:
        self._limits = limits
        _check_directory(file)
        try:
            self._zip = zipfile.ZipFile(_buffered(file))
        except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError):
            raise damaged() from None

    def has(self, name: str) -> bool:
        """Whether there is such a part."""
        return name in self._zip.NameToInfo

    def events(self, name: str, part: Part, most: int) -> Iterator[None]:
        """Parses a part; yields after each piece.

        Raises:
            Refused: it is missing, damaged, larger than `most` bytes, or declares entities.
        """
        info = self._zip.NameToInfo.get(name)
        if info is None:
            raise damaged()
        packed = max(1, info.compress_size)
        if info.file_size > most or (info.file_size > _SMALL and info.file_size / packed > self._limits.expansion):
            raise unreadable("too-large-unpacked", "The workbook is far larger unpacked than it seems. Save the sheet as CSV.")
        parser = _parser(part)
        try:
            with self._zip.open(info) as source:
                while piece := source.read(_PIECE):
                    parser.Parse(piece, False)  # noqa: FBT003 - its second argument has no name
                    yield
                parser.Parse(b"", True)  # noqa: FBT003
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            NotImplementedError,
            expat.ExpatError,
            ValueError,
        ):
            raise damaged() from None

    def read(self, name: str, part: Part) -> None:
        """Parses a small part to its end. Raises as `events` does."""
        for _ in self.events(name, part, _SMALL):
            pass


def damaged() -> Exception:
    """The answer to what is no whole workbook."""
    return unreadable("damaged-workbook", "The file is not a whole XLSX workbook. Save it again, without a password, or as CSV.")


def _buffered(file: SealedFile) -> Any:
    return io.BufferedReader(file, _PIECE)


def _check_directory(file: SealedFile) -> None:
    """A list of millions of empty parts is small in the file and large in memory."""
    file.seek(-min(file.size, _PIECE + 22), 2)
    tail = file.read() or b""
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise damaged()
    [size] = struct.unpack_from("<I", tail, at + 12)
    if size > _DIRECTORY:
        raise unreadable("too-large-unpacked", "The workbook has too many parts. Save the sheet as CSV.")
    file.seek(0)


def _parser(part: Part) -> Any:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: part.start(_local(name), attributes)
    parser.EndElementHandler = lambda name: part.end(_local(name))
    parser.CharacterDataHandler = part.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _refuse_doctype(*_: object) -> None:
    raise unreadable("entities", "The workbook declares entities of its own, which none does that a spreadsheet program saved.")


class Outline(msgspec.Struct, frozen=True):
    """Where the first visible sheet is, which cell styles show dates, and from when days are counted."""

    sheet: str
    dates: frozenset[int]
    since_1904: bool


class _Elements(Part):
    def __init__(self, keep: Callable[[str, _Attributes], None]) -> None:
        self.start = keep  # type: ignore[method-assign]


def outline(archive: Archive) -> Outline:
    """What is to be known before the sheet is read.

    Raises:
        Refused: it is no workbook.
    """
    sheets: list[_Attributes] = []
    properties: _Attributes = {}
    targets: dict[str, str] = {}

    def of_workbook(name: str, attributes: _Attributes) -> None:
        if name == "sheet":
            sheets.append({_local(key): value for key, value in attributes.items()})
        elif name == "workbookPr":
            properties.update(attributes)

    def of_relations(name: str, attributes: _Attributes) -> None:
        if name == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    archive.read("xl/workbook.xml", _Elements(of_workbook))
    archive.read("xl/_rels/workbook.xml.rels", _Elements(of_relations))
    shown = [one for one in sheets if one.get("state", "visible") == "visible"]
    if not shown:
        raise damaged()
    target = targets.get(shown[0].get("id", ""), "")
    place = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join("xl", target))
    return Outline(place, _dates(archive), properties.get("date1904") in ("1", "true"))


def _dates(archive: Archive) -> frozenset[int]:
    if not archive.has("xl/styles.xml"):
        return frozenset()
    codes: dict[int, str] = {}
    styles: list[int] = []
    inside: list[str] = []

    def of_styles(name: str, attributes: _Attributes) -> None:
        if name == "numFmt":
            codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
        elif name in ("cellXfs", "cellStyleXfs", "dxfs"):
            inside[:] = [name]
        elif name == "xf" and inside == ["cellXfs"]:
            styles.append(int(attributes.get("numFmtId", "0")))

    archive.read("xl/styles.xml", _Elements(of_styles))
    return frozenset(place for place, format_id in enumerate(styles) if shows_date(format_id, codes.get(format_id)))


class Texts(Part):
    """The texts that cells share, packed: an object for each would take ten times the memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._packed = bytearray()
        self._ends = array("Q")
        self._depth = 0
        self._open = False

    def __getitem__(self, place: int) -> str:
        begun = self._ends[place - 1] if place else 0
        return self._packed[begun : self._ends[place]].decode()

    def __len__(self) -> int:
        return len(self._ends)

    def start(self, name: str, attributes: _Attributes) -> None:  # noqa: ARG002 - as every part
        if name == "rPh":  # how it is spoken, in Japanese: no part of the text
            self._depth += 1
        self._open = name == "t" and not self._depth

    def end(self, name: str) -> None:
        self._open = False
        if name == "rPh":
            self._depth -= 1
        elif name == "si":
            self._ends.append(len(self._packed))

    def text(self, text: str) -> None:
        if self._open:
            self._packed += text.encode("utf-8", "replace")
            if len(self._packed) > self._most:
                raise unreadable("too-large-unpacked", "The workbook holds too much text. Save the sheet as CSV.")


def texts(archive: Archive, limits: Limits) -> Texts:
    """The shared texts of a workbook; there may be none.

    Raises:
        Refused: as `Archive.events`, or they are too many.
    """
    found = Texts(limits.texts)
    if archive.has("xl/sharedStrings.xml"):
        for _ in archive.events("xl/sharedStrings.xml", found, limits.unpacked):
            pass
    return found
