"""The cache gives hits, and never anything the database would not say now: whatever is lost, late, altered or restored."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import valkey

from keepwell.kernel import Refused
from keepwell.kernel.cache import CacheSettings
from keepwell.kernel.shared_views import Held
from keepwell.kit.ids import new_id
from keepwell.platform.postgres import Database, PoolSettings
from tests.support.caching import SMALLEST, Counted, Node, large, node
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.notes import OTHER_TENANT, TENANT, Begin, End, actor, envelope
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async

HEAD = bytes(32)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


class Store:
    """Valkey itself, to look at and to damage."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def names(self) -> list[bytes]:
        return sorted(self.client.keys())

    def name_of(self, id_: UUID) -> bytes:
        (name,) = [name for name in self.names() if str(id_).encode() in name]
        return name

    def values(self) -> bytes:
        return b"".join(self.client.get(name) for name in self.names())


@pytest.fixture
def store(valkey_url: str) -> Iterator[Store]:
    client: Any = valkey.Valkey.from_url(valkey_url)  # pyright: ignore[reportUnknownMemberType]
    with client:
        yield Store(client)


Damage = Callable[[bytes, bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "empty": lambda _value, _other: b"",
    "cut short": lambda value, _other: value[:20],
    "almost empty": lambda value, _other: value[:60],
    "one bit": lambda value, _other: value[:-1] + bytes([value[-1] ^ 1]),
    "zeros": lambda value, _other: value[:44] + bytes(len(value) - 44),
    "another's view": lambda value, other: value[:44] + other[44:],
    "another's value": lambda _value, other: other,
    "all ones": lambda value, _other: b"\xff" * len(value),
}


@pytest.fixture
async def left(clean_database: DatabaseUrls, owner: Any, valkey_url: str, manual_clock: ManualClock) -> AsyncIterator[Node]:
    del owner
    async with node(clean_database.app, valkey_url, manual_clock) as made:
        yield made


@pytest.fixture
async def right(clean_database: DatabaseUrls, owner: Any, valkey_url: str, manual_clock: ManualClock) -> AsyncIterator[Node]:
    del owner
    async with node(clean_database.app, valkey_url, manual_clock) as made:
        yield made


class TestInThisProcess:
    async def test_what_was_read_is_served_from_memory_the_next_time(self, left: Node):
        note = await left.write("title")
        left.empty()
        counted = Counted()
        first, second = await left.read(note), await left.read(note)
        assert counted.reads() == {"miss": 1, "memory": 1}
        assert first == second

    async def test_views_come_from_memory_and_are_what_they_were(self, left: Node):
        note = await left.write("title", "text")
        left.empty()
        counted = Counted()
        views = [await left.view(note) for _ in range(4)]
        assert counted.reads() == {"miss": 1, "memory": 3}
        assert views == [views[0]] * 4

    async def test_what_this_process_wrote_is_at_hand_at_once(self, left: Node):
        note = await left.write("title", "text")
        counted = Counted()
        assert (await left.view(note))["fields"] == {"text": "text"}
        assert counted.reads() == {"memory": 1}

    async def test_what_another_process_wrote_is_seen_at_once(self, left: Node, right: Node):
        note = await left.write("title", "old")
        await asyncio.gather(left.view(note), left.read(note), right.view(note), right.read(note))
        await right.change(note, "new", 2)
        counted = Counted()
        seen = await left.view(note)
        assert (seen["version"], seen["fields"]) == (3, {"text": "new"})
        assert counted.reads() == {"stale": 1}

    async def test_a_state_stored_again_under_the_same_version_is_loaded_again(self, left: Node, owner: Any):
        note = await left.write("title", "text")
        await owner.execute("UPDATE aggregate SET state = state WHERE id = $1", note)
        counted = Counted()
        await left.read(note)
        assert counted.reads() == {"stale": 1}

    @pytest.mark.parametrize("text", ["small", large("large")])
    async def test_a_database_that_went_back_is_believed(self, left: Node, right: Node, owner: Any, text: str):
        note = await left.write("title", "first")
        await owner.execute("CREATE TEMP TABLE before AS SELECT * FROM aggregate WHERE id = $1", note)
        await owner.execute("CREATE TEMP TABLE entries AS SELECT * FROM journal_entry WHERE id = $1", note)
        await left.change(note, text, 2)
        await left.view(note)
        await left.shared.settled()
        # As after a restore to an earlier moment, and then another third version.
        await owner.execute("DELETE FROM aggregate WHERE id = $1", note)
        await owner.execute("INSERT INTO aggregate SELECT * FROM before")
        await owner.execute("DELETE FROM journal_entry WHERE id = $1 AND version = 3", note)
        assert (await left.view(note))["version"] == (await right.view(note))["version"] == 2
        await right.change(note, large("another"), 2)
        for each in (left, right):
            assert (await each.view(note))["fields"] == {"text": large("another")}
            assert (await each.read(note)).state.fields == {"text": large("another")}

    async def test_a_hit_is_recorded_like_any_read(self, left: Node, owner: Any):
        note = await left.write("title", "text")
        for _ in range(5):
            await left.view(note)
            await left.read(note)
        rows = await owner.fetch("SELECT outcome, version FROM access_record WHERE entity = $1", note)
        assert [tuple(row) for row in rows] == [("ok", 2)] * 10

    async def test_a_hit_is_only_for_those_who_may_read(self, left: Node, manual_clock: ManualClock):
        note, session = await left.write("title", "text"), new_id()
        await left.kernel.execute([envelope(Begin(session, until=manual_clock.now() + timedelta(hours=1)))])
        who = actor(credential=session)
        await left.view(note, who)
        await left.kernel.execute([envelope(End(session))])
        strangers = {
            "unauthenticated": who,
            "not-found": actor(OTHER_TENANT),
            "forbidden": actor(scopes=("patient/Note.r",), subject="Patient/1"),
        }
        for code, stranger in strangers.items():
            with pytest.raises(Refused) as refused:
                await left.view(note, stranger)
            assert refused.value.refusal.code == code

    async def test_nothing_readable_is_held(self, left: Node, store: Store):
        note = await left.write("a planted title", large("a planted text"))
        await left.view(note)
        await left.shared.settled()
        assert len(store.values()) > SMALLEST
        assert len(left.held()) > 2 * SMALLEST
        assert b"planted" not in store.values() + left.held()

    async def test_memory_is_bounded(
        self, stack: AsyncExitStack, clean_database: DatabaseUrls, owner: Any, valkey_url: str, manual_clock: ManualClock
    ):
        settings = CacheSettings(memory=20_000, smallest=10**6)
        small = await stack.enter_async_context(node(clean_database.app, valkey_url, manual_clock, settings=settings))
        notes = [await small.write(text="y" * 500) for _ in range(60)]
        for note in notes:
            await small.view(note)
            assert 0 < small.cache.size <= 20_000
        giant = await small.write(text="y" * 5_000)
        assert (await small.view(giant))["fields"] == {"text": "y" * 5_000}
        assert small.cache.size <= 20_000

    async def test_what_is_held_ends_with_its_lifetime(
        self,
        stack: AsyncExitStack,
        clean_database: DatabaseUrls,
        owner: Any,
        valkey_url: str,
        manual_clock: ManualClock,
        store: Store,
    ):
        settings = CacheSettings(lifetime_s=0.2, smallest=SMALLEST)
        short = await stack.enter_async_context(node(clean_database.app, valkey_url, manual_clock, settings=settings))
        note = await short.write(text=large("text"))
        await short.shared.settled()
        assert 0 < store.client.pttl(store.names()[0]) <= 200

        async def gone() -> bool:
            counted = Counted()
            await short.read(note)
            return "miss" in counted.reads() and not store.names()

        await eventually_async(gone)


class TestInValkey:
    async def test_a_large_view_is_written_through_and_serves_another_process(self, left: Node, right: Node):
        await right.expect_large()
        note = await left.write(text=large("text"))
        await left.shared.settled()
        counted = Counted()
        assert (await right.view(note))["fields"] == {"text": large("text")}
        assert counted.reads() == {"valkey": 1}
        await right.view(note)
        assert counted.reads() == {"memory": 1}

    async def test_small_ones_are_left_to_the_database(self, left: Node, store: Store):
        note = await left.write(text="small")
        for _ in range(3):
            await left.view(note)
        await left.shared.settled()
        assert store.names() == []

    async def test_a_snapshot_is_never_made_of_a_view(self, left: Node, right: Node):
        await right.expect_large()
        note = await left.write(text=large("text"))
        await left.shared.settled()
        await right.view(note)
        counted = Counted()
        assert (await right.read(note)).state.fields == {"text": large("text")}
        assert counted.reads() == {"miss": 1}

    async def test_of_two_that_race_the_newer_stays(self, left: Node, right: Node, store: Store):
        """Also where the bytes of the numbers sort the other way round than the numbers do."""
        target = (TENANT, "note", new_id())
        for older, newer in ((1, 2), (255, 256), (127, 128), (0xFFFF, 0x10000)):
            target = (TENANT, "note", new_id())
            left.shared.put(target, Held.of(newer, HEAD, 1, b"")._replace(view=b"newer"))
            await left.shared.settled()
            right.shared.put(target, Held.of(older, HEAD, 1, b"")._replace(view=b"older"))
            await right.shared.settled()
            assert (await left.shared.find([target]))[target].view == b"newer"

    async def test_many_writers_and_readers_on_two_nodes_end_with_the_newest(self, left: Node, right: Node):
        for each in (left, right):
            await each.expect_large()
        note, version = await left.write(text=large("0")), 2
        seen = [0]

        async def read(reader: Node) -> None:
            while seen[0] < 40:
                before = seen[0]
                assert (await reader.view(note))["version"] >= before

        async def write() -> None:
            nonlocal version
            while seen[0] < 40:
                version = await random.choice((left, right)).change(note, large(str(version)), version)  # noqa: S311
                seen[0] = version

        await asyncio.gather(write(), *(read(each) for each in (left, right) for _ in range(4)))
        await asyncio.gather(left.shared.settled(), right.shared.settled())
        target = (TENANT, "note", note)
        for each in (left, right):
            each.empty()
            assert (await each.view(note))["version"] == version
        assert (await left.shared.find([target]))[target].version == version

    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
    async def test_an_altered_value_costs_the_hit_and_is_replaced(self, left: Node, right: Node, store: Store, damage: Damage):
        await right.expect_large()
        store.client.flushdb()
        notes = [await left.write(text=large(f"text {n}")) for n in range(2)]
        await left.shared.settled()
        names = [store.name_of(note) for note in notes]
        store.client.set(names[0], damage(store.client.get(names[0]), store.client.get(names[1])))
        assert (await right.view(notes[0]))["fields"] == {"text": large("text 0")}
        right.empty()
        await right.shared.settled()
        await right.view(notes[0])
        await right.shared.settled()
        right.empty()
        counted = Counted()
        assert (await right.view(notes[0]))["fields"] == {"text": large("text 0")}
        assert counted.reads() == {"valkey": 1}

    async def test_a_value_of_another_clinic_cannot_be_opened(self, left: Node, store: Store):
        await left.expect_large()
        note = await left.write(text=large("text"))
        await left.shared.settled()
        name = store.name_of(note)
        store.client.rename(name, name.replace(str(TENANT).encode(), str(OTHER_TENANT).encode()))
        left.empty()
        with pytest.raises(Refused) as refused:
            await left.view(note, actor(OTHER_TENANT))
        assert refused.value.refusal.code == "not-found"

    async def test_ending_at_any_moment_ends(
        self, clean_database: DatabaseUrls, owner: Any, valkey_url: str, manual_clock: ManualClock
    ):
        """Whatever its writer was doing, connecting included."""
        for steps in range(40):
            async with node(clean_database.app, valkey_url, manual_clock) as made:
                made.shared.put((TENANT, "note", new_id()), Held.of(1, HEAD, 1, b"")._replace(view=b"view"))
                for _ in range(steps):
                    await asyncio.sleep(0)

    async def test_another_release_has_values_of_its_own(
        self, left: Node, stack: AsyncExitStack, clean_database: DatabaseUrls, valkey_url: str, manual_clock: ManualClock
    ):
        other = await stack.enter_async_context(node(clean_database.app, valkey_url, manual_clock, maker="another"))
        await other.expect_large()
        note = await left.write(text=large("text"))
        await left.shared.settled()
        counted = Counted()
        await other.view(note)
        assert counted.reads() == {"miss": 1}

    async def test_an_emptied_valkey_is_filled_by_use(self, left: Node, right: Node, store: Store):
        for each in (left, right):
            await each.expect_large()
        note = await left.write(text=large("text"))
        await left.shared.settled()
        store.client.flushall()
        left.empty()
        assert (await left.view(note))["version"] == 2
        await left.shared.settled()
        counted = Counted()
        assert (await right.view(note))["version"] == 2
        assert counted.reads() == {"valkey": 1}


class TestWhileValkeyFails:
    @pytest.fixture
    def proxy(self, valkey_url: str):
        with Proxy.to_valkey(valkey_url) as proxy:
            yield proxy

    @pytest.fixture
    async def behind(
        self, proxy: Proxy, clean_database: DatabaseUrls, owner: Any, valkey_url: str, manual_clock: ManualClock
    ) -> AsyncIterator[Node]:
        """A node that reaches Valkey through the proxy."""
        async with node(clean_database.app, proxy.valkey_url(valkey_url), manual_clock, patience=0.2) as made:
            await made.expect_large()
            yield made

    @pytest.mark.parametrize("fault", ["hang", "cut", "reset"])
    async def test_reads_and_writes_go_on_and_only_one_waits(self, behind: Node, proxy: Proxy, fault: str):
        notes = [await behind.write(text=large("old")) for _ in range(8)]
        getattr(proxy, fault)()
        counted = Counted()
        counted.asked()
        for note in notes:
            behind.empty()
            assert (await behind.view(note))["fields"] == {"text": large("old")}
            await behind.change(note, large("new"), 2)
            behind.empty()
            assert (await behind.view(note))["fields"] == {"text": large("new")}
        assert counted.asked().get("failed", 0) <= 1

    @pytest.mark.parametrize("fault", ["hang", "cut"])
    async def test_a_write_that_never_reached_valkey_leaves_nothing_stale(
        self, behind: Node, left: Node, proxy: Proxy, fault: str
    ):
        await left.expect_large()
        note = await behind.write(text=large("old"))
        await behind.shared.settled()
        getattr(proxy, fault)()
        await behind.change(note, large("new"), 2)
        counted = Counted()
        assert (await left.view(note))["fields"] == {"text": large("new")}
        assert counted.reads() == {"stale": 1}

    @pytest.mark.parametrize("fault", ["hang", "cut"])
    async def test_hits_return_when_valkey_does(self, behind: Node, proxy: Proxy, fault: str):
        note = await behind.write(text=large("text"))
        getattr(proxy, fault)()
        behind.empty()
        await behind.view(note)
        proxy.resume()

        async def hit() -> bool:
            behind.empty()
            counted = Counted()
            await behind.view(note)
            return counted.reads() == {"valkey": 1}

        await eventually_async(hit)

    async def test_what_cannot_be_written_is_dropped_and_counted(self, behind: Node, proxy: Proxy):
        proxy.hang()
        counted = Counted()
        counted.writes()
        for _ in range(10):
            await behind.write(text=large("text"))

        async def settled() -> bool:
            outcomes = counted.writes()
            lost.update({name: lost.get(name, 0) + count for name, count in outcomes.items()})
            return sum(lost.values()) >= 10

        lost: dict[str, int] = {}
        await eventually_async(settled)
        assert set(lost) <= {"failed", "dropped"}

    async def test_no_more_waits_than_the_backlog_holds(
        self,
        proxy: Proxy,
        stack: AsyncExitStack,
        clean_database: DatabaseUrls,
        owner: Any,
        valkey_url: str,
        manual_clock: ManualClock,
    ):
        settings = CacheSettings(smallest=SMALLEST, backlog=3 * SMALLEST)
        url = proxy.valkey_url(valkey_url)
        made = await stack.enter_async_context(node(clean_database.app, url, manual_clock, settings=settings, patience=5))
        proxy.hang()
        for _ in range(20):
            await made.write(text=large("text"))
            assert made.shared._bytes <= 3 * SMALLEST


async def test_the_release_before_reads_on_this_schema(left: Node, clean_database: DatabaseUrls):
    """Its reads name nothing they hold: the function they call has sixteen parameters, and no results that came later."""
    note = await left.write(text="text")
    database = Database(PoolSettings(clean_database.app))
    await database.open()
    who, at = actor(), left.kernel.clock.now()
    arguments: list[Any] = [
        [TENANT],
        [1, 2],
        ["note"],
        [note],
        [None],
        [None],
        [at],
        [new_id()],
        ["read"],
        [who.id],
        ["clinician"],
    ]
    arguments += [["http"], ["request"], ["TREAT"], [bytes(32)], at]
    async with database.connection() as connection:
        places = ", ".join(f"${place}" for place in range(1, 17))
        (row,) = await connection.fetch(f"SELECT * FROM kernel_read({places})", *arguments)
    await database.close()
    assert list(row.keys()) == ["place", "outcome", "version", "created_at", "updated_at", "head", "state"]
    assert (row["outcome"], row["version"], bool(row["state"])) == ("ok", 2, True)


def damage_something(store: Store, dice: random.Random) -> None:
    names = store.names()
    if names:
        name, other = dice.choice(names), dice.choice(names)
        swap: Callable[[], object] = lambda: store.client.set(name, store.client.get(other))  # noqa: E731
        spoil: Callable[[], object] = lambda: store.client.set(name, b"?" * 90)  # noqa: E731
        dice.choice([store.client.flushdb, lambda: store.client.delete(name), swap, spoil])()


async def test_whatever_happens_in_any_order_no_read_is_stale(left: Node, right: Node, store: Store, owner: Any):
    """Two nodes and a Valkey that is emptied, damaged and swapped at random: every read tells the newest version and text."""
    dice = random.Random(20260301)  # noqa: S311
    for each in (left, right):
        await each.expect_large()
    truth: dict[UUID, tuple[int, str]] = {}

    async def write(by: Node, note: UUID) -> None:
        text = dice.choice(["", large("")]) + str(dice.random())
        truth[note] = (await by.change(note, text, truth[note][0]), text)

    async def check_view(by: Node, note: UUID) -> None:
        seen = await by.view(note)
        assert (seen["version"], seen["fields"]["text"]) == truth[note]

    async def check_snapshot(by: Node, note: UUID) -> None:
        snapshot = await by.read(note)
        assert (snapshot.version, snapshot.state.fields["text"]) == truth[note]

    async def store_again(_by: Node, note: UUID) -> None:
        await owner.execute("UPDATE aggregate SET state = state WHERE id = $1", note)

    async def spoil(_by: Node, _note: UUID) -> None:
        damage_something(store, dice)

    async def forget(by: Node, _note: UUID) -> None:
        by.empty()

    for n in range(6):
        truth[await left.write(text=str(n))] = (2, str(n))
    moves = [check_view] * 8 + [write] * 5 + [check_snapshot] * 2 + [spoil] * 2 + [forget] * 2 + [store_again]
    for _ in range(400):
        await dice.choice(moves)(dice.choice((left, right)), dice.choice(list(truth)))
