"""Every way to damage journal, access records or checkpoints behind the kernel's back is found and named."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from keepwell.kernel import journal
from keepwell.kernel.journal import StoredEntry
from keepwell.kernel.proof import checkpoints
from keepwell.kernel.proof.checkpoints import ACCESS, JOURNAL
from keepwell.kernel.proof.findings import Damage
from keepwell.kernel.proof.notes import Signer
from keepwell.kernel.proof.verify import BlindVerifierError, Report, verify
from tests.support.chains import Journalist
from tests.support.cluster import DatabaseUrls
from tests.support.spine import Spine, all_complete, connected

SEED = bytes(range(32))
ONE, TWO = UUID(int=1), UUID(int=2)
A, B, C = (ONE, "note", UUID(int=10)), (ONE, "note", UUID(int=11)), (TWO, "plan", UUID(int=12))


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
async def spine(clean_database: DatabaseUrls) -> AsyncIterator[Spine]:
    async with connected(clean_database) as spine:
        yield spine


@pytest.fixture
async def kept(spine: Spine) -> Spine:
    """Three aggregates of two tenants; a checkpoint of each log in the middle, and a tail that none covers."""
    journalist = Journalist(spine.app)
    await journalist.write(A, B, reads=2)
    await journalist.write(C, reads=1)
    await journalist.write(A, A, C)
    await checkpoint(spine)
    await journalist.write(B, C, reads=1)
    await journalist.write(A, reads=2)
    await checkpoint(spine)
    await journalist.write(A, B, C, reads=2)
    for _ in range(3):
        await spine.owner.execute("SELECT pg_current_xact_id()")
    return spine


async def checkpoint(spine: Spine) -> list[str]:
    await all_complete(spine)
    for log in (JOURNAL, ACCESS):
        await checkpoints.append(spine.auditor, log, SEED, FixedClock())
    return await checkpoints.exported(spine.auditor)


async def proved(spine: Spine, exported: list[str] | None = None) -> Report:
    return await verify(spine.auditor, Signer(SEED).verifier, exported or [])


def places(report: Report, damage: Damage) -> list[tuple[Any, ...]]:
    return [
        (finding.tenant, finding.kind, finding.id, finding.version) for finding in report.findings if finding.damage is damage
    ]


async def test_an_untouched_database_is_sound(kept: Spine):
    exported = await checkpoint(kept)
    report = await proved(kept, exported)
    assert report.findings == ()
    assert report.sound
    assert (report.entries, report.aggregates, report.records) == (12, 3, 8)
    assert (report.logs[JOURNAL].size, report.logs[JOURNAL].uncovered, report.logs[JOURNAL].checkpoints) == (12, 0, 3)
    assert (report.logs[ACCESS].size, report.logs[ACCESS].exported) == (8, 1)


async def test_an_empty_database_is_sound(spine: Spine):
    assert await checkpoint(spine) == []
    assert (await proved(spine)).sound


async def test_the_tail_beyond_the_last_checkpoint_is_counted(kept: Spine):
    report = await proved(kept)
    assert report.sound
    assert (report.logs[JOURNAL].uncovered, report.logs[ACCESS].uncovered) == (3, 2)


# Each expression differs from the column by one bit, byte or unit.
ENTRY_CHANGES = {
    "tenant_id": "'00000000-0000-0000-0000-000000000002'",
    "kind": "'nota'",
    "id": "'00000000-0000-0000-0000-00000000000f'",
    "version": "7",
    "at": "at + interval '1 microsecond'",
    "event": "'notes'",
    "command": "command || ' '",
    "actor": "'00000000-0000-0000-0000-000000000008'",
    "role": "'admin'",
    "door": "'ress'",
    "request_id": "'request-2'",
    "purpose": "'TREAS'",
    "payload": "set_byte(payload, 0, get_byte(payload, 0) # 1)",
    "previous": "set_byte(previous, 31, get_byte(previous, 31) # 1)",
    "hash": "set_byte(hash, 0, get_byte(hash, 0) # 128)",
    "xid": "xid + 1",
}
ACCESS_CHANGES = {
    "tenant_id": "'00000000-0000-0000-0000-000000000002'",
    "entity": "'00000000-0000-0000-0000-00000000000f'",
    "at": "at + interval '1 microsecond'",
    "id": "'00000000-0000-0000-0000-00000000000f'",
    "kind": "'nota'",
    "version": "2",
    "action": "'reaf'",
    "outcome": "'oj'",
    "actor": "'00000000-0000-0000-0000-000000000008'",
    "role": "'admin'",
    "door": "'ress'",
    "request_id": "'request-3'",
    "purpose": "'TREAS'",
    "hash": "set_byte(hash, 0, get_byte(hash, 0) # 128)",
    "xid": "xid + 1",
}


async def test_the_changes_tried_cover_every_column(spine: Spine):
    for table, changes in (("journal_entry", ENTRY_CHANGES), ("access_record", ACCESS_CHANGES)):
        columns = await spine.owner.fetch("SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0", table)
        assert {row["attname"] for row in columns} == set(changes)


@pytest.mark.parametrize("version", [1, 2, 4, 5])
@pytest.mark.parametrize("column", ENTRY_CHANGES)
async def test_one_changed_column_of_an_entry_is_found_and_the_entry_named(kept: Spine, column: str, version: int):
    await damage(
        kept, f"UPDATE journal_entry SET {column} = {ENTRY_CHANGES[column]} WHERE id = $1 AND version = $2", A[2], version
    )
    report = await proved(kept)
    if column == "xid":
        # Transaction ids are no part of an entry's hash: the checkpoint's leaves hold them, and beyond it the row itself.
        in_tail = version == 5
        named = places(report, Damage.REWRITTEN) + places(report, Damage.DISORDERED)
        assert named[:1] == [(*A, version)] if in_tail else Damage.ROOT in report.counts
    elif column in {"tenant_id", "kind", "id", "version"}:
        assert (*A, version) in places(report, Damage.MISSING)
        (moved,) = places(report, Damage.ALTERED)
        assert moved != (*A, version)
    else:
        assert places(report, Damage.ALTERED) == [(*A, version)]
        assert not {Damage.UNLINKED, Damage.HEAD, Damage.MISSING} & set(report.counts)


@pytest.mark.parametrize("column", ACCESS_CHANGES)
@pytest.mark.parametrize("covered", [True, False])
async def test_one_changed_column_of_an_access_record_is_found_and_the_record_named(kept: Spine, column: str, covered: bool):  # noqa: FBT001
    record = await kept.owner.fetchval(f"SELECT id FROM access_record ORDER BY at {'ASC' if covered else 'DESC'} LIMIT 1")
    await damage(kept, f"UPDATE access_record SET {column} = {ACCESS_CHANGES[column]} WHERE id = $1", record)
    report = await proved(kept)
    if column == "xid":
        assert Damage.ROOT in report.counts or [place[2] for place in places(report, Damage.REWRITTEN)] == [record]
    else:
        assert [place[2] for place in places(report, Damage.ALTERED)] == [UUID(int=15) if column == "id" else record]


@pytest.mark.parametrize("at", ["infinity", "-infinity", "294276-01-01", "4000-01-01 BC"])
async def test_an_instant_that_python_cannot_hold_is_a_finding(kept: Spine, at: str):
    await damage(kept, f"UPDATE journal_entry SET at = '{at}' WHERE id = $1 AND version = 3", A[2])
    await damage(kept, f"UPDATE access_record SET at = '{at}' WHERE id = (SELECT min(id::text)::uuid FROM access_record)")
    await damage(
        kept,
        f"UPDATE checkpoint SET at = '{at}' WHERE log = 'journal' AND size = 6",
    )
    report = await proved(kept)
    assert places(report, Damage.ALTERED)[0] == (*A, 3)
    assert report.counts[Damage.ALTERED] == 2
    assert report.counts[Damage.CHECKPOINT] == 1


@pytest.mark.parametrize("version", [1, 3, 4, 5])
async def test_a_removed_entry_is_named(kept: Spine, version: int):
    await damage(kept, "DELETE FROM journal_entry WHERE id = $1 AND version = $2", A[2], version)
    report = await proved(kept)
    assert places(report, Damage.MISSING) == [(*A, version)]
    assert (Damage.ROOT in report.counts) == (version < 5)


async def test_a_removed_access_record_is_found_by_its_checkpoint(kept: Spine):
    await damage(kept, "DELETE FROM access_record WHERE id = (SELECT id FROM access_record ORDER BY at LIMIT 1)")
    report = await proved(kept)
    assert report.counts == {Damage.ROOT: 1}
    assert report.findings[0].table == "access_record"
    assert "3 rows were signed up to here, 2 are there" in report.findings[0].detail


async def test_two_swapped_entries_are_named(kept: Spine):
    await damage(kept, "UPDATE journal_entry SET version = 5 - version WHERE id = $1 AND version IN (2, 3)", A[2], rows=2)
    assert places(await proved(kept), Damage.ALTERED) == [(*A, 2), (*A, 3)]


async def test_two_payloads_swapped_between_aggregates_are_named(kept: Spine):
    swap = """
        UPDATE journal_entry e SET payload = o.payload, hash = o.hash, previous = o.previous FROM journal_entry o
        WHERE e.id = ANY($1) AND o.id = ANY($1) AND o.id <> e.id AND e.version = 2 AND o.version = 2
    """
    await damage(kept, swap, [A[2], C[2]], rows=2)
    assert places(await proved(kept), Damage.ALTERED) == [(*A, 2), (*C, 2)]


@pytest.mark.parametrize(("column", "value"), [("version", "6"), ("version", "4"), ("head", "sha256('another')")])
async def test_an_aggregate_that_does_not_point_to_its_last_entry_is_named(kept: Spine, column: str, value: str):
    await damage(kept, f"UPDATE aggregate SET {column} = {value} WHERE id = $1", A[2])
    report = await proved(kept)
    assert places(report, Damage.MISSING if value == "6" else Damage.HEAD) == [(*A, 6 if value == "6" else 5)]
    assert len(report.findings) == 1


async def test_an_aggregate_without_entries_and_entries_without_aggregate_are_named(kept: Spine):
    await damage(kept, "DELETE FROM aggregate WHERE id = $1", B[2])
    await damage(kept, "DELETE FROM journal_entry WHERE id = $1", C[2], rows=4)
    report = await proved(kept)
    assert places(report, Damage.STATELESS) == [(*B, 3)]
    assert places(report, Damage.UNJOURNALED) == [(*C, 4)]


async def test_an_added_entry_is_found_wherever_it_says_it_belongs(kept: Spine):
    journalist = Journalist(kept.app, datetime(2026, 1, 31, tzinfo=UTC))
    await journalist.write((ONE, "note", UUID(int=99)))
    for xid in ("1", "(SELECT min(xid) FROM journal_entry)", "(SELECT max(xid) FROM journal_entry) + 1000", "-1"):
        await damage(kept, f"UPDATE journal_entry SET xid = {xid} WHERE id = $1", UUID(int=99))
        report = await proved(kept)
        assert {Damage.ROOT, Damage.DISORDERED} & set(report.counts)


async def test_the_checkpoint_names_the_range_of_an_entry_whose_chain_was_recomputed(kept: Spine):
    await recompute(kept, A, 2)
    report = await proved(kept)
    # Its last entry lies beyond the checkpoints and shows by itself that it was written anew.
    assert places(report, Damage.REWRITTEN) == [(*A, 5)]
    assert report.counts == {Damage.ROOT: 2, Damage.REWRITTEN: 1}
    assert [finding.table for finding in report.findings[:2]] == ["journal_entry"] * 2
    assert "are not what the checkpoint of 2026-02-01T00:00:00Z signed" in report.findings[0].detail


async def test_later_ranges_are_judged_by_themselves(kept: Spine):
    await damage(kept, "UPDATE journal_entry SET role = 'admin' WHERE id = $1 AND version = 1", A[2])
    assert (await proved(kept)).counts == {Damage.ALTERED: 1}
    await damage(kept, "UPDATE journal_entry SET hash = sha256('x') WHERE id = $1 AND version = 1", A[2])
    report = await proved(kept)
    assert report.counts == {Damage.ALTERED: 1, Damage.UNLINKED: 1, Damage.ROOT: 1}
    assert places(report, Damage.ALTERED) == [(*A, 1)]


# With exported checkpoints: what only they can find, the checkpoint table having been rewritten as well.


async def test_a_truncated_tail_is_found_by_an_exported_checkpoint(kept: Spine):
    exported = await checkpoint(kept)
    last = await kept.owner.fetchval("DELETE FROM journal_entry WHERE id = $1 AND version = 5 RETURNING previous", A[2])
    await damage(kept, "UPDATE aggregate SET version = 4, head = $2 WHERE id = $1", A[2], last)
    await damage(kept, "DELETE FROM checkpoint WHERE size = 12")
    assert (await proved(kept)).sound
    report = await proved(kept, exported)
    assert report.counts == {Damage.TRUNCATED: 1}
    assert report.findings[0].detail == "journal: it has 11 rows, an exported checkpoint has 12"


async def test_a_removed_aggregate_is_found_by_a_checkpoint(kept: Spine):
    exported = await checkpoint(kept)
    await damage(kept, "DELETE FROM journal_entry WHERE id = $1", C[2], rows=4)
    await damage(kept, "DELETE FROM aggregate WHERE id = $1", C[2])
    assert (await proved(kept)).counts == {Damage.ROOT: 3}
    await resign(kept)
    assert (await proved(kept)).sound
    assert (await proved(kept, exported)).counts == {Damage.TRUNCATED: 1}


async def test_a_recomputed_chain_is_found_by_an_exported_checkpoint(kept: Spine):
    exported = await checkpoint(kept)
    await recompute(kept, A, 2)
    await resign(kept)
    assert (await proved(kept)).sound
    report = await proved(kept, exported)
    assert report.counts == {Damage.ROOT: 1}
    assert report.findings[0].detail == "journal: rows 1 to 12 are not what the exported checkpoint of size 12 signed"


async def test_an_earlier_exported_checkpoint_still_holds_and_narrows_the_range(kept: Spine):
    notes = [
        row["note"] for row in await kept.owner.fetch("SELECT note FROM checkpoint WHERE log = 'journal' ORDER BY size DESC")
    ]
    assert (await proved(kept, notes)).sound
    await recompute(kept, A, 4)
    await resign(kept)
    report = await proved(kept, notes)
    assert [finding.detail for finding in report.findings] == [
        "journal: rows 7 to 9 are not what the exported checkpoint of size 9 signed"
    ]


async def test_an_exported_text_that_is_not_ours_is_a_finding(kept: Spine):
    exported = await checkpoint(kept)
    forged = exported[0].replace("below ", "below 1")
    stranger = Signer(bytes(32)).sign(Signer(SEED).verifier.open(exported[0]))
    report = await proved(kept, [forged, stranger, "hello"])
    assert report.counts == {Damage.CHECKPOINT: 3}


@pytest.mark.parametrize(
    "change",
    [
        "size = 10",
        "below = below + 1",
        "root = set_byte(root, 0, get_byte(root, 0) # 1)",
        "frontier[1] = set_byte(frontier[1], 0, get_byte(frontier[1], 0) # 1)",
        "frontier = '{}'",
        "frontier = ARRAY[NULL::bytea, NULL]",
        "frontier = ARRAY[[root], [root]]",
        "at = at + interval '1 microsecond'",
        "note = replace(note, 'below', 'beyond')",
        "note = ''",
        "log = 'access'",
    ],
)
async def test_a_changed_checkpoint_is_found_and_never_built_upon(kept: Spine, change: str):
    await damage(kept, f"UPDATE checkpoint SET {change} WHERE log = 'journal' AND size = 9")
    report = await proved(kept)
    assert set(report.counts) == {Damage.CHECKPOINT} or change == "log = 'access'"
    assert report.counts[Damage.CHECKPOINT] >= 1
    log = ACCESS if change == "log = 'access'" else JOURNAL
    with pytest.raises(checkpoints.BrokenCheckpointError, match="was altered"):
        await checkpoints.append(kept.auditor, log, SEED, FixedClock())


async def test_findings_are_bounded_and_counted(kept: Spine):
    journalist = Journalist(kept.app, datetime(2026, 3, 1, tzinfo=UTC))
    await journalist.write(*((ONE, "note", UUID(int=100 + n)) for n in range(60)))
    await damage(kept, "UPDATE journal_entry SET role = 'admin' WHERE id > $1", UUID(int=99), rows=60)
    report = await proved(kept)
    assert report.counts[Damage.ALTERED] == 60
    assert len(report.findings) == 50
    assert str(report.findings[0]).startswith("altered journal_entry tenant 00000000-0000-0000-0000-000000000001 note/")


async def test_a_role_that_does_not_see_everything_may_not_verify(kept: Spine):
    with pytest.raises(BlindVerifierError):
        await verify(kept.app, Signer(SEED).verifier)


async def damage(spine: Spine, statement: str, *arguments: Any, rows: int = 1) -> None:
    status = await spine.owner.execute(statement, *arguments)
    assert status.endswith(f" {rows}")


async def recompute(spine: Spine, target: tuple[UUID, str, UUID], version: int) -> None:
    """Alters an entry and makes all hashes after it right again, as someone would who knows how."""
    async with spine.owner.transaction():
        rows = await spine.owner.fetch(
            "SELECT * FROM journal_entry WHERE id = $1 AND version >= $2 ORDER BY version", target[2], version
        )
        previous = rows[0]["previous"]
        for row in rows:
            payload = b"another payload" if row["version"] == version else row["payload"]
            columns: list[Any] = [*tuple(row)[:12], payload, previous, b""]
            entry = StoredEntry(*columns)
            previous = journal.expected_hash(entry)
            await spine.owner.execute(
                "UPDATE journal_entry SET payload = $3, previous = $4, hash = $5 WHERE id = $1 AND version = $2",
                target[2],
                entry.version,
                payload,
                entry.previous,
                previous,
            )
        await spine.owner.execute("UPDATE aggregate SET head = $2 WHERE id = $1", target[2], previous)


async def resign(spine: Spine) -> None:
    """Replaces all checkpoints by new ones over what is there now, as someone would who stole the key."""
    await spine.owner.execute("DELETE FROM checkpoint")
    await checkpoint(spine)
