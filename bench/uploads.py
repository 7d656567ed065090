"""How fast files are read, beside the standard library's bare reader of the same bytes: `python -m bench.uploads`.

Both run by turns in one process. `openpyxl` reads the same workbook, read-only, for comparison.
"""

import argparse
import asyncio
import csv
import io
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import date
from statistics import median
from time import perf_counter
from typing import Any

import msgspec
from openpyxl import Workbook, load_workbook  # type: ignore[import-untyped]

from keepwell.domains.uploads import Mapping, Normaliser, RawRow, read

AIM = 100_000
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_NAMES = ("external_id", "given_name", "family_name", "birth_date", "email", "phone", "time_zone", "ward")


def people(number: int) -> list[tuple[str, ...]]:
    """A table of people, eight values each, with its header."""
    return [
        _NAMES,
        *(
            (
                f"p{n}",
                f"Ann{n}",
                f"Doe{n}",
                f"19{n % 90 + 10}-{n % 12 + 1:02}-{n % 28 + 1:02}",
                f"ann{n}@example.org",
                f"+4930{1_000_000 + n}",
                "Europe/Berlin",
                f"W{n % 10}",
            )
            for n in range(number)
        ),
    ]


def as_csv(table: list[tuple[str, ...]]) -> bytes:
    """The table as CSV."""
    target = io.StringIO()
    csv.writer(target).writerows(table)
    return target.getvalue().encode()


def as_xlsx(table: list[tuple[str, ...]]) -> bytes:
    """The table as a workbook."""
    book: Any = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in table:
        sheet.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for begun in range(0, len(content), 65_536):
        yield content[begun : begun + 65_536]


def ours(content: bytes, media: str) -> Callable[[], int]:
    """Reads all, keeps nothing."""

    async def counted() -> int:
        return sum([len(chunk.rows) async for chunk in read(_pieces(content), media)])

    return lambda: asyncio.run(counted())


def bare(content: bytes) -> Callable[[], int]:
    """The standard library's reader over the decoded whole."""
    return lambda: sum(1 for _ in csv.reader(io.StringIO(content.decode(), newline=""))) - 1


def peer(content: bytes) -> Callable[[], int]:
    """openpyxl, read-only."""

    def counted() -> int:
        book: Any = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        return sum(1 for _ in book.active.iter_rows(values_only=True)) - 1

    return counted


def normalised(rows: list[RawRow]) -> Callable[[], int]:
    """Brings rows into normal form."""
    normaliser = Normaliser(Mapping(), date(2026, 1, 1))
    return lambda: sum(1 for row in rows if normaliser.normal(row))


def by_turns(first: Callable[[], int], second: Callable[[], int], rounds: int) -> tuple[float, float]:
    """Rows a second of both, the medians."""
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, found in zip((first, second), rates, strict=True):
            start = perf_counter()
            found.append(work() / (perf_counter() - start))
    return median(rates[0]), median(rates[1])


def main() -> int:
    """0 when CSV is read at the rate that is aimed at."""
    parser = argparse.ArgumentParser(prog="python -m bench.uploads", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    table = people(asked.rows)
    content = as_csv(table)
    csv_rate, bare_rate = by_turns(ours(content, "text/csv"), bare(content), asked.rounds)
    print(
        f"CSV                {csv_rate:10,.0f} rows/s   (aim {AIM:,}) {csv_rate / bare_rate:.2f} of csv.reader's {bare_rate:,.0f}"
    )
    lines = b"".join(msgspec.json.encode(dict(zip(_NAMES, row, strict=True))) + b"\n" for row in table[1:])
    json_rate, _ = by_turns(ours(lines, "application/x-ndjson"), bare(content), asked.rounds)
    print(f"JSONL              {json_rate:10,.0f} rows/s")
    book = as_xlsx(table[: asked.rows // 5])
    sheet_rate, peer_rate = by_turns(ours(book, _XLSX), peer(book), 3)
    print(f"XLSX               {sheet_rate:10,.0f} rows/s   {sheet_rate / peer_rate:.2f} of openpyxl's {peer_rate:,.0f}")
    rows = [RawRow(n, dict(zip(_NAMES, row, strict=True))) for n, row in enumerate(table[1:20_001], 1)]
    normal_rate, _ = by_turns(normalised(rows), bare(content), asked.rounds)
    print(f"normal form        {normal_rate:10,.0f} rows/s")
    for name, work in (("CSV", ours(content, "text/csv")), ("XLSX", ours(book, _XLSX))):
        tracemalloc.start()
        work()
        print(f"memory, {name:<10} {tracemalloc.get_traced_memory()[1] / 1e6:10.1f} MB at most")
        tracemalloc.stop()
    return 0 if csv_rate >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
