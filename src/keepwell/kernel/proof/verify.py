"""Proves the journal and the access records: every hash, every chain, every checkpoint, and checkpoints kept elsewhere.

What needs an exported checkpoint to be found: a truncated tail, an aggregate removed with all its entries, and chains
recomputed by someone who can also write the checkpoint table. Everything else is found without. What no checkpoint covers
yet (`uncovered` in the report) is protected by the chains alone.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from keepwell.kernel import journal
from keepwell.kernel.journal import StoredAccess, StoredEntry
from keepwell.kernel.proof import checkpoints
from keepwell.kernel.proof.chains import ChainWalker, Horizon, Stored
from keepwell.kernel.proof.checkpoints import ACCESS, JOURNAL, LOGS, PATIENCE
from keepwell.kernel.proof.findings import Damage, Finding, Findings
from keepwell.kernel.proof.logs import LogProof, LogTotals
from keepwell.kernel.proof.notes import BadNote, Checkpoint, Verifier

_PREFETCH = 500
_ENTRY_FIELDS = len(StoredEntry.__struct_fields__)
_ACCESS_FIELDS = len(StoredAccess.__struct_fields__)


class BlindVerifierError(Exception):
    """The connection's role does not see every tenant's rows: what it would prove is worth nothing."""


class Report(msgspec.Struct, frozen=True):
    """What a verification saw. `findings` holds the first ones of each kind of damage, `counts` how many there were."""

    findings: tuple[Finding, ...]
    counts: dict[Damage, int]
    entries: int
    aggregates: int
    records: int
    logs: dict[str, LogTotals]

    @property
    def sound(self) -> bool:
        return not self.counts


async def verify(connection: Any, verifier: Verifier, exported: Sequence[str] = ()) -> Report:
    """Verifies everything, in one snapshot of the database and bounded memory.

    `connection` acts as keepwell_auditor and is outside a transaction. `exported` holds checkpoint texts of either log.

    Raises:
        BlindVerifierError: the role does not see all rows.
    """
    findings = Findings()
    wanted = _open(exported, verifier, findings)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await checkpoints.unhurried(connection)
        if not await connection.fetchval(_SEES_ALL):
            raise BlindVerifierError("the verifying role does not see every tenant's rows")
        end = await connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        totals: dict[str, LogTotals] = {}
        horizons: dict[str, Horizon] = {}
        for log in LOGS:
            proof = LogProof(log, verifier, findings.add, wanted[log])
            totals[log] = await proof.run(connection)
            horizons[log] = Horizon(proof.covered, end)
        entries, aggregates = await _chains(connection, findings, horizons[JOURNAL])
        records = await _records(connection, findings, horizons[ACCESS])
    return Report(findings.kept(), dict(findings.counts), entries, aggregates, records, totals)


def _open(exported: Sequence[str], verifier: Verifier, findings: Findings) -> dict[str, list[Checkpoint]]:
    opened: dict[str, list[Checkpoint]] = {log: [] for log in LOGS}
    for number, note in enumerate(exported, start=1):
        try:
            checkpoint = verifier.open(note)
        except BadNote as error:
            findings.add(Finding(Damage.CHECKPOINT, "exported checkpoint", f"number {number}: {error}"))
            continue
        if checkpoint.log in opened:
            opened[checkpoint.log].append(checkpoint)
        else:
            findings.add(Finding(Damage.CHECKPOINT, "exported checkpoint", f"number {number}: it is of an unknown log"))
    return opened


async def _chains(connection: Any, findings: Findings, horizon: Horizon) -> tuple[int, int]:
    walker = ChainWalker(findings.add, horizon)
    # One tenant after another: whatever has to be sorted on disk is one tenant's at most.
    for (tenant,) in await connection.fetch(TENANTS, timeout=PATIENCE):
        async for row in connection.cursor(_ENTRIES, tenant, prefetch=_PREFETCH, timeout=PATIENCE):
            xid, written_by, version, head = row[_ENTRY_FIELDS:]
            stored = None if version is None else Stored(version, head)
            walker.take(StoredEntry(*row[:_ENTRY_FIELDS]), xid, written_by, stored)
    walker.finish()
    async for tenant, kind, id_, version in connection.cursor(_UNJOURNALED, prefetch=_PREFETCH, timeout=PATIENCE):
        findings.add(Finding(Damage.UNJOURNALED, "aggregate", "the journal has no entry of it", tenant, kind, id_, version))
    return walker.entries, walker.aggregates


async def _records(connection: Any, findings: Findings, horizon: Horizon) -> int:
    count = 0
    async for row in connection.cursor(_RECORDS, prefetch=_PREFETCH, timeout=PATIENCE):
        count += 1
        record = StoredAccess(*row[:_ACCESS_FIELDS])
        xid, written_by = row[_ACCESS_FIELDS:]
        about = f"the record of an access to {record.kind}/{record.entity}: "
        name = (record.tenant, "access", record.id, 0)
        # A version below zero has no place in the hash: nothing of ours wrote it.
        if record.version < 0 or journal.expected_access_hash(record) != record.hash:
            findings.add(Finding(Damage.ALTERED, "access_record", about + "its hash is not the hash of its columns", *name))
        if not 0 <= xid < horizon.end:
            findings.add(Finding(Damage.DISORDERED, "access_record", about + f"there was no transaction {xid} yet", *name))
        elif xid >= horizon.covered and written_by != xid & 0xFFFFFFFF:
            findings.add(Finding(Damage.REWRITTEN, "access_record", about + f"it was written after transaction {xid}", *name))
    return count


def _columns(struct: type[msgspec.Struct], alias: str) -> str:
    # An instant that Python cannot hold was written by nobody; held to Python's range it fails its hash instead of ours.
    clamped = f"least(greatest({alias}.at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')"
    named = {"tenant": f"{alias}.tenant_id", "at": clamped}
    return ", ".join(named.get(field, f"{alias}.{field}") for field in struct.__struct_fields__)


_SEES_ALL = """
SELECT bool_and(NOT row_security_active(t) OR pg_has_role(current_user, 'keepwell_auditor', 'USAGE'))
FROM unnest(ARRAY['aggregate', 'journal_entry', 'access_record', 'checkpoint']) AS t
"""
# Tenants by skipping along the primary keys, instead of reading every row of them.
TENANTS = """
WITH RECURSIVE journaled (tenant) AS (
    (SELECT tenant_id FROM journal_entry ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT e.tenant_id FROM journal_entry e WHERE e.tenant_id > j.tenant ORDER BY e.tenant_id LIMIT 1)
    FROM journaled j WHERE j.tenant IS NOT NULL
), stored (tenant) AS (
    (SELECT tenant_id FROM aggregate ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT g.tenant_id FROM aggregate g WHERE g.tenant_id > s.tenant ORDER BY g.tenant_id LIMIT 1)
    FROM stored s WHERE s.tenant IS NOT NULL
)
SELECT tenant FROM journaled WHERE tenant IS NOT NULL UNION SELECT tenant FROM stored WHERE tenant IS NOT NULL ORDER BY 1
"""
# Names below come from our own structs, never from input.
_ENTRIES = (
    f"SELECT {_columns(StoredEntry, 'e')}, e.xid, e.xmin::text::bigint, g.version, g.head FROM journal_entry e "  # noqa: S608 - as above
    "LEFT JOIN aggregate g ON g.tenant_id = e.tenant_id AND g.kind = e.kind AND g.id = e.id "
    "WHERE e.tenant_id = $1 ORDER BY e.tenant_id, e.kind, e.id, e.version, e.at"
)
_UNJOURNALED = (
    "SELECT g.tenant_id, g.kind, g.id, g.version FROM aggregate g WHERE NOT EXISTS (SELECT FROM journal_entry e "
    "WHERE e.tenant_id = g.tenant_id AND e.kind = g.kind AND e.id = g.id)"
)
_RECORDS = f"SELECT {_columns(StoredAccess, 'r')}, r.xid, r.xmin::text::bigint FROM access_record r"  # noqa: S608 - as above
