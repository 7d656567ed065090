"""What the command path does when something in it fails: nothing half done, and nobody else harmed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from keepwell.kernel import Catalog, Kernel, Limits, Origin, Permission, Read, Refused, Search, Snapshot
from keepwell.kernel.announce import Announcer
from keepwell.kernel.cache import Cache, CacheSettings
from keepwell.kernel.envelope import Envelope
from keepwell.kernel.rehearsal import Rehearsal
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support import notes
from tests.support.cluster import DatabaseUrls
from tests.support.notes import CATALOG, OTHER_TENANT, Begin, ChangeNote, CloseNote, actor, envelope, origin, written
from tests.support.waiting import eventually_async

_asyncpg: Any = asyncpg  # partly typed
READ = Permission("Note", "r")
MakeKernel = Callable[..., Kernel]


class RoomError(Exception):
    """A bug in a room."""


async def one(kernel: Kernel, command: Any, **options: Any) -> Any:
    (outcome,) = await kernel.execute([envelope(command, **options)])
    return outcome


def codes(outcomes: Sequence[Any]) -> list[str | None]:
    return [outcome.refusal and outcome.refusal.code for outcome in outcomes]


def faulty(**parts: Any) -> Catalog:
    """The notes, with something in their room that fails for the title `poison`."""

    def failing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *more: Any) -> Any:
            state = first.state if isinstance(first, Snapshot) else first
            if state.title == "poison":
                raise RoomError
            return function(first, *more)

        return call

    fields: dict[str, Any] = {name: failing(getattr(notes.NOTES, name)) for name in parts.get("of_the_room", ())}
    lookup = notes.NOTES.lookup
    assert lookup is not None
    if parts.get("row"):
        fields["lookup"] = msgspec.structs.replace(lookup, row=failing(lookup.row))
    return Catalog((msgspec.structs.replace(notes.NOTES, **fields), notes.SESSIONS))


class TestRooms:
    async def test_a_view_that_fails_leaves_nothing_of_its_command(self, make_kernel: MakeKernel, owner: Any) -> None:
        kernel = make_kernel(catalog=faulty(of_the_room=("view",)))
        assert codes(await kernel.execute([envelope(written("poison"))])) == ["internal-error"]
        assert await owner.fetchval("SELECT count(*) FROM aggregate") == 0
        assert await owner.fetchval("SELECT count(*) FROM journal_entry") == 0

    @pytest.mark.parametrize("parts", [{"row": True}, {"of_the_room": ("subject",)}])
    async def test_a_row_that_cannot_be_made_leaves_its_neighbours_alone(self, make_kernel: MakeKernel, parts: Any) -> None:
        kernel = make_kernel(catalog=faulty(**parts))
        commands = [written(), written("poison"), written(), written()]
        outcomes = await asyncio.gather(*(one(kernel, command) for command in commands))
        assert codes(outcomes) == [None, "internal-error", None, None]

    async def test_a_value_the_driver_cannot_send_leaves_its_neighbours_alone(self, kernel: Kernel) -> None:
        unsendable = Envelope(written(), actor(), Origin("test", "\ud800"))
        outcomes = await asyncio.gather(one(kernel, written()), kernel.execute([unsendable]), one(kernel, written()))
        assert codes([outcomes[0], outcomes[1][0], outcomes[2]]) == [None, "internal-error", None]

    async def test_what_is_told_of_a_commit_cannot_undo_it(self, make_kernel: MakeKernel) -> None:
        def listener(_changes: Any) -> None:
            raise RoomError

        announcer = Announcer(CATALOG)
        announcer.watch(["note"], listener, lambda: None)
        kernel = make_kernel(announcer=announcer)
        command = written()
        assert (await one(kernel, command)).refusal is None


class TestKeys:
    async def test_a_clinic_whose_keys_are_unreadable_leaves_the_others_alone(self, make_kernel: MakeKernel, owner: Any) -> None:
        first, kernel = make_kernel(), make_kernel()
        there, theirs = written(), written()
        await one(first, there)
        await one(first, theirs, who=actor(OTHER_TENANT))
        await owner.execute("UPDATE tenant_key SET wrapped = wrapped || 'x' WHERE tenant_id = $1", OTHER_TENANT)
        outcomes = await asyncio.gather(
            one(kernel, written()), one(kernel, written(), who=actor(OTHER_TENANT)), one(kernel, written())
        )
        assert codes(outcomes) == [None, "internal-error", None]

        async def read(tenant: UUID, id_: UUID) -> str:
            try:
                return (await kernel.read(Read("note", id_, actor(tenant), origin(), READ))).kind
            except Refused as refused:
                return refused.refusal.code

        answers = await asyncio.gather(read(notes.TENANT, there.id), read(OTHER_TENANT, theirs.id), read(notes.TENANT, there.id))
        assert answers == ["note", "internal-error", "note"]


@asynccontextmanager
async def pooled(kernel: Kernel, urls: DatabaseUrls, catalog: Catalog | None = None, **settings: Any) -> AsyncGenerator[Kernel]:
    """The same kernel over a pool of its own."""
    database = Database(PoolSettings(urls.app, **settings))
    await database.open()
    yield Kernel(database, catalog or kernel.catalog, kernel.ring, kernel.clock, Limits())
    await database.close()


class TestLocks:
    async def test_a_table_that_somebody_holds_is_not_waited_for_once_a_command(
        self, clean_database: DatabaseUrls, kernel: Kernel, owner: Any
    ) -> None:
        await one(kernel, written())
        async with pooled(kernel, clean_database, lock_timeout=0.5) as hasty, owner.transaction():
            await owner.execute("LOCK TABLE aggregate")
            started = monotonic()
            outcomes = await asyncio.gather(*(one(hasty, written()) for _ in range(40)))
            took = monotonic() - started
        assert set(codes(outcomes)) == {"overloaded"}
        assert took < 10 * 0.5
        assert codes([await one(kernel, written())]) == [None]

    async def test_an_aggregate_that_somebody_holds_leaves_its_neighbours_alone(
        self, clean_database: DatabaseUrls, kernel: Kernel, owner: Any
    ) -> None:
        held = written()
        await one(kernel, held)
        async with pooled(kernel, clean_database, lock_timeout=0.5) as hasty, owner.transaction():
            await owner.execute("SELECT FROM aggregate FOR UPDATE")
            commands = [written(), CloseNote(held.id), written()]
            outcomes = await asyncio.gather(*(one(hasty, command) for command in commands))
        assert codes(outcomes) == [None, "overloaded", None]


class TestReadOnly:
    async def test_a_database_that_takes_no_changes_just_now_is_said_to_be_away(
        self, make_kernel: MakeKernel, owner: Any
    ) -> None:
        alter = await owner.fetchval(
            "SELECT format('ALTER DATABASE %I SET default_transaction_read_only = ', current_database())"
        )
        first, kernel = make_kernel(), make_kernel()
        await one(first, written())
        await owner.execute(f"{alter} on")
        try:
            outcomes = await asyncio.gather(*(one(kernel, written()) for _ in range(3)))
            assert set(codes(outcomes)) == {"temporarily-unavailable"}
        finally:
            await owner.execute(f"{alter} off")
        assert codes([await one(kernel, written())]) == [None]


class TestHalving:
    async def test_what_a_halved_batch_refuses_is_recorded_and_kept_once(self, kernel: Kernel, owner: Any) -> None:
        await one(kernel, written("taken"))
        commands = [written("taken") if n in (3, 11) else CloseNote(new_id()) if n % 4 == 0 else written() for n in range(16)]
        outcomes = await asyncio.gather(*(one(kernel, command, key=f"k{n}") for n, command in enumerate(commands)))
        expected = ["title-taken" if n in (3, 11) else "not-found" if n % 4 == 0 else None for n in range(16)]
        assert codes(outcomes) == expected
        assert sorted(row["outcome"] for row in await owner.fetch("SELECT outcome FROM access_record")) == sorted(
            filter(None, expected)
        )
        assert await owner.fetchval("SELECT count(*) FROM idempotency") == 16
        assert await owner.fetchval("SELECT count(*) FROM journal_entry") == 1 + expected.count(None)


class TestViolations:
    async def test_a_value_that_is_taken_is_recorded_like_every_refusal(self, kernel: Kernel, owner: Any) -> None:
        await one(kernel, written("taken"))
        assert codes([await one(kernel, written("taken"))]) == ["title-taken"]
        assert await owner.fetch("SELECT action, outcome FROM access_record") == [("notes.write", "title-taken")]

    async def test_a_retry_is_told_again_that_the_value_was_taken(self, kernel: Kernel, owner: Any) -> None:
        await one(kernel, written("taken"))
        first = await one(kernel, written("taken"), key="k")
        await owner.execute("UPDATE note SET title_index = 'given back'")
        again = await one(kernel, written("taken"), key="k")
        assert codes([first, again]) == ["title-taken", "title-taken"]
        assert again.replayed

    async def test_an_atomic_list_that_meets_one_is_recorded_and_stores_nothing(self, kernel: Kernel, owner: Any) -> None:
        await one(kernel, written("taken"))
        session = Begin(new_id(), until=kernel.clock.now())
        outcomes = await kernel.execute([envelope(session), envelope(written("taken"))], atomic=True)
        assert codes(outcomes) == ["conflict", "title-taken"]
        assert await owner.fetchval("SELECT count(*) FROM aggregate") == 1
        assert await recorded(owner, outcomes) == ["conflict", "title-taken"]


async def recorded(owner: Any, outcomes: Sequence[Any]) -> list[str]:
    """What the access records say of each."""
    rows = await owner.fetch("SELECT entity, outcome FROM access_record")
    said = {row["entity"]: row["outcome"] for row in rows}
    assert len(said) == len(rows)
    return [said[outcome.id] for outcome in outcomes]


class TestRehearsals:
    async def test_what_a_dry_run_would_show_is_never_shown_in_place_of_what_is_stored(self, make_kernel: MakeKernel) -> None:
        catalog = Catalog((msgspec.structs.replace(notes.NOTES, cached=True), notes.SESSIONS))
        kernel = make_kernel(catalog=catalog, cache=Cache(CacheSettings(smallest=1), ["note"]))
        note, rehearsal = written(), Rehearsal()
        await one(kernel, note)
        change = ChangeNote(note.id, {"said": "in a dry run"})
        await kernel.execute([envelope(change, if_match=1)], dry_run=True, rehearsal=rehearsal)
        await one(kernel, ChangeNote(note.id, {"said": "first"}), if_match=1)
        # The first keeps the lane busy, so that the others share the next batch, in this order.
        await asyncio.gather(
            one(kernel, written()),
            one(kernel, ChangeNote(note.id, {"said": "for real"}), if_match=2),
            kernel.execute([envelope(change, if_match=2)], dry_run=True, rehearsal=rehearsal),
        )
        read = Read("note", note.id, actor(), origin(), READ)
        shown = msgspec.json.decode((await kernel.view(read)).body)
        assert (shown["version"], shown["fields"]) == (3, {"said": "for real"})


class TestCrowds:
    async def test_searches_that_take_long_do_not_stop_commands_and_reads(
        self, clean_database: DatabaseUrls, kernel: Kernel
    ) -> None:
        enough, started = asyncio.Event(), asyncio.Event()

        async def query(_connection: Any) -> None:
            started.set()
            await enough.wait()

        async with pooled(kernel, clean_database, largest=3, wait=0.5) as crowded:
            search, note = Search("note", actor(), origin(), Permission("Note", "s")), written()
            searches = [asyncio.create_task(crowded.search(search, query)) for _ in range(9)]
            await asyncio.wait_for(started.wait(), 5)
            try:
                assert codes([await one(crowded, note)]) == [None]
                assert (await crowded.read(Read("note", note.id, actor(), origin(), READ))).version == 1
            finally:
                enough.set()
                answers = await asyncio.gather(*searches, return_exceptions=True)
        refused = [answer.refusal.code for answer in answers if isinstance(answer, Refused)]
        assert len(refused) + answers.count(None) == 9
        assert set(refused) <= {"temporarily-unavailable"}


class TestReferences:
    async def test_what_a_decision_holds_does_not_change_before_it_is_stored(
        self, clean_database: DatabaseUrls, kernel: Kernel, owner: Any
    ) -> None:
        write, *others = notes.NOTES.commands
        room = msgspec.structs.replace(notes.NOTES, commands=(msgspec.structs.replace(write, holds=True), *others))
        neighbour = written()
        await one(kernel, neighbour)
        title = kernel.blind(notes.TENANT)("wanted")
        async with pooled(kernel, clean_database, Catalog((room, notes.SESSIONS))) as holding:
            somebody = await _asyncpg.connect(clean_database.superuser)
            # Somebody is about to take the title: the write waits, between its decision and its commit.
            async with somebody.transaction():
                await somebody.execute("INSERT INTO note VALUES ($1, $2, $3, false)", notes.TENANT, new_id(), title)
                writing = asyncio.create_task(one(holding, written("wanted", beside=neighbour.id)))
                await eventually_async(lambda: owner.fetchval(_WAITING))
                closing = asyncio.create_task(one(kernel, CloseNote(neighbour.id)))

                async def closed_or_waiting() -> bool:
                    return closing.done() or await owner.fetchval(_WAITING) > 1

                await eventually_async(closed_or_waiting)
                assert not closing.done()
                await somebody.execute("DELETE FROM note WHERE title_index = $1", title)
            assert codes(await asyncio.gather(writing, closing)) == [None, None]
            await somebody.close()


_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
