"""What the command path promises, on a real database, with two processes' worth of kernels where it matters."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from keepwell.kernel import Kernel, Permission, Read, Refused, Search
from keepwell.kernel.admission import admit
from keepwell.kit.ids import new_id
from tests.support.clock import ManualClock
from tests.support.notes import (
    CATALOG,
    FAULTY,
    OTHER_TENANT,
    TENANT,
    Begin,
    ChangeNote,
    CloseNote,
    End,
    KeepNote,
    actor,
    envelope,
    origin,
    written,
)
from tests.support.waiting import eventually_async

READ = Permission("Note", "r")
MakeKernel = Callable[..., Kernel]


async def one(kernel: Kernel, command: Any, **options: Any) -> Any:
    (outcome,) = await kernel.execute([envelope(command, **options)])
    return outcome


async def count(owner: Any, table: str) -> int:
    return await owner.fetchval(f"SELECT count(*) FROM {table}")


class TestOneCommand:
    async def test_a_new_aggregate_starts_at_version_one_and_can_be_read_back(self, kernel: Kernel) -> None:
        command = written("hello")
        outcome = await one(kernel, command)
        snapshot = await kernel.read(Read("note", command.id, actor(), origin(), READ))
        assert outcome.refusal is None
        assert (outcome.version, snapshot.version, snapshot.state.title) == (1, 1, "hello")

    async def test_an_id_that_exists_cannot_be_created_again(self, kernel: Kernel) -> None:
        command = written()
        await one(kernel, command)
        assert (await one(kernel, command)).refusal.code == "conflict"

    async def test_what_can_begin_an_aggregate_wants_version_zero_where_there_is_none(self, kernel: Kernel) -> None:
        command = KeepNote(new_id(), "mine")
        stale = await one(kernel, command, if_match=3)
        assert (stale.refusal.code, stale.refusal.extra) == ("version-conflict", {"current_version": 0})
        assert (await one(kernel, command)).refusal.code == "precondition-required"
        assert (await one(kernel, command, if_match=0)).version == 1
        late = await one(kernel, command, if_match=0)
        assert (late.refusal.code, late.refusal.extra) == ("version-conflict", {"current_version": 1})
        assert (await one(kernel, command, if_match=1)).version == 2

    async def test_of_two_that_begin_an_aggregate_at_once_one_wins(self, make_kernel: MakeKernel) -> None:
        kernels, id_ = [make_kernel(), make_kernel()], new_id()
        outcomes = await asyncio.gather(*(one(each, KeepNote(id_, "mine"), if_match=0) for each in kernels for _ in range(5)))
        assert sorted(outcome.refusal.code if outcome.refusal else "" for outcome in outcomes) == ["", *["version-conflict"] * 9]

    async def test_state_is_checked_before_version_and_version_before_content(self, kernel: Kernel) -> None:
        command = written()
        await one(kernel, command)
        assert (await one(kernel, ChangeNote(command.id, {"explode": "x"}), if_match=9)).refusal.code == "version-conflict"
        await one(kernel, CloseNote(command.id))
        refused = await one(kernel, ChangeNote(command.id, {"a": "b"}), if_match=9)
        assert refused.refusal.code == "note-closed"

    async def test_a_stale_version_is_refused_with_the_current_one(self, kernel: Kernel) -> None:
        command = written()
        await one(kernel, command)
        await one(kernel, ChangeNote(command.id, {"a": "1"}), if_match=1)
        refused = await one(kernel, ChangeNote(command.id, {"a": "2"}), if_match=1)
        assert refused.refusal.extra == {"current_version": 2}

    async def test_a_guarded_command_without_a_version_is_refused(self, kernel: Kernel) -> None:
        assert (await one(kernel, ChangeNote(new_id(), {}))).refusal.code == "precondition-required"

    async def test_missing_and_foreign_aggregates_look_the_same(self, kernel: Kernel) -> None:
        command = written()
        await one(kernel, command)
        stranger = actor(OTHER_TENANT)
        missing = await one(kernel, CloseNote(new_id()), who=stranger)
        foreign = await one(kernel, CloseNote(command.id), who=stranger)
        assert missing.refusal == foreign.refusal
        with pytest.raises(Refused) as refused:
            await kernel.read(Read("note", command.id, stranger, origin(), READ))
        assert refused.value.refusal.code == "not-found"

    async def test_without_the_scope_nothing_happens_and_the_refusal_is_recorded(self, kernel: Kernel, owner: Any) -> None:
        reader = actor(scopes=("user/Note.rs",))
        assert (await one(kernel, written(), who=reader)).refusal.code == "forbidden"
        assert await count(owner, "journal_entry") == 0
        row = await owner.fetchrow("SELECT action, outcome FROM access_record")
        assert tuple(row) == ("notes.write", "forbidden")

    async def test_patient_scopes_reach_only_the_own_compartment(self, kernel: Kernel) -> None:
        patient = actor(scopes=("patient/Note.crus",), subject="Patient/1")
        own, foreign = written(subject="Patient/1"), written(subject="Patient/2")
        assert (await one(kernel, own, who=patient)).refusal is None
        assert (await one(kernel, foreign, who=patient)).refusal.code == "forbidden"
        await one(kernel, foreign)
        assert (await one(kernel, CloseNote(foreign.id), who=patient)).refusal.code == "forbidden"
        await kernel.read(Read("note", own.id, patient, origin(), READ))
        with pytest.raises(Refused) as refused:
            await kernel.read(Read("note", foreign.id, patient, origin(), READ))
        assert refused.value.refusal.code == "forbidden"

    async def test_an_ended_or_expired_session_may_do_nothing_more(self, kernel: Kernel, manual_clock: ManualClock) -> None:
        session = new_id()
        who = actor(credential=session)
        note = written()
        await one(kernel, note)
        read = Read("note", note.id, who, origin(), READ)
        with pytest.raises(Refused):
            await kernel.read(read)
        await one(kernel, Begin(session, until=manual_clock.now() + timedelta(minutes=5)))
        await kernel.read(read)
        assert (await one(kernel, written(), who=who)).refusal is None
        manual_clock.advance(minutes=6)
        assert (await one(kernel, written(), who=who)).refusal.code == "unauthenticated"
        with pytest.raises(Refused) as refused:
            await kernel.read(read)
        assert refused.value.refusal.code == "unauthenticated"

    async def test_a_session_ended_in_the_same_batch_ends_the_commands_after_it(
        self, kernel: Kernel, manual_clock: ManualClock
    ) -> None:
        session = new_id()
        await one(kernel, Begin(session, until=manual_clock.now() + timedelta(hours=1)))
        who = actor(credential=session)
        outcomes = await kernel.execute([envelope(written(), who=who), envelope(End(session)), envelope(written(), who=who)])
        assert [outcome.refusal and outcome.refusal.code for outcome in outcomes] == [None, None, "unauthenticated"]

    async def test_a_bug_in_a_room_stays_with_its_command_and_leaks_no_value(
        self, kernel: Kernel, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = written()
        outcomes = await kernel.execute(
            [envelope(command), envelope(ChangeNote(command.id, {"explode": "1"}), if_match=1), envelope(written())]
        )
        assert [outcome.refusal and outcome.refusal.code for outcome in outcomes] == [None, "internal-error", None]
        output = capsys.readouterr()
        assert "RuntimeError" in output.out + output.err
        assert "secret-value" not in output.out + output.err

    async def test_time_never_runs_backwards_for_one_aggregate(self, kernel: Kernel, manual_clock: ManualClock) -> None:
        command = written()
        await one(kernel, command)
        manual_clock.advance(minutes=-10)
        await one(kernel, ChangeNote(command.id, {"a": "1"}), if_match=1)
        first, second = await kernel.history(Read("note", command.id, actor(), origin(), READ))
        assert first.at == second.at


class TestManyCommands:
    async def test_a_list_is_decided_in_order_and_stored_with_one_version_a_change(self, kernel: Kernel) -> None:
        command = written()
        changes = [envelope(ChangeNote(command.id, {"n": str(n)}), if_match=n) for n in range(1, 6)]
        outcomes = await kernel.execute([envelope(command), *changes])
        assert [outcome.version for outcome in outcomes] == [1, 2, 3, 4, 5, 6]

    async def test_a_dry_run_says_what_would_happen_and_stores_nothing(self, kernel: Kernel, owner: Any) -> None:
        command = written("dry")
        envelopes = [envelope(command, key="k"), envelope(CloseNote(command.id)), envelope(CloseNote(command.id))]
        rehearsed = await kernel.execute(envelopes, dry_run=True)
        assert await count(owner, "aggregate") == 0
        assert await count(owner, "idempotency") == 0
        real = await kernel.execute(envelopes)
        assert rehearsed == real

    async def test_an_atomic_list_happens_wholly_or_not_at_all(self, kernel: Kernel, owner: Any) -> None:
        note = written()
        outcomes = await kernel.execute([envelope(note), envelope(CloseNote(new_id()))], atomic=True)
        assert [outcome.refusal.code for outcome in outcomes if outcome.refusal] == ["conflict", "not-found"]
        assert await count(owner, "aggregate") == 0
        outcomes = await kernel.execute([envelope(note), envelope(CloseNote(note.id))], atomic=True)
        assert not any(outcome.refusal for outcome in outcomes)

    async def test_a_row_the_database_refuses_leaves_its_neighbours_alone(self, kernel: Kernel) -> None:
        await one(kernel, written("taken"))
        titles = [f"title {n}" for n in range(20)]
        titles[7] = titles[15] = "taken"
        outcomes = await asyncio.gather(*(one(kernel, written(title)) for title in titles))
        refused = [place for place, outcome in enumerate(outcomes) if outcome.refusal]
        assert refused == [7, 15]
        assert outcomes[7].refusal.code == "title-taken"

    async def test_references_are_loaded_when_a_decision_asks_for_them(self, kernel: Kernel) -> None:
        neighbour = written()
        await one(kernel, neighbour)
        assert (await one(kernel, written(beside=neighbour.id))).refusal is None
        assert (await one(kernel, written(beside=new_id()))).refusal.code == "no-such-neighbour"

    async def test_what_many_decisions_refer_to_is_loaded_at_once(self, make_kernel: MakeKernel, owner: Any) -> None:
        statement = await owner.fetchval("SELECT format('ALTER DATABASE %I SET track_functions = pl', current_database())")
        await owner.execute(statement)
        kernel = make_kernel()
        neighbours = [written() for _ in range(30)]
        await kernel.execute([envelope(neighbour) for neighbour in neighbours])
        outcomes = await asyncio.gather(*(one(kernel, written(beside=neighbour.id)) for neighbour in neighbours))
        assert not any(outcome.refusal for outcome in outcomes)
        await kernel.database.close()  # what it counted is there to see when its connection is gone
        loads = "SELECT calls FROM pg_stat_user_functions WHERE funcname = 'kernel_load'"
        assert await eventually_async(lambda: owner.fetchval(loads)) <= 8
        await owner.execute(statement.replace("SET track_functions = pl", "RESET track_functions"))

    async def test_tenants_share_a_batch_without_seeing_each_other(self, kernel: Kernel, owner: Any) -> None:
        clinics = [TENANT, OTHER_TENANT, *(new_id() for _ in range(30))]
        notes = [(clinic, written("same title everywhere")) for clinic in clinics]
        outcomes = await asyncio.gather(*(one(kernel, note, who=actor(clinic)) for clinic, note in notes))
        assert not any(outcome.refusal for outcome in outcomes)
        assert await owner.fetchval("SELECT count(DISTINCT tenant_id) FROM note") == len(clinics)


class TestIdempotency:
    async def test_the_same_request_again_gets_the_first_outcome(self, kernel: Kernel, owner: Any) -> None:
        first = await one(kernel, written("once"), key="k")
        again = await one(kernel, written("once"), key="k")
        assert again.replayed
        assert (again.id, again.version, again.body) == (first.id, first.version, first.body)
        assert await count(owner, "aggregate") == 1

    async def test_another_body_under_the_same_key_is_refused(self, kernel: Kernel) -> None:
        await one(kernel, written("once"), key="k")
        assert (await one(kernel, written("twice"), key="k")).refusal.code == "idempotency-key-reused"

    async def test_a_key_is_free_again_after_a_body_at_fault(self, kernel: Kernel) -> None:
        assert (await one(kernel, written(FAULTY), key="k")).refusal.code == "faulty-note"
        corrected = await one(kernel, written("sound"), key="k")
        assert (corrected.refusal, corrected.replayed) == (None, False)

    async def test_a_refusal_by_the_state_is_replayed_too(self, kernel: Kernel) -> None:
        note = written()
        await one(kernel, note)
        first = await one(kernel, ChangeNote(note.id, {"a": "1"}), if_match=5, key="k")
        again = await one(kernel, ChangeNote(note.id, {"a": "1"}), if_match=1, key="k")
        assert first.refusal.code == again.refusal.code == "version-conflict"
        assert again.replayed

    async def test_what_is_stored_of_a_request_says_nothing_without_the_key(self, kernel: Kernel, owner: Any) -> None:
        note = written()
        await one(kernel, note)
        guessed = envelope(ChangeNote(note.id, {"answer": "2"}), if_match=1, key="k")
        await kernel.execute([guessed])
        assert await owner.fetchval("SELECT fingerprint FROM idempotency") != admit(CATALOG, guessed).fingerprint

    async def test_a_refused_permission_is_not_kept(self, kernel: Kernel) -> None:
        assert (await one(kernel, written("t"), who=actor(scopes=("user/Note.r",)), key="k")).refusal.code == "forbidden"
        assert (await one(kernel, written("t"), key="k")).refusal is None

    async def test_keys_belong_to_their_actor_and_command(self, kernel: Kernel) -> None:
        note = written("t")
        await one(kernel, note, key="k")
        other = await one(kernel, written("u"), who=actor(id=new_id()), key="k")
        closing = await one(kernel, CloseNote(note.id), key="k")
        assert other.refusal is None
        assert not other.replayed
        assert closing.refusal is None
        assert not closing.replayed

    async def test_a_key_can_be_used_anew_after_its_lifetime(self, kernel: Kernel, manual_clock: ManualClock) -> None:
        await one(kernel, written("first day"), key="k")
        manual_clock.advance(hours=25)
        outcome = await one(kernel, written("second day"), key="k")
        assert outcome.refusal is None
        assert not outcome.replayed

    async def test_twins_through_two_processes_are_applied_once(self, make_kernel: MakeKernel, owner: Any) -> None:
        left, right = make_kernel(), make_kernel()
        sends = [one(side, written(f"t{n}"), key=f"k{n}") for n in range(50) for side in (left, right) for _ in range(4)]
        outcomes = await asyncio.gather(*sends)
        assert not [outcome.refusal for outcome in outcomes if outcome.refusal]
        assert await count(owner, "aggregate") == 50
        assert sum(not outcome.replayed for outcome in outcomes) == 50


class TestManyWriters:
    async def test_of_64_writers_naming_one_version_exactly_one_wins(self, make_kernel: MakeKernel) -> None:
        left, right = make_kernel(), make_kernel()
        note = written()
        await one(left, note)
        outcomes = await asyncio.gather(
            *(one((left, right)[n % 2], ChangeNote(note.id, {"w": str(n)}), if_match=1) for n in range(64))
        )
        winners = [outcome for outcome in outcomes if outcome.refusal is None]
        assert len(winners) == 1
        assert {outcome.refusal.code for outcome in outcomes if outcome.refusal} == {"version-conflict"}

    async def test_64_writers_of_one_aggregate_lose_no_acknowledged_change(self, make_kernel: MakeKernel) -> None:
        kernels = make_kernel(), make_kernel()
        note = written()
        await one(kernels[0], note)
        acknowledged: dict[int, int] = {}

        async def write(writer: int) -> None:
            version = 1
            for _ in range(6):
                outcome = await one(kernels[writer % 2], ChangeNote(note.id, {f"w{writer}": str(version)}), if_match=version)
                if outcome.refusal is None:
                    assert outcome.version not in acknowledged
                    acknowledged[outcome.version] = writer
                    version = outcome.version
                else:
                    assert outcome.refusal.code in ("version-conflict", "overloaded")
                    version = outcome.refusal.extra.get("current_version", version)

        await asyncio.gather(*(write(writer) for writer in range(64)))
        entries = await kernels[0].history(Read("note", note.id, actor(), origin(), READ))
        assert [entry.version for entry in entries] == list(range(1, len(entries) + 1))
        assert sorted(acknowledged) == list(range(2, len(entries) + 1))
        for entry in entries[1:]:
            assert list(entry.event.fields) == [f"w{acknowledged[entry.version]}"]

    async def test_64_writers_of_64_aggregates_share_commits(self, kernel: Kernel, owner: Any) -> None:
        outcomes = await asyncio.gather(*(one(kernel, written()) for _ in range(64)))
        assert not any(outcome.refusal for outcome in outcomes)
        commits = await owner.fetchval("SELECT count(DISTINCT xid) FROM journal_entry")
        assert commits <= 3


class TestReads:
    async def test_every_read_leaves_its_record(self, kernel: Kernel, owner: Any) -> None:
        note = written()
        await one(kernel, note)
        await asyncio.gather(*(kernel.read(Read("note", note.id, actor(), origin(f"r{n}"), READ)) for n in range(40)))
        rows = await owner.fetch(
            "SELECT request_id FROM access_record WHERE outcome = 'ok' AND version = 1 AND entity = $1", note.id
        )
        assert {row[0] for row in rows} == {f"r{n}" for n in range(40)}

    async def test_a_read_of_what_is_not_there_is_recorded_too(self, kernel: Kernel, owner: Any) -> None:
        with pytest.raises(Refused):
            await kernel.read(Read("note", new_id(), actor(), origin(), READ))
        assert await owner.fetchval("SELECT outcome FROM access_record") == "not-found"

    async def test_a_search_sees_only_the_own_clinic(self, kernel: Kernel) -> None:

        await one(kernel, written("mine"))
        await one(kernel, written("theirs"), who=actor(OTHER_TENANT))

        async def query(connection: Any) -> int:
            return await connection.fetchval("SELECT count(*) FROM note")

        assert await kernel.search(Search("note", actor(), origin(), Permission("Note", "s")), query) == 1

    async def test_what_a_search_runs_cannot_write(self, kernel: Kernel, owner: Any) -> None:
        await one(kernel, written())

        async def query(connection: Any) -> None:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                async with connection.transaction():
                    await connection.execute("UPDATE note SET closed = true")

        await kernel.search(Search("note", actor(), origin(), Permission("Note", "s")), query)
        assert await owner.fetchval("SELECT count(*) FROM access_record WHERE action = 'search'") == 1
