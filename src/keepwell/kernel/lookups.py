"""Writing the rooms' look-up tables, all alike: one upsert for each table and tenant, in the transaction of the change."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from keepwell.kernel.aggregate import Catalog, Lookup
from keepwell.kernel.plan import LookupRow
from keepwell.kernel.store import CLAIM_TENANT


async def save(connection: Any, catalog: Catalog, rows: Sequence[LookupRow]) -> None:
    """Stores the rows. `connection` is inside the transaction that stored the states; its tenant setting is left cleared."""
    segments: dict[tuple[UUID, str], list[LookupRow]] = {}
    for row in rows:
        segments.setdefault((row.tenant, row.kind), []).append(row)
    tenant = None
    # In one order for every batch, so that two batches cannot wait for each other in a circle.
    for (owner, kind), segment in sorted(segments.items(), key=lambda item: item[0]):
        if owner != tenant:
            await connection.execute(CLAIM_TENANT, str(owner))
            tenant = owner
        lookup = catalog.kinds[kind].lookup
        if lookup is None:
            raise ValueError(f"{kind} has no look-up table")
        segment.sort(key=lambda row: row.id)
        columns = [list(column) for column in zip(*(row.values for row in segment), strict=True)]
        await connection.execute(upsert(lookup), owner, [row.id for row in segment], *columns)
    await connection.execute(CLAIM_TENANT, "")


@lru_cache(maxsize=256)
def _upsert(table: str, columns: tuple[tuple[str, str], ...]) -> str:
    names = ", ".join(name for name, _ in columns)
    arrays = ", ".join(f"${place}::{type_}[]" for place, (_, type_) in enumerate(columns, start=3))
    changes = ", ".join(f"{name} = excluded.{name}" for name, _ in columns)
    # Names come from the rooms' own declarations, never from input.
    return (
        f"INSERT INTO {table} (tenant_id, id, {names}) SELECT $1::uuid, * FROM unnest($2::uuid[], {arrays}) "  # noqa: S608
        f"ON CONFLICT (tenant_id, id) DO UPDATE SET {changes}"
    )


def upsert(lookup: Lookup) -> str:
    """The statement that stores rows of one tenant: tenant, ids, then one array a column."""
    return _upsert(lookup.table, tuple(lookup.columns.items()))
