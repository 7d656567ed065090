"""Bad files, and the answer to each: at fault as a whole with line, column and reason, or at fault in one row."""

import asyncio
import io
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator

import pytest

from keepwell.domains.uploads import Limits, RawRow, RowFault, read
from keepwell.kernel import Refused
from tests.support.uploads import BUNDLE, CSV, JSONL, XLSX, as_bundle, as_xlsx, refusal, rows, values

SECRET = "Zanzibar-7781"
HEADER = b"external_id,given_name\n"
SMALL = Limits(record=2_000, block=500)

FILES: list[tuple[str, bytes, str, str, int | None, int | None]] = [
    ("nothing", b"", CSV, "empty", None, None),
    ("only blank space", b" \r\n\r\n", CSV, "empty", None, None),
    ("only a mark", b"\xef\xbb\xbf", JSONL, "empty", None, None),
    ("a header only", HEADER, CSV, "no-rows", None, None),
    ("another delimiter", b"external_id:given_name\n1:Zanzibar-7781\n", CSV, "missing-column", 1, None),
    ("no header", b"1,Zanzibar-7781\n2,Bo\n", CSV, "missing-column", 1, None),
    ("a header with a repeated column", b"external_id,Ward,ward ,ward\n1,a,b,c\n", CSV, "duplicate-column", 1, 4),
    ("two columns for one field", b"external_id,DOB,Birthday\n1,,\n", CSV, "duplicate-column", 1, 3),
    ("a column without a name", b"external_id,,ward\n1,a,b\n", CSV, "unnamed-column", 1, 2),
    ("two encodings", HEADER + "1,Zoë\n".encode() + "2,Zanzibar-7781 é\n".encode("cp1252"), CSV, "mixed-encodings", 3, 17),
    ("two encodings, the other way", HEADER + b"1,Zo\xeb,\n2,Zo\xc3\xab\n", CSV, "mixed-encodings", 2, 5),
    ("bytes of no encoding", HEADER + b"1,\x81\x8d\n", CSV, "mixed-encodings", 2, 3),
    ("UTF-8 cut in a letter", HEADER + b"1,Zo\xc3", CSV, "truncated", 2, 5),
    ("UTF-16 cut in a letter", "external_id\nab".encode("utf-16")[:-1], CSV, "truncated", 2, 2),
    ("a NUL byte", HEADER + b"1,Ann\n2,B\0b\n", CSV, "nul-byte", 3, 4),
    ("a quote never closed", HEADER + b'1,Ann\n2,"Zanzibar-7781\n3,Bo\n', CSV, "unclosed-quote", 3, None),
    ("UTF-32", "external_id\n1\n".encode("utf-32"), CSV, "unknown-encoding", None, None),
    ("a charset nobody knows", HEADER + b"1,a\n", "text/csv; charset=klingon", "unknown-encoding", None, None),
    ("a workbook called CSV", b"PK\3\4abc", CSV, "another-type", None, None),
    ("CSV called a workbook", HEADER, XLSX, "another-type", None, None),
    ("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), XLSX, "old-workbook", None, None),
    ("an object over many lines", b'{\n"external_id": "Zanzibar-7781"\n}\n', JSONL, "not-jsonl", 1, None),
    ("an array cut off", b'[{"external_id": "Zanzibar-7781"}', JSONL, "truncated", None, None),
    ("a Bundle cut off", as_bundle({"resourceType": "Patient", "id": SECRET})[:-1], BUNDLE, "truncated", None, None),
    ("no JSON for a Bundle", b"Zanzibar-7781", BUNDLE, "invalid-json", None, None),
    (
        "a Bundle of a wrong type",
        as_bundle({"resourceType": "Patient", "id": SECRET}, kind="history"),
        BUNDLE,
        "bundle-type",
        None,
        None,
    ),
    ("no Bundle", json.dumps({"resourceType": "Patient", "id": SECRET}).encode(), BUNDLE, "not-a-bundle", None, None),
    ("a Bundle of nobody", as_bundle(), BUNDLE, "no-rows", None, None),
    ("a workbook without rows", as_xlsx([["external_id"]]), XLSX, "no-rows", None, None),
    ("a workbook without the column", as_xlsx([["name"], [SECRET]]), XLSX, "missing-column", 1, None),
    ("a workbook cut off", as_xlsx([["external_id"], [SECRET]])[:-30], XLSX, "damaged-workbook", None, None),
    ("a ZIP that is no workbook", b"PK\3\4" + bytes(100), XLSX, "damaged-workbook", None, None),
]


@pytest.mark.parametrize(
    ("content", "media", "reason", "line", "column"), [case[1:] for case in FILES], ids=[case[0] for case in FILES]
)
def test_a_bad_file_is_answered_with_line_column_and_reason(
    content: bytes, media: str, reason: str, line: int | None, column: int | None
) -> None:
    found = refusal(content, media)
    assert (found.code, found.type.status) == ("unreadable-upload", 422)
    assert (found.extra["reason"], found.extra.get("line"), found.extra.get("column")) == (reason, line, column)
    assert found.detail
    assert [fault.code for fault in found.faults] == [reason]
    assert "Zanzibar" not in repr(found)


ROWS: list[tuple[str, bytes, str, str]] = [
    ("too few values", HEADER + b"1\n2,Bo\n", CSV, "too-few-values"),
    ("too many values", HEADER + b"1,a,Zanzibar-7781\n2,Bo\n", CSV, "too-many-values"),
    ("text after a quote", HEADER + b'1,"Zanzibar-7781"x\n2,Bo\n', CSV, "malformed-quotes"),
    (
        "a line that is no JSON",
        b'{"external_id": Zanzibar-7781}\n{"external_id": "2", "given_name": "Bo"}\n',
        JSONL,
        "invalid-json",
    ),
    (
        "a line that is no object",
        b'7\n{"external_id": "2", "given_name": "Bo"}\n',
        JSONL,
        "not-an-object",
    ),
    ("an object in a line", b'{"external_id": {"a": 1}}\n{"external_id": "2", "given_name": "Bo"}\n', JSONL, "nested-value"),
    (
        "two names of a field",
        b'{"external_id": 1, "dob": "a", "birthday": "b"}\n{"external_id": "2", "given_name": "Bo"}\n',
        JSONL,
        "duplicate-column",
    ),
    ("a number in an array", b'[7, {"external_id": "2", "given_name": "Bo"}]', JSONL, "not-an-object"),
    (
        "an entry of another kind",
        as_bundle({"resourceType": "Group"}, {"resourceType": "Patient", "id": "2", "name": [{"given": ["Bo"]}]}),
        BUNDLE,
        "not-a-patient",
    ),
]


@pytest.mark.parametrize(("content", "media", "code"), [case[1:] for case in ROWS], ids=[case[0] for case in ROWS])
def test_a_bad_row_is_at_fault_alone(content: bytes, media: str, code: str) -> None:
    first, second = rows(content, media)
    assert isinstance(first, RowFault)
    assert (first.number, [fault.code for fault in first.faults]) == (1, [code])
    assert "Zanzibar" not in repr(first)
    assert isinstance(second, RawRow)
    assert (second.number, second.values) == (2, {"external_id": "2", "given_name": "Bo"})


def test_a_line_without_end_is_refused_before_it_fills_memory() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield HEADER + b"1,"
        while sent < 2_000_000_000:
            sent += 65_536
            yield b"a" * 65_536

    async def reason() -> str:
        with pytest.raises(Refused) as caught:
            _ = [chunk async for chunk in read(endless(), CSV)]
        return caught.value.refusal.extra["reason"]

    tracemalloc.start()
    assert asyncio.run(reason()) == "line-too-long"
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()
    assert sent < 2_000_000


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b'{"external_id": "1"}\n{"external_id": "' + b"a" * 9_000 + b'"}\n', JSONL),
        (b'[{"external_id": "' + b"a" * 9_000 + b'"}]', JSONL),
        (HEADER + b"1," + b"a" * 9_000 + b"\n", CSV),
    ],
)
def test_a_record_has_a_limit_in_every_format(content: bytes, media: str) -> None:
    assert refusal(content, media, limits=SMALL, size=100).extra["reason"] == "line-too-long"


