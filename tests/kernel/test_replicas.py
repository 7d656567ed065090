"""Replicas answer what they may, never less than the caller's session has seen, and their failures are nobody's concern."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg
import msgspec
import psycopg
import pytest
from prometheus_client import REGISTRY, generate_latest

from keepwell.kernel import Actor, Kernel, Limits, Origin, Permission, Read, Refused, Search
from keepwell.kernel.keys import KeyRing
from keepwell.kernel.position import Position
from keepwell.platform.postgres import Database, PoolSettings
from keepwell.platform.replicas import Replicas, ReplicaSettings
from tests.support.clock import ManualClock
from tests.support.cluster import Cluster, DatabaseUrls
from tests.support.notes import CATALOG, SCHEMA, ChangeNote, actor, envelope, written
from tests.support.replica import Replica, replicas
from tests.support.waiting import eventually_async

QUICK = ReplicaSettings(every=0.05, look=2.0, most_lag=60.0, wait=0.02, answer=2.0)
STRICT = msgspec.structs.replace(QUICK, most_lag=1.0)
_asyncpg = cast("Any", asyncpg)  # partly typed


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """A primary that no other test writes to. Its folder is open to the account of the servers, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="keepwell-primary-"))
    cluster = Cluster(folder / "data")
    yield cluster
    cluster.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def urls(own_cluster: Cluster) -> DatabaseUrls:
    urls = own_cluster.clone("replicated")
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    return urls


@pytest.fixture(scope="module")
def both(urls: DatabaseUrls) -> Iterator[list[Replica]]:
    with replicas(urls.superuser, 2) as made:
        yield made


@dataclass
class Node:
    """One process's worth of kernel over the primary and its replicas."""

    kernel: Kernel
    replicas: Replicas
    database: Database

    async def write(self, position: Position | None = None, text: str = "") -> UUID:
        command = written()
        await self._execute(command, position)
        if text:
            await self.change(command.id, 1, text, position)
        return command.id

    async def change(self, note: UUID, version: int, text: str = "", position: Position | None = None) -> None:
        await self._execute(ChangeNote(note, {"text": text}), position, version)

    async def _execute(self, command: Any, position: Position | None, version: int | None = None) -> None:
        sent = msgspec.structs.replace(envelope(command, if_match=version), origin=origin(position))
        (outcome,) = await self.kernel.execute([sent])
        assert outcome.refusal is None

    async def history(self, note: UUID, position: Position | None = None, who: Actor | None = None) -> list[int]:
        """The versions in a note's history."""
        read = Read("note", note, who or actor(), origin(position), Permission("Note", "r"), "history")
        return [entry.version for entry in await self.kernel.history(read)]

    async def count(self, position: Position | None = None, *, spread: bool = True) -> int:
        """How many notes a search finds."""

        async def query(connection: Any) -> int:
            return await connection.fetchval("SELECT count(*) FROM note")

        return await self.search(query, position, spread=spread)

    async def search(self, query: Callable[[Any], Any], position: Position | None = None, *, spread: bool = True) -> Any:
        wanted = Search("note", actor(), origin(position), Permission("Note", "s"), spread=spread)
        return await self.kernel.search(wanted, query)

    async def until_usable(self, *numbers: int) -> None:
        """Waits until these replicas are in, and no others."""

        async def so() -> bool:
            return [each.index for each in self.replicas.all if each.usable] == list(numbers)

        await eventually_async(so, 30)

    async def until_caught_up(self) -> None:
        """Waits until every replica has all there is."""
        async with self.database.connection() as connection:
            there = await connection.fetchval("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint")

        async def so() -> bool:
            return all(each.usable and each.replayed >= there for each in self.replicas.all)

        await eventually_async(so, 30)


def origin(position: Position | None = None) -> Origin:
    return Origin("test", "test-request", position=position)


def lag(number: int) -> float:
    """What the metric says, in seconds."""
    return REGISTRY.get_sample_value("keepwell_replica_lag_seconds", {"replica": str(number)}) or 0.0


