"""Finding aggregates by what their look-up rows say: conditions whose names come from the code, and whose values from callers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

Operator = Literal["=", "<>", "<", "<=", ">", ">="]


class Comparison(NamedTuple):
    """What one column has to be. `column` is a name of the finder's."""

    column: str
    operator: Operator
    value: Any


Condition = tuple[tuple[Comparison, ...], ...]
"""Alternatives: it holds when all comparisons of any one of them do; with no alternative it never does."""


class Finder(msgspec.Struct, frozen=True):
    """How aggregates of one kind are found.

    `columns` maps names to SQL over `t`, the look-up table, and `g`, the aggregate. SQL that holds `{}` is a whole comparison,
    which takes the value there. Every finder knows `id`, `updated_at`, and `compartment`, to which searches can be held.
    """

    kind: str
    table: str
    columns: Mapping[str, str]


class Found(NamedTuple):
    """An aggregate found, and what it is ordered by besides its id: None when by nothing else."""

    id: UUID
    updated_at: datetime | None = None


class Selection(msgspec.Struct, frozen=True):
    """Which aggregates: those for which every condition holds, in this order, those after `after`, at most `limit`.

    Who is ordered by `updated_at` may move between two pages.
    """

    conditions: tuple[Condition, ...] = ()
    by: Literal["id", "updated_at"] = "id"
    descending: bool = True
    after: Found | None = None
    limit: int = 100


_OWN = {"id": "t.id", "updated_at": "g.updated_at", "compartment": "g.compartment"}


async def find(connection: Any, finder: Finder, wanted: Selection, compartment: bytes | None) -> list[Found]:
    """What is found in the tenant that the connection is set to; with a compartment, in that only."""
    writer = _Writer(finder)
    where = writer.where(wanted.conditions, compartment)
    keys = ["t.id"] if wanted.by == "id" else ["g.updated_at", "t.id"]
    if wanted.after is not None:
        places = [writer.place(value) for value in (wanted.after if wanted.by == "id" else wanted.after[::-1])[: len(keys)]]
        where += f" AND ({', '.join(keys)}) {'<' if wanted.descending else '>'} ({', '.join(places)})"
    order = ", ".join(f"{key} DESC" if wanted.descending else key for key in keys)
    limit = writer.place(wanted.limit)
    # Every name is written in the code; what a caller sends travels as arguments.
    statement = (
        f"SELECT {', '.join(reversed(keys))} FROM {writer.tables(where, order)} WHERE {where} ORDER BY {order} LIMIT {limit}"  # noqa: S608
    )
    return [Found(*row) for row in await connection.fetch(statement, *writer.arguments)]


async def count(connection: Any, finder: Finder, conditions: tuple[Condition, ...], compartment: bytes | None) -> int:
    """How many there are. As `find`."""
    writer = _Writer(finder)
    where = writer.where(conditions, compartment)
    return await connection.fetchval(f"SELECT count(*) FROM {writer.tables(where)} WHERE {where}", *writer.arguments)  # noqa: S608 - as above


class _Writer:
    """Writes the text of one statement and gathers its arguments."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self.arguments: list[Any] = []

    def place(self, value: Any) -> str:
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def where(self, conditions: tuple[Condition, ...], compartment: bytes | None) -> str:
        if compartment is not None:
            conditions = (*conditions, ((Comparison("compartment", "=", compartment),),))
        return " AND ".join(["t.tenant_id = current_tenant()", *map(self._condition, conditions)])

    def tables(self, *parts: str) -> str:
        """The look-up table, and the aggregates where any part speaks of them."""
        joined = f" JOIN aggregate g ON g.tenant_id = t.tenant_id AND g.kind = '{self._finder.kind}' AND g.id = t.id"
        return f"{self._finder.table} t" + (joined if any("g." in part for part in parts) else "")

    def _condition(self, alternatives: Condition) -> str:
        texts = [" AND ".join(map(self._comparison, comparisons)) for comparisons in alternatives]
        return f"({' OR '.join(f'({text})' for text in texts)})" if texts else "false"

    def _comparison(self, one: Comparison) -> str:
        sql = self._finder.columns.get(one.column) or _OWN[one.column]
        place = self.place(one.value)
        found = sql.replace("{}", place) if "{}" in sql else f"{sql} {one.operator} {place}"
        if one.column == "updated_at" and one.operator in (">", ">="):
            # What changed lately stands at the end of the journal, which has an index by time. The aggregates have none: each
            # change would have to keep it.
            entries = f"SELECT j.id FROM journal_entry j WHERE j.tenant_id = current_tenant() AND j.kind = '{self._finder.kind}'"  # noqa: S608 - as above
            found += f" AND t.id IN ({entries} AND j.at {one.operator} {place})"
        return found
