"""The same table is read the same from any dialect, encoding and format, from any place in it, however it comes in."""

import csv
import io
import zipfile
from datetime import date, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepwell.domains.uploads import Limits, Mapping, Position, RawRow, csv_lines
from tests.support.uploads import BUNDLE, CSV, JSONL, XLSX, as_bundle, as_csv, as_jsonl, as_xlsx, chunks, rows, values

SMALL = Limits(block=64)
_LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn"))
_TEXT = st.text(_LETTERS, max_size=12).map(str.strip)
_QUOTED = st.text(st.one_of(_LETTERS, st.sampled_from('\n\r\t,;|"')), max_size=12)
_NAMES = ("external_id", "given_name", "Ward")


def table_of(cell: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, ...]]]:
    row = st.tuples(st.text("abc123", min_size=1, max_size=8), cell, cell)
    return st.lists(row, min_size=1, max_size=20).map(lambda found: [_NAMES, *found])


def said(table: list[tuple[str, ...]]) -> list[dict[str, str]]:
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


@settings(max_examples=150, deadline=None)
@given(
    table=table_of(_QUOTED),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoted=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    size=st.integers(1, 90),
)
def test_csv_comes_back_from_every_dialect(
    table: list[tuple[str, ...]], delimiter: str, end: str, *, quoted: bool, encoding: str, size: int
) -> None:
    content = as_csv(table, encoding, delimiter, end, quoted=quoted)
    assert values(content, size=size, limits=SMALL) == said(table)


@settings(max_examples=40, deadline=None)
@given(table_of(_TEXT))
def test_one_table_is_the_same_in_every_format(table: list[tuple[str, ...]]) -> None:
    told = [{name: text for name, text in row.items() if text} for row in said(table)]
    for content, media in ((as_csv(table), CSV), (as_jsonl(table), JSONL), (as_xlsx(table), XLSX)):
        found = [{name: text for name, text in row.items() if text} for row in values(content, media)]
        assert found == told, media


@pytest.mark.parametrize("media", [CSV, JSONL, XLSX, BUNDLE])
def test_reading_goes_on_from_every_position(media: str) -> None:
    table = [_NAMES, *((str(n), 'a "quoted"\nvalue é', f"w{n}") for n in range(9_000))]
    people = [{"resourceType": "Patient", "id": str(n), "name": [{"family": "Doe"}]} for n in range(3_000)]
    made = {CSV: as_csv, JSONL: as_jsonl, XLSX: as_xlsx}
    content = as_bundle(*people) if media == BUNDLE else made[media](table)
    limits = Limits(block=40_000)
    whole = chunks(content, media, limits=limits, size=4_096)
    assert len(whole) > 2
    for number, chunk in enumerate(whole):
        position = msgspec.json.decode(msgspec.json.encode(chunk.position), type=Position)
        rest = chunks(content[position.offset :], media, limits=limits, size=4_096, start=position)
        assert [row for one in rest for row in one.rows] == [row for one in whole[number + 1 :] for row in one.rows]


def test_rows_tell_their_lines_and_blank_rows_are_not_counted() -> None:
    content = b'external_id,a\n\n1,"x\ny"\n,\n2,z\n'
    assert rows(content) == [
        RawRow(1, {"external_id": "1", "a": "x\ny"}, 3),
        RawRow(2, {"external_id": "2", "a": "z"}, 6),
    ]


@pytest.mark.parametrize(
    ("content", "encoding", "delimiter"),
    [
        ("external_id,name\n1,Zoë\n".encode("cp1252"), "windows-1252", ","),
        ("external_id;name\n1;Zoë\n".encode(), "utf-8", ";"),
        ("external_id\tname\n1\tZoë\n".encode("utf-16"), "utf-16-le", "\t"),
        ("sep=#\nexternal_id#name\n1#Zoë\n".encode(), "utf-8", "#"),
    ],
)
def test_what_a_file_turned_out_to_be_is_told(content: bytes, encoding: str, delimiter: str) -> None:
    [chunk] = chunks(content)
    assert (chunk.format.kind, chunk.format.encoding, chunk.format.delimiter) == ("csv", encoding, delimiter)
    assert chunk.format.header == ("external_id", "name")
    assert values(content) == [{"external_id": "1", "name": "Zoë"}]


