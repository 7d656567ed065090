"""Whether what the load was told is what the journal holds."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from bench.wrk import LoadFailedError, Report, Target

_QUIET_SECONDS = 0.3
_VERSIONS = "SELECT id, version FROM aggregate WHERE id = ANY($1::uuid[])"
_ENTRIES = """
SELECT j.id, count(*) AS entries, count(DISTINCT j.version) AS versions, max(j.version) AS newest
FROM journal_entry j JOIN unnest($1::uuid[], $2::integer[]) AS w (id, version) ON j.id = w.id AND j.version > w.version
WHERE j.tenant_id = ANY($3::uuid[]) AND j.kind = 'response' GROUP BY j.id
"""
_TENANTS = "SELECT DISTINCT tenant_id FROM aggregate WHERE id = ANY($1::uuid[])"


async def settled(auditor: Any, targets: Sequence[Target]) -> list[Target]:
    """The targets at their versions, once nothing is stored any more of what was in flight when an earlier load ended."""
    before = await current(auditor, targets)
    while True:
        await asyncio.sleep(_QUIET_SECONDS)
        after = await current(auditor, targets)
        if after == before:
            return after
        before = after


async def current(auditor: Any, targets: Sequence[Target]) -> list[Target]:
    """The targets at the versions they are at now."""
    rows = await auditor.fetch(_VERSIONS, [target.id for target in targets])
    versions = {row["id"]: row["version"] for row in rows}
    return [msgspec.structs.replace(target, version=versions[target.id]) for target in targets]


async def check(auditor: Any, before: Sequence[Target], report: Report, connections: int) -> int:
    """How many changes the journal holds that the load did not see answered: those in flight when it ended.

    Raises:
        LoadFailedError: an acknowledged change is missing, one is there twice, or more are there than were sent.
    """
    ids = [target.id for target in before]
    # One snapshot: the server may still be storing what was in flight.
    async with auditor.transaction(isolation="repeatable_read", readonly=True):
        tenants = [row["tenant_id"] for row in await auditor.fetch(_TENANTS, ids)]
        rows = await auditor.fetch(_ENTRIES, ids, [target.version for target in before], tenants)
        after = {target.id: target.version for target in await current(auditor, before)}
    stored = {row["id"]: (row["entries"], row["versions"], row["newest"]) for row in rows}
    return compare({target.id: target.version for target in before}, after, stored, report, connections)


def compare(
    before: Mapping[UUID, int],
    after: Mapping[UUID, int],
    stored: Mapping[UUID, tuple[int, int, int]],
    report: Report,
    connections: int,
) -> int:
    """As `check`, from versions before and after, and (entries, distinct versions, newest) of each response since."""
    for id_, version in before.items():
        entries, versions, newest = stored.get(id_, (0, 0, version))
        if entries != versions or entries != newest - version or newest != after[id_]:
            raise LoadFailedError(f"the journal of {id_} is not whole: {entries} entries from {version} to {newest}")
        if newest < report.versions.get(id_, version):
            raise LoadFailedError(f"{id_} was acknowledged at {report.versions[id_]}; the journal ends at {newest}")
    unseen = sum(entries for entries, _, _ in stored.values()) - report.acknowledged
    lost = report.facts["refused"] + report.facts["broken"]
    if not 0 <= unseen <= connections + lost:
        raise LoadFailedError(f"{report.acknowledged} changes were acknowledged, the journal holds {unseen} more")
    return unseen