class Counted:
    """Reads that replicas might have answered, by what came of it, since the last look."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}
        self.reads()

    def reads(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for outcome in ("served", "behind", "failed", "lost", "none"):
            value = REGISTRY.get_sample_value("keepwell_replica_reads_total", {"outcome": outcome}) or 0.0
            change = round(value - self._before.get(outcome, 0.0))
            self._before[outcome] = value
            if change:
                found[outcome] = change
        return found


@asynccontextmanager
async def opened(
    urls: DatabaseUrls, replica_urls: list[str], clock: ManualClock, settings: ReplicaSettings = QUICK
) -> AsyncGenerator[Node]:
    database = Database(PoolSettings(urls.app, largest=6))
    await database.open()
    pools = [PoolSettings(url, largest=4, wait=0.5, connect_timeout=1.0) for url in replica_urls]
    spread = Replicas(database, pools, settings)
    await spread.open()
    kernel = Kernel(database, CATALOG, KeyRing(bytes(range(32)), clock), clock, Limits(), replicas=spread)
    try:
        yield Node(kernel, spread, database)
    finally:
        await kernel.close()
        await spread.close()
        await database.close()


@pytest.fixture
async def node(own_cluster: Cluster, urls: DatabaseUrls, both: list[Replica], manual_clock: ManualClock) -> AsyncIterator[Node]:
    own_cluster.empty(urls)
    async with opened(urls, [replica.url(urls.app) for replica in both], manual_clock) as made:
        try:
            await made.until_usable(0, 1)
            yield made
        finally:
            for replica in both:
                replica.thaw()
                if not replica.alive():
                    replica.start()
                replica.resume()
                replica.delay(0)


class TestWhatReplicasAnswer:
    async def test_a_history_is_read_from_a_replica_and_recorded_on_the_primary(self, node: Node, urls: DatabaseUrls):
        note = await node.write(text="text")
        await node.until_caught_up()
        counted = Counted()
        assert await node.history(note) == [1, 2]
        assert counted.reads() == {"served": 1}
        async with node.database.connection() as connection, connection.transaction():
            await connection.execute("SELECT set_config('app.tenant', $1, true)", str(actor().tenant))
            row = await connection.fetchrow("SELECT action, outcome, version FROM access_record WHERE entity = $1", note)
        assert tuple(row) == ("history", "ok", 2)

    async def test_a_search_that_may_be_spread_is(self, node: Node):
        await node.write()
        await node.until_caught_up()
        counted = Counted()
        assert await node.count() == 1
        assert await node.count(spread=False) == 1
        assert counted.reads() == {"served": 1}

    async def test_who_is_not_let_is_answered_by_the_primary(self, node: Node):
        note = await node.write()
        await node.until_caught_up()
        asked: list[Actor] = []

        async def nobody(who: Actor) -> bool:
            asked.append(who)
            return False

        node.kernel.spread_if(nobody)
        counted = Counted()
        assert await node.count() == 1
        assert await node.history(note) == [1]
        assert counted.reads() == {}
        assert asked == [actor(), actor()]

    async def test_both_take_their_turn(self, node: Node):
        note = await node.write()
        await node.until_caught_up()
        asked: set[datetime] = set()

        async def query(connection: Any) -> None:
            asked.add(await connection.fetchval("SELECT pg_postmaster_start_time()"))

        for _ in range(6):
            await node.search(query)
        assert len(asked) >= 2
        assert await node.history(note) == [1]

    async def test_refusals_are_those_of_the_primary(self, node: Node):
        note = await node.write()
        await node.until_caught_up()
        counted = Counted()
        for who, code in ((actor(UUID(int=9)), "not-found"), (actor(credential=UUID(int=8)), "unauthenticated")):
            with pytest.raises(Refused) as refused:
                await node.history(note, who=who)
            assert refused.value.refusal.code == code
        assert counted.reads() == {}

    async def test_a_clinic_sees_its_own_on_a_replica_too(self, node: Node):
        await node.write()
        await node.until_caught_up()
        counted = Counted()

        async def query(connection: Any) -> int:
            return await connection.fetchval("SELECT (SELECT count(*) FROM note) + (SELECT count(*) FROM journal_entry)")

        stranger = Search("note", actor(UUID(int=9)), origin(), Permission("Note", "s"), spread=True)
        assert await node.kernel.search(stranger, query) == 0
        assert counted.reads() == {"served": 1}

    async def test_an_error_on_a_replica_is_the_primarys_to_judge(self, node: Node):
        await node.until_caught_up()
        counted = Counted()

        async def only_on_the_primary(connection: Any) -> str:
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                await connection.execute("SELECT 1 / 0")
            return "from the primary"

        assert await node.search(only_on_the_primary) == "from the primary"

        async def nowhere(connection: Any) -> None:
            await connection.execute("SELECT 1 / 0")

        with pytest.raises(asyncpg.DivisionByZeroError):
            await node.search(nowhere)
        assert counted.reads() == {"failed": 2}
        assert await node.count() == 0
        assert counted.reads() == {"served": 1}


class TestReadingOnesOwnWrites:
    async def test_a_history_never_lacks_what_is_committed(self, node: Node, both: list[Replica]):
        note = await node.write(text="text")
        await node.until_caught_up()
        for replica in both:
            replica.pause()
        await node.change(note, 2, "more")
        counted = Counted()
        assert await node.history(note) == [1, 2, 3]
        assert counted.reads() == {"behind": 1}

    async def test_a_search_without_a_token_shows_the_newest(self, node: Node, both: list[Replica]):
        await node.write()
        await node.until_caught_up()
        for replica in both:
            replica.pause()
        await node.write()
        counted = Counted()
        assert await node.count() == 2
        assert counted.reads() == {"behind": 1}

    async def test_a_replica_that_is_only_a_moment_behind_is_waited_for(
        self, urls: DatabaseUrls, both: list[Replica], node: Node, manual_clock: ManualClock
    ):
        patient = msgspec.structs.replace(QUICK, wait=3.0)
        async with opened(urls, [replica.url(urls.app) for replica in both], manual_clock, patient) as waiting:
            await waiting.until_usable(0, 1)
            for replica in both:
                replica.delay(200)
            await waiting.write()
            counted = Counted()
            assert await waiting.count() == 1
            assert counted.reads() == {"served": 1}

    async def test_a_session_never_sees_less_than_its_position(self, node: Node, both: list[Replica]):
        """Settled, so that only the position holds replicas to anything."""
        mine = Position()
        await node.write(mine)
        before = mine.reached
        assert before > 0
        await node.until_caught_up()
        for replica in both:
            replica.pause()
        settled = Position(before, settled=True)
        counted = Counted()
        assert await node.count(settled) == 1
        assert counted.reads() == {"served": 1}
        await node.write(mine)
        assert mine.reached > before
        assert await node.count(Position(mine.reached, settled=True)) == 2
        assert counted.reads() == {"behind": 1}
        assert await node.count(Position(before, settled=True)) == 1
        assert counted.reads() == {"served": 1}

    async def test_what_was_seen_on_one_replica_is_not_unseen_on_the_other(self, node: Node, both: list[Replica]):
        session = Position(settled=True)
        await node.write()
        await node.until_caught_up()
        both[0].pause()
        await node.write()

        async def other_has_it() -> bool:
            return both[1].run("SELECT count(*) FROM pg_stat_wal_receiver") == 1 and node.replicas.all[1].replayed > (
                node.replicas.all[0].replayed
            )

        await eventually_async(other_has_it)
        seen = 0
        for _ in range(8):
            now = await node.count(session)
            assert now >= seen
            seen = now
        assert seen == 2

    async def test_what_a_single_read_showed_holds_for_searches_after_it(self, node: Node, both: list[Replica]):
        note = await node.write()
        await node.until_caught_up()
        for replica in both:
            replica.pause()
        await node.change(note, 1, "text")
        session = Position(settled=True)
        snapshot = await node.kernel.read(Read("note", note, actor(), origin(session), Permission("Note", "r")))
        assert snapshot.version == 2

        async def newest(connection: Any) -> int:
            return await connection.fetchval("SELECT max(version) FROM journal_entry WHERE id = $1", note)

        assert await node.search(newest, session) == 2


class TestReplicasThatFail:
    async def test_a_killed_one_is_left_out_and_comes_back(self, node: Node, both: list[Replica]):
        await node.until_caught_up()
        both[0].kill()
        for _ in range(20):
            await node.write()
            assert await node.history(await node.write(text="x")) == [1, 2]
        await node.until_usable(1)
        both[0].start()
        await node.until_usable(0, 1)

    async def test_reads_under_way_on_one_that_dies_are_answered(self, node: Node, both: list[Replica]):
        await node.write()
        await node.until_caught_up()
        there = asyncio.Event()

        async def slow(connection: Any) -> int:
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                there.set()
                await connection.execute("SELECT pg_sleep(20)")
            return await connection.fetchval("SELECT count(*) FROM note")

        reading = [asyncio.create_task(node.search(slow)) for _ in range(4)]
        await there.wait()
        for replica in both:
            replica.kill()
        started = time.monotonic()
        assert await asyncio.gather(*reading) == [1] * 4
        assert time.monotonic() - started < 5

    async def test_reads_under_way_on_one_that_freezes_are_answered(self, node: Node, both: list[Replica]):
        await node.write()
        await node.until_caught_up()
        there = asyncio.Event()

        async def slow(connection: Any) -> int:
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                there.set()
                await connection.execute("SELECT pg_sleep(20)")
            return await connection.fetchval("SELECT count(*) FROM note")

        counted = Counted()
        reading = [asyncio.create_task(node.search(slow)) for _ in range(4)]
        await there.wait()
        for replica in both:
            replica.freeze()
        started = time.monotonic()
        assert await asyncio.gather(*reading) == [1] * 4
        assert time.monotonic() - started < 5
        assert counted.reads().get("lost", 0) >= 1
        await node.until_usable()
        for replica in both:
            replica.thaw()
        await node.until_usable(0, 1)

    async def test_one_that_freezes_between_reads_costs_one_of_them_a_fraction_of_a_second(self, node: Node, both: list[Replica]):
        await node.write()
        await node.until_caught_up()
        await node.count()
        for replica in both:
            replica.freeze()
        counted = Counted()
        for _ in range(20):
            assert await node.count() == 1
        reads = counted.reads()
        assert reads.get("failed", 0) + reads.get("lost", 0) <= len(both)
        assert reads["none"] >= 20 - len(both)

    async def test_one_that_falls_behind_is_left_out_and_returns(
        self, node: Node, urls: DatabaseUrls, both: list[Replica], manual_clock: ManualClock
    ):
        async with opened(urls, [replica.url(urls.app) for replica in both], manual_clock, STRICT) as strict:
            await strict.until_caught_up()
            both[0].pause()
            await strict.write()
            await strict.until_usable(1)
            assert lag(0) > STRICT.most_lag
            both[0].resume()
            await strict.until_usable(0, 1)
            await strict.until_caught_up()
            assert lag(0) < STRICT.most_lag

    async def test_an_idle_primary_makes_nobody_look_late(
        self, node: Node, urls: DatabaseUrls, both: list[Replica], manual_clock: ManualClock
    ):
        async with opened(urls, [replica.url(urls.app) for replica in both], manual_clock, STRICT) as strict:
            await strict.until_caught_up()
            until = time.monotonic() + 2 * STRICT.most_lag

            async def watched_long_enough() -> bool:
                assert all(each.usable and each.lag < STRICT.most_lag for each in strict.replicas.all)
                return time.monotonic() > until

            await eventually_async(watched_long_enough)

    async def test_metrics_name_replicas_by_number_only(self, node: Node, both: list[Replica]):
        text = generate_latest(REGISTRY).decode()
        assert 'keepwell_replica_usable{replica="1"} 1.0' in text
        assert "keepwell-replica-" not in text


class TestWhatIsNoReplica:
    async def test_a_primary_is_never_used_as_one(self, urls: DatabaseUrls, both: list[Replica], manual_clock: ManualClock):
        async with opened(urls, [urls.app, both[0].url(urls.app)], manual_clock) as node:
            await node.until_usable(1)
            assert node.replicas.all[0].usable is False

    async def test_a_replica_of_another_cluster_is_never_used(
        self, urls: DatabaseUrls, both: list[Replica], cluster: Cluster, database_urls: DatabaseUrls, manual_clock: ManualClock
    ):
        with replicas(database_urls.superuser, 1) as (strange,):
            async with opened(urls, [strange.url(database_urls.app), both[0].url(urls.app)], manual_clock) as node:
                await node.until_usable(1)
                assert await node.history(await node.write()) == [1]
                assert node.replicas.all[0].usable is False

    async def test_a_login_that_goes_round_row_level_security_is_never_used(
        self, urls: DatabaseUrls, both: list[Replica], manual_clock: ManualClock
    ):
        async with opened(urls, [both[0].url(urls.superuser), both[1].url(urls.app)], manual_clock) as node:
            await node.until_usable(1)
            assert node.replicas.all[0].usable is False

    async def test_a_replica_that_was_promoted_is_left_out(
        self, urls: DatabaseUrls, both: list[Replica], manual_clock: ManualClock
    ):
        with replicas(urls.superuser, 1) as (third,):
            async with opened(urls, [third.url(urls.app), both[0].url(urls.app)], manual_clock) as node:
                await node.until_usable(0, 1)
                third.promote()
                for _ in range(20):
                    assert await node.history(await node.write(text="x")) == [1, 2]
                await node.until_usable(1)

    async def test_an_address_where_nothing_is_does_no_harm(
        self, urls: DatabaseUrls, both: list[Replica], manual_clock: ManualClock, tmp_path: Path
    ):
        nowhere = f"postgresql://keepwell_app@/{urls.name}?host={tmp_path}"
        async with opened(urls, [nowhere, both[0].url(urls.app)], manual_clock) as node:
            await node.until_usable(1)
            assert await node.history(await node.write(text="x")) == [1, 2]


async def test_a_position_that_cannot_be_had_after_the_commit_leaves_the_outcome_as_it_is(
    fresh_database: DatabaseUrls, manual_clock: ManualClock
):
    with psycopg.connect(fresh_database.superuser, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_current_wal_flush_lsn() FROM PUBLIC")
    async with opened(fresh_database, [], manual_clock) as node:
        session = Position()
        await node.write(session, text="text")
        assert (session.reached, session.touched) == (0, True)


async def test_while_the_primary_is_away_reads_are_refused(urls: DatabaseUrls, both: list[Replica], manual_clock: ManualClock):
    """A read that cannot be recorded is not answered, whatever a replica holds."""
    async with opened(urls, [replica.url(urls.app) for replica in both], manual_clock) as node:
        await node.until_usable(0, 1)
        note = await node.write()
        await node.until_caught_up()
        await node.database.close()
        with pytest.raises(Refused) as refused:
            await node.history(note)
        assert refused.value.refusal.code == "temporarily-unavailable"