def test_windows_1252_is_found_after_any_number_of_plain_rows() -> None:
    plain = [("external_id", "given_name"), *((str(n), "Ann") for n in range(500))]
    found = values(as_csv([*plain, ("x", "Zoë")], "cp1252"), limits=SMALL)
    assert (len(found), found[-1]["given_name"]) == (501, "Zoë")


def test_a_charset_that_is_named_counts() -> None:
    assert values("external_id,a\n1,Ã¼\n".encode("cp1252"), "text/csv; charset=ISO-8859-1")[0]["a"] == "Ã¼"


def test_columns_may_have_the_names_that_a_program_says_or_that_are_in_use() -> None:
    mapping = Mapping(columns={"external_id": ("Akte",), "phone": ("Rufnummer",)})
    content = b"AKTE;Date of birth;RUFNUMMER;Tel;Station\n1;1970;2;3;4\n"
    [row] = values(content, mapping=mapping)
    assert row == {"external_id": "1", "birth_date": "1970", "phone": "2", "Tel": "3", "Station": "4"}


def test_numbers_and_days_of_a_workbook_are_what_it_shows() -> None:
    days = (date(1970, 1, 2), datetime(2001, 2, 3, 4, 5))  # noqa: DTZ001 - a workbook has no zones
    book = as_xlsx([["external_id", "born", "at", "n", "f", "b"], [7, *days, 1e6, 1.5, True]])
    assert values(book, XLSX) == [
        {"external_id": "7", "born": "1970-01-02", "at": "2001-02-03T04:05:00", "n": "1000000", "f": "1.5", "b": "true"}
    ]


SHARED = b"""<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>external_id</t></si><si>
<r><t>gi</t></r><r><rPr><b/></rPr><t>ven name</t></r></si><si><t xml:space="preserve"> Zo\xc3\xab </t>
<rPh sb="0" eb="1"><t>no</t></rPh></si>
<si/></sst>"""
CELLS = b"""<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row><c t="s"><v>0</v></c>
<c t="s"><v>1</v></c></row><row r="7"><c r="A7" t="str"><f>1+1</f><v>=2</v></c><c r="B7" t="s"><v>2</v></c>
<c r="C7" t="s"><v>3</v></c>
<c r="D7"/></row></sheetData></worksheet>"""


def test_texts_that_cells_share_are_read_without_how_they_are_spoken() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(as_xlsx([["x"]]))) as source, zipfile.ZipFile(target, "w") as packed:
        for name in source.namelist():
            packed.writestr(name, CELLS if name.endswith("sheet1.xml") else source.read(name))
        if "xl/sharedStrings.xml" not in source.namelist():
            packed.writestr("xl/sharedStrings.xml", SHARED)
    assert rows(target.getvalue(), XLSX) == [RawRow(1, {"external_id": "=2", "given_name": " Zoë "}, 7)]


def test_a_bundle_tells_of_patients_what_their_elements_say() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"use": "old", "value": "E-1"}, {"value": "E-2"}],
        "name": [{"use": "old", "family": "Roe"}, {"family": "Doe", "given": ["Ann", "Bea"]}],
        "birthDate": "1970-01",
        "telecom": [{"system": "email", "value": "a@example.org"}, {"system": "phone", "value": "+49301234567"}],
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "Europe/Berlin"}],
    }
    expected = {
        "external_id": "E-2",
        "given_name": "Ann Bea",
        "family_name": "Doe",
        "birth_date": "1970-01",
        "email": "a@example.org",
        "phone": "+49301234567",
        "time_zone": "Europe/Berlin",
    }
    assert values(as_bundle(patient), BUNDLE) == [expected]


@given(
    st.lists(
        st.lists(st.one_of(_QUOTED, st.sampled_from(["=1+1", " +x", "@a", "\t-1", "\uff0d2"])), min_size=2, max_size=4),
        max_size=5,
    )
)
def test_a_report_holds_nothing_that_a_spreadsheet_takes_for_a_formula(table: list[list[str]]) -> None:
    found = list(csv.reader(io.StringIO(csv_lines(table).decode(), newline=""), strict=True))
    assert [[cell.removeprefix("'") for cell in row] for row in found] == [
        [cell.removeprefix("'") for cell in row] for row in table
    ]
    assert not [cell for row in found for cell in row if cell.lstrip(" ").startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))]
