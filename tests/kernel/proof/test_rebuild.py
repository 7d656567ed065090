"""Stored state is the fold of the journal: any column changed behind the kernel's back is named, and put right."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import pytest

from keepwell.kernel import Catalog, Kernel, Limits
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.proof.findings import Damage
from keepwell.kernel.proof.rebuild import Report, check, rebuild
from keepwell.kit.ids import new_id
from keepwell.kit.time import SystemClock
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.cluster import DatabaseUrls
from tests.support.notes import (
    CATALOG,
    NOTES,
    OTHER_TENANT,
    SCHEMA,
    TENANT,
    Begin,
    ChangeNote,
    Closed,
    CloseNote,
    actor,
    envelope,
    origin,
    written,
)
from tests.support.spine import Spine, connected

MASTER = bytes(range(32))


@dataclass
class Clinic:
    """A clinic with notes and a session, and its neighbour; `note` has three versions."""

    owner: Any
    kernel: Kernel
    auditor: Database
    note: UUID
    plain: UUID
    session: UUID

    async def check(self) -> Report:
        return await check(self.kernel, self.auditor)

    async def rebuild(self, *only: tuple[UUID, str, UUID]) -> Report:
        return await rebuild(self.kernel, self.auditor, actor(), origin(), only or None)

    async def damage(self, statement: str, *arguments: Any, rows: int = 1) -> None:
        status = await self.owner.execute(statement, *arguments)
        assert status.endswith(f" {rows}")


async def run(kernel: Kernel, command: Any, **options: Any) -> None:
    (outcome,) = await kernel.execute([envelope(command, **options)])
    assert outcome.refusal is None


@pytest.fixture
async def spine(fresh_database: DatabaseUrls) -> AsyncIterator[Spine]:
    async with connected(fresh_database) as spine:
        yield spine


@pytest.fixture
async def clinic(spine: Spine) -> AsyncIterator[Clinic]:
    await spine.owner.execute(SCHEMA)
    app = Database(PoolSettings(spine.urls.app))
    auditor = Database(PoolSettings(spine.urls.auditor))
    await app.open()
    await auditor.open()
    kernel = Kernel(app, CATALOG, KeyRing(MASTER, SystemClock()), SystemClock(), Limits())
    note, plain, session = written("first", subject="Patient/1"), written("second"), Begin(new_id(), SystemClock().now())
    for command in (note, plain, session):
        await run(kernel, command)
    await run(kernel, ChangeNote(note.id, {"a": "1", "b": "2"}), if_match=1)
    await run(kernel, CloseNote(note.id))
    await run(kernel, written("first"), who=actor(OTHER_TENANT))
    yield Clinic(spine.owner, kernel, auditor, note.id, plain.id, session.id)
    await kernel.close()
    await app.close()
    await auditor.close()


def named(report: Report) -> set[tuple[Any, ...]]:
    return {(finding.damage, finding.table, finding.column, finding.tenant, finding.id) for finding in report.findings}


async def test_untouched_state_is_the_fold_of_the_journal(clinic: Clinic):
    report = await clinic.check()
    assert report.findings == ()
    assert report.sound
    assert (report.tenants, report.aggregates, report.repaired) == (2, 4, 0)


STATE_CHANGES = {
    "version": "4",
    "compartment": "set_byte(compartment, 0, get_byte(compartment, 0) # 1)",
    "valid_until": "now()",
    "created_at": "created_at + interval '1 microsecond'",
    "updated_at": "'infinity'",
    "head": "set_byte(head, 31, get_byte(head, 31) # 1)",
    "state": "set_byte(state, 20, get_byte(state, 20) # 1)",
}


async def test_the_changes_tried_cover_every_column_but_the_key(spine: Spine):
    columns = await spine.owner.fetch("SELECT attname FROM pg_attribute WHERE attrelid = 'aggregate'::regclass AND attnum > 0")
    assert {row["attname"] for row in columns} == {*STATE_CHANGES, "tenant_id", "kind", "id"}


@pytest.mark.parametrize("column", STATE_CHANGES)
async def test_one_changed_column_of_an_aggregate_is_named_and_put_right(clinic: Clinic, column: str):
    await clinic.damage(f"UPDATE aggregate SET {column} = {STATE_CHANGES[column]} WHERE id = $1", clinic.note)
    assert named(await clinic.check()) == {(Damage.COLUMN, "aggregate", column, TENANT, clinic.note)}
    repair = await clinic.rebuild()
    assert (repair.repaired, repair.findings) == (1, ())
    assert (await clinic.check()).sound


@pytest.mark.parametrize(
    ("column", "value"), [("compartment", "NULL"), ("valid_until", "'294276-01-01'"), ("created_at", "'-infinity'")]
)
async def test_columns_set_to_extremes_are_named(clinic: Clinic, column: str, value: str):
    await clinic.damage(f"UPDATE aggregate SET {column} = {value} WHERE id = $1", clinic.note)
    assert named(await clinic.check()) == {(Damage.COLUMN, "aggregate", column, TENANT, clinic.note)}


async def test_a_credential_that_was_made_to_last_longer_is_named_and_ended_again(clinic: Clinic):
    await clinic.damage("UPDATE aggregate SET valid_until = now() + interval '1 year' WHERE id = $1", clinic.session)
    assert named(await clinic.check()) == {(Damage.COLUMN, "aggregate", "valid_until", TENANT, clinic.session)}
    await clinic.rebuild((TENANT, "session", clinic.session))
    assert (await clinic.check()).sound


async def test_an_older_state_put_back_is_named(clinic: Clinic):
    await clinic.owner.execute("CREATE TABLE before AS SELECT * FROM aggregate WHERE id = $1", clinic.plain)
    await run(clinic.kernel, ChangeNote(clinic.plain, {"x": "y"}), if_match=1)
    await clinic.damage("DELETE FROM aggregate WHERE id = $1", clinic.plain)
    await clinic.damage("INSERT INTO aggregate SELECT * FROM before")
    columns = {column for _, _, column, _, id_ in named(await clinic.check()) if id_ == clinic.plain}
    assert columns == {"version", "head", "updated_at", "state"}


async def test_a_state_of_another_aggregate_is_named(clinic: Clinic):
    await clinic.damage(
        "UPDATE aggregate SET state = (SELECT state FROM aggregate WHERE id = $2) WHERE id = $1", clinic.note, clinic.plain
    )
    assert named(await clinic.check()) == {(Damage.COLUMN, "aggregate", "state", TENANT, clinic.note)}


@pytest.mark.parametrize(("column", "value"), [("title_index", "'\\x00'"), ("closed", "NOT closed")])
async def test_one_changed_column_of_a_look_up_row_is_named_and_put_right(clinic: Clinic, column: str, value: str):
    await clinic.damage(f"UPDATE note SET {column} = {value} WHERE id = $1", clinic.note)
    assert named(await clinic.check()) == {(Damage.COLUMN, "note", column, TENANT, clinic.note)}
    assert (await clinic.rebuild()).repaired == 1
    assert (await clinic.check()).sound


async def test_missing_rows_are_named_and_put_back(clinic: Clinic):
    await clinic.damage("DELETE FROM aggregate WHERE id = $1", clinic.note)
    await clinic.damage("DELETE FROM note WHERE id = $1", clinic.plain)
    assert named(await clinic.check()) == {
        (Damage.ABSENT, "aggregate", "", TENANT, clinic.note),
        (Damage.ABSENT, "note", "", TENANT, clinic.plain),
    }
    assert (await clinic.rebuild()).repaired == 2
    assert (await clinic.check()).sound


async def test_only_the_named_aggregates_are_put_right(clinic: Clinic):
    await clinic.damage("UPDATE aggregate SET head = '' WHERE tenant_id = $1", TENANT, rows=3)
    assert (await clinic.rebuild((TENANT, "note", clinic.note), (TENANT, "note", clinic.note))).repaired == 1
    assert {id_ for *_, id_ in named(await clinic.check())} == {clinic.plain, clinic.session}


async def test_rows_the_journal_does_not_know_are_named_and_left_for_a_person(clinic: Clinic):
    stray = new_id()
    await clinic.damage("INSERT INTO note VALUES ($1, $2, '', false)", TENANT, stray)
    await clinic.damage("DELETE FROM journal_entry WHERE id = $1", clinic.session)
    wanted = {
        (Damage.UNJOURNALED, "note", "", TENANT, stray),
        (Damage.UNJOURNALED, "aggregate", "", TENANT, clinic.session),
    }
    assert named(await clinic.check()) == wanted
    report = await clinic.rebuild()
    assert (named(report), report.repaired) == (wanted, 0)
    assert await clinic.owner.fetchval("SELECT count(*) FROM aggregate WHERE id = $1", clinic.session) == 1


async def test_state_is_never_rebuilt_from_a_broken_chain(clinic: Clinic):
    await clinic.damage("UPDATE journal_entry SET role = 'admin' WHERE id = $1 AND version = 2", clinic.note)
    await clinic.damage("UPDATE aggregate SET version = 9 WHERE id = $1", clinic.note)
    report = await clinic.rebuild()
    assert report.repaired == 0
    assert [(finding.damage, finding.version) for finding in report.findings] == [(Damage.ALTERED, 2), (Damage.COLUMN, 3)]
    await clinic.damage("DELETE FROM journal_entry WHERE id = $1 AND version = 1", clinic.note)
    assert [finding.damage for finding in (await clinic.check()).findings] == [Damage.MISSING, Damage.COLUMN]


async def test_destroyed_keys_are_a_finding_and_no_new_ones_are_made(clinic: Clinic):
    await clinic.damage("DELETE FROM tenant_key WHERE tenant_id = $1", TENANT, rows=2)
    report = await clinic.check()
    assert report.counts == {Damage.UNREADABLE: 3}
    assert await clinic.owner.fetchval("SELECT count(*) FROM tenant_key WHERE tenant_id = $1", TENANT) == 0


async def test_keys_of_another_master_key_are_a_finding(clinic: Clinic):
    stranger = Kernel(clinic.kernel.database, CATALOG, KeyRing(bytes(32), SystemClock()), SystemClock(), Limits())
    assert (await check(stranger, clinic.auditor)).counts == {Damage.UNREADABLE: 4}


async def test_what_no_room_keeps_or_takes_is_a_finding(clinic: Clinic):
    def refusing(state: Any, event: Any) -> Any:
        if isinstance(event, Closed):
            raise LookupError("the secret-value in it")  # noqa: TRY004 - any fault of a room will do
        return NOTES.evolve(state, event)

    catalog = Catalog((msgspec.structs.replace(NOTES, evolve=refusing),))
    kernel = Kernel(clinic.kernel.database, catalog, KeyRing(MASTER, SystemClock()), SystemClock(), Limits())
    report = await check(kernel, clinic.auditor)
    assert {(finding.id, finding.version, finding.detail) for finding in report.findings} == {
        (clinic.session, 1, "no room of this program keeps this kind"),
        (clinic.note, 3, "the room could not take the event: LookupError"),
    }
    assert report.counts == {Damage.UNREADABLE: 2}


async def test_a_repair_is_recorded_as_an_access_in_the_clinic(clinic: Clinic):
    await clinic.damage("UPDATE aggregate SET head = '' WHERE id = $1", clinic.note)
    await clinic.rebuild()
    row = await clinic.owner.fetchrow("SELECT * FROM access_record WHERE action = 'rebuild'")
    assert (row["tenant_id"], row["kind"], row["entity"], row["outcome"]) == (TENANT, "note", clinic.note, "repaired")


async def test_what_stands_in_the_way_of_a_repair_is_named(clinic: Clinic):
    await clinic.damage("UPDATE note SET title_index = 'x' WHERE id = $1", clinic.note)
    thief = "UPDATE note SET title_index = $2 WHERE id = $1"
    await clinic.damage(thief, clinic.plain, clinic.kernel.blind(TENANT)("first"))
    report = await clinic.rebuild((TENANT, "note", clinic.note))
    assert [finding.detail for finding in report.findings] == ["cannot be put right: note_title stands in the way"]
    assert (await clinic.rebuild((TENANT, "note", clinic.plain), (TENANT, "note", clinic.note))).repaired == 2


async def test_findings_never_hold_values(clinic: Clinic):
    await clinic.damage("UPDATE aggregate SET compartment = 'secret-value', version = 8 WHERE id = $1", clinic.note)
    report = await clinic.check()
    assert len(report.findings) == 2
    assert not any("secret" in str(finding) or "first" in str(finding) for finding in report.findings)
