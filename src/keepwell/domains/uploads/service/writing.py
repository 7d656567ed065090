"""Reports as CSV that a spreadsheet program shows as text, whatever stands in them."""

import csv
import io
from collections.abc import Iterable, Sequence

_ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def harmless(value: object) -> str:
    """A value as text, with an apostrophe before what a spreadsheet program could take for a formula (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_ACTIVE) else text


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as lines of CSV: every value quoted, so that none can end one and begin another."""
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_ALL).writerows([harmless(value) for value in row] for row in rows)
    return target.getvalue().encode()