def test_a_quote_that_is_not_closed_is_refused_before_the_end_of_the_file() -> None:
    content = HEADER + b'1,"Ann\n' + b"2,Bo\n" * 10_000
    found = refusal(content, limits=SMALL)
    assert (found.extra["reason"], found.extra["line"]) == ("unclosed-quote", 2)


def repacked(content: bytes, name: str, change: bytes, *, instead: bytes | None = None) -> bytes:
    """A workbook whose part has other bytes: those, or these in place of those."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for info in source.infolist():
            body = source.read(info)
            if info.filename == name:
                body = change if instead is None else body.replace(change, instead)
            packed.writestr(info.filename, body)
    return target.getvalue()


BOOK = as_xlsx([["external_id", "given_name"], ["1", "Ann"]])
SHEET = "xl/worksheets/sheet1.xml"


def test_a_workbook_that_unpacks_to_far_more_is_refused() -> None:
    bomb = repacked(BOOK, SHEET, b"<worksheet><sheetData>" + b" " * 40_000_000)
    assert len(bomb) < 100_000
    assert refusal(bomb, XLSX, size=65_536).extra["reason"] == "too-large-unpacked"


def test_a_workbook_larger_than_is_taken_is_refused_while_it_comes_in() -> None:
    found = refusal(
        as_xlsx([["external_id"], *([str(n)] for n in range(3_000))]), XLSX, limits=Limits(workbook=5_000, block=1_000)
    )
    assert found.extra["reason"] == "workbook-too-large"


def test_a_workbook_with_values_in_too_many_columns_is_refused() -> None:
    wide = as_xlsx([["external_id", *map(str, range(300))], ["1"]])
    assert refusal(wide, XLSX).extra["reason"] == "too-many-columns"


@pytest.mark.parametrize("entity", [b"<!ENTITY a SYSTEM 'file:///etc/passwd'>", b"<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>"])
def test_a_workbook_that_declares_entities_is_refused(entity: bytes) -> None:
    found = refusal(repacked(BOOK, SHEET, b"<!DOCTYPE x [" + entity + b"]><worksheet/>"), XLSX)
    assert found.extra["reason"] == "entities"


@pytest.mark.parametrize(
    ("part", "whole"), [(b'r="A2"', b'r="ZZZZ2"'), (b'r="B2" t="n"', b'r="B2" t="s"'), (b"</sheetData>", b"")]
)
def test_a_workbook_that_is_not_well_made_is_damaged(part: bytes, whole: bytes) -> None:
    book = as_xlsx([["external_id", "n"], ["1", 555]])
    assert values(book, XLSX) == [{"external_id": "1", "n": "555"}]
    assert refusal(repacked(book, SHEET, part, instead=whole), XLSX).extra["reason"] == "damaged-workbook"


def test_formulas_and_what_looks_like_one_are_text() -> None:
    said = b"external_id,given_name,a\n=1+1,@cmd,-2\n"
    assert values(said) == [{"external_id": "=1+1", "given_name": "@cmd", "a": "-2"}]
