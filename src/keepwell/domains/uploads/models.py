"""The nouns of this room: what a file turned out to be, its rows as they stand in it, and the people they mean."""

from typing import Literal

import msgspec

from keepwell.kernel import Fault

Kind = Literal["csv", "jsonl", "json", "xlsx", "bundle"]
"""`json` is one array of objects, as some send it for JSONL."""

FIELDS = ("external_id", "given_name", "family_name", "birth_date", "email", "phone", "time_zone")
"""What a column may mean. Every other column is an attribute under its own name."""


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a program's files are read: other names of columns, by field; further forms of dates, such as `DD.MM.YYYY`; the
    region (ISO 3166) of phone numbers written without a country. What is not said here is not guessed.
    """

    columns: dict[str, tuple[str, ...]] = {}
    date_formats: tuple[str, ...] = ()
    phone_region: str | None = None


class Limits(msgspec.Struct, frozen=True):
    """How much is read of one file. Bytes, unless said otherwise; `unpacked` and `texts` are of the sheet of a workbook."""

    record: int = 1_000_000
    columns: int = 250
    block: int = 262_144
    workbook: int = 268_435_456
    unpacked: int = 2_147_483_648
    texts: int = 268_435_456
    expansion: int = 250


class Format(msgspec.Struct, frozen=True):
    """What a file turned out to be. `header` are the columns as they were named, and empty where each row names its own."""

    kind: Kind
    encoding: str = "utf-8"
    delimiter: str | None = None
    header: tuple[str, ...] = ()


class Position(msgspec.Struct, frozen=True):
    """Where reading can go on: hand it in with a stream that begins at `offset` bytes of the same file.

    `row` rows and `line` lines came before it. A workbook, a Bundle and a JSON array are read from their first byte again, and
    the rows before are passed over.
    """

    format: Format
    offset: int
    row: int
    line: int


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """A row as it stands in the file, by field or attribute. Rows are counted from 1; those without any value are none."""

    number: int
    values: dict[str, str]
    line: int | None = None


class RowFault(msgspec.Struct, frozen=True):
    """A row that means nobody, and why. Pointers name a field, or nothing; no message repeats what is in the row."""

    number: int
    faults: tuple[Fault, ...]
    line: int | None = None


class Chunk(msgspec.Struct, frozen=True):
    """Rows in a row. `position` is where those after it begin."""

    rows: list[RawRow | RowFault]
    position: Position

    @property
    def format(self) -> Format:
        return self.position.format


class NormalRow(msgspec.Struct, frozen=True):
    """Whom a row names, in the one form of each value. None is not spoken of."""

    number: int
    external_id: str
    given_name: str | None = None
    family_name: str | None = None
    birth_date: str | None = None
    email: str | None = None
    phone: str | None = None
    time_zone: str | None = None
    attributes: dict[str, str] = {}
    line: int | None = None
