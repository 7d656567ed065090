"""A file of as many people as one likes, one row in a hundred with a fault, of twenty kinds by turns."""

from collections.abc import AsyncIterator
from typing import NamedTuple

HEADER = "external_id,given_name,family_name,birth_date,email,phone,time_zone,ward\n"
_EVERY, _FIRST = 100, 50
_AT_ONCE = 1_000


class Fault(NamedTuple):
    """A row that does not come through: what it says of person `{n}`, and what is said of it."""

    line: str
    outcome: str
    reason: str


FAULTS = (
    Fault(",Given{n},Family,1970-01-01,,,,", "dead", "missing-external-id"),
    Fault("   ,Given{n},Family,1970-01-01,,,,", "dead", "missing-external-id"),
    Fault("E-{n}" + 300 * "0" + ",Given,Family,1970-01-01,,,,", "dead", "invalid-external-id"),
    Fault("E-\u200b{n},Given,Family,1970-01-01,,,,", "dead", "invalid-external-id"),
    Fault("E-{n}," + 600 * "x" + ",Family,,,,,", "dead", "invalid-given-name"),
    Fault("E-{n},Gi\u200bven,Family,,,,,", "dead", "invalid-given-name"),
    Fault("E-{n},Given," + 600 * "x" + ",,,,,", "dead", "invalid-family-name"),
    Fault("E-{n},Given,Family,1970-13-01,,,,", "dead", "invalid-birth-date"),
    Fault("E-{n},Given,Family,1970-02-30,,,,", "dead", "invalid-birth-date"),
    Fault("E-{n},Given,Family,yesterday,,,,", "dead", "invalid-birth-date"),
    Fault("E-{n},Given,Family,2999-01-01,,,,", "dead", "birth-date-in-future"),
    Fault("E-{n},Given,Family,1799-01-01,,,,", "dead", "birth-date-too-early"),
    Fault("E-{n},Given,Family,,nobody,,,", "dead", "invalid-email"),
    Fault("E-{n},Given,Family,,no body@example.org,,,", "dead", "invalid-email"),
    Fault("E-{n},Given,Family,," + 300 * "x" + "@example.org,,,", "dead", "invalid-email"),
    Fault("E-{n},Given,Family,,,+49 call me,,", "dead", "invalid-phone"),
    Fault("E-{n},Given,Family,,,+491,,", "dead", "invalid-phone"),
    Fault("E-{n},Given,Family,,,,Mars/Olympus,", "dead", "invalid-time-zone"),
    Fault("E-{n},Given,Family,,,,," + 2_100 * "7", "dead", "invalid-attribute"),
    Fault("E-{before},Another,Family,,,,,", "conflict", "repeated-differently"),
)


def fault_of(row: int) -> Fault | None:
    """What is wrong with a row, counted from 1."""
    return FAULTS[row // _EVERY % len(FAULTS)] if row % _EVERY == _FIRST else None


def faulty(rows: int) -> dict[int, Fault]:
    """The rows of a file of so many that do not come through."""
    return {row: fault for row in range(_FIRST, rows + 1, _EVERY) if (fault := fault_of(row)) is not None}


def line(row: int) -> str:
    fault = fault_of(row)
    if fault is not None:
        return fault.line.format(n=row, before=row - 1) + "\n"
    birth, phone = f"{1930 + row % 80}-0{row % 9 + 1}-17", f"+4930{row:07}"
    return f"E-{row},Given{row},Family{row % 977},{birth},p{row}@example.org,{phone},,{row % 40}\n"


async def file(rows: int) -> AsyncIterator[bytes]:
    """The file, as CSV, piece by piece."""
    yield HEADER.encode()
    for start in range(1, rows + 1, _AT_ONCE):
        yield "".join(map(line, range(start, min(start + _AT_ONCE, rows + 1)))).encode()
