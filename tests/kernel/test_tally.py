"""Counts: added up over processes and outages, by clinic and by span of time, with nothing a caller wrote."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from keepwell.kernel import Search
from keepwell.kernel.permissions import Permission
from keepwell.kernel.tally import Count, Tally, TallyKind, TallySettings, bucket_of, counts, next_bucket, purge
from keepwell.platform.postgres import Database, PoolSettings
from tests.kernel.conftest import MakeKernel
from tests.support.clock import ManualClock
from tests.support.cluster import DatabaseUrls
from tests.support.notes import OTHER_TENANT, TENANT, actor, origin
from tests.support.proxy import Proxy
from tests.support.waiting import eventually_async

USES = TallyKind("uses", width=timedelta(minutes=1), kept=timedelta(hours=1))
DAILY = TallyKind("daily", width=timedelta(days=1), kept=timedelta(days=30))

MakeTally = Callable[..., Tally]


@pytest.fixture
async def make_tally(clean_database: DatabaseUrls, manual_clock: ManualClock) -> AsyncIterator[MakeTally]:
    """Makes the tally of one more process."""
    databases: list[Database] = []

    def make(url: str = clean_database.app, **settings: Any) -> Tally:
        databases.append(Database(PoolSettings(url, largest=2, wait=0.5, connect_timeout=0.5)))
        return Tally(databases[-1], manual_clock, TallySettings(**settings))

    yield make
    for database in databases:
        await database.close()


async def opened(tally: Tally) -> Tally:
    await tally._database.open()
    return tally


async def stored(owner: Any) -> dict[tuple[Any, ...], int]:
    rows = await owner.fetch("SELECT tenant_id, name, labels, amount FROM tally ORDER BY 1, 2, 3")
    return {(row["tenant_id"], row["name"], *row["labels"]): row["amount"] for row in rows}


async def test_processes_add_to_the_same_counts(make_tally: MakeTally, owner: Any, manual_clock: ManualClock):
    tallies = [await opened(make_tally()) for _ in range(2)]
    for number, tally in enumerate(tallies):
        for _ in range(3):
            tally.add(TENANT, USES, "a", "ok")
        tally.add(TENANT, USES, "b", "ok", amount=number)
        tally.add(OTHER_TENANT, DAILY, "a")
    assert await asyncio.gather(*(tally.flush() for tally in tallies)) == [True, True]
    assert await stored(owner) == {
        (TENANT, "uses", "a", "ok"): 6,
        (TENANT, "uses", "b", "ok"): 1,
        (OTHER_TENANT, "daily", "a"): 2,
    }
    assert await tallies[0].flush()
    assert sum((await stored(owner)).values()) == 9, "what was written is not written again"


async def test_writers_of_the_same_counts_do_not_stand_in_each_others_way(make_tally: MakeTally, owner: Any):
    tallies = [await opened(make_tally()) for _ in range(4)]
    for _ in range(10):
        for tally in tallies:
            for label in range(200):
                tally.add(TENANT if label % 2 else OTHER_TENANT, USES, str(label))
        assert all(await asyncio.gather(*(tally.flush() for tally in tallies)))
    assert set((await stored(owner)).values()) == {40}


async def test_a_database_that_is_away_loses_nothing(
    clean_database: DatabaseUrls, make_tally: MakeTally, owner: Any, manual_clock: ManualClock
):
    with Proxy.to_postgres(clean_database.app) as proxy:
        tally = await opened(make_tally(proxy.postgres_url(clean_database.app)))
        tally.add(TENANT, USES, "a")
        proxy.cut()
        assert not await tally.flush()
        first = manual_clock.now()
        manual_clock.advance(seconds=20)
        tally.add(TENANT, USES, "a")
        tally.add(TENANT, USES, "b")
        assert not await tally.flush()
        proxy.resume()

        async def written() -> bool:
            return await tally.flush()

        await eventually_async(written)
    assert await stored(owner) == {(TENANT, "uses", "a"): 2, (TENANT, "uses", "b"): 1}
    row = await owner.fetchrow("SELECT first_at, last_at FROM tally WHERE labels = '{a}'")
    assert tuple(row) == (first, first + timedelta(seconds=20))


async def test_what_waits_is_bounded_and_what_is_dropped_is_counted(make_tally: MakeTally, owner: Any):
    tally = await opened(make_tally(most=3))
    before = dropped()
    for label in "abcde":
        tally.add(TENANT, USES, label)
        tally.add(TENANT, USES, "a")
    assert dropped() - before == 2
    assert await tally.flush()
    assert await stored(owner) == {(TENANT, "uses", "a"): 6, (TENANT, "uses", "b"): 1, (TENANT, "uses", "c"): 1}
    tally.add(TENANT, USES, "e")
    assert await tally.flush(), "there is room again"


def dropped() -> float:
    return REGISTRY.get_sample_value("keepwell_tally_dropped_total", {"name": "uses"}) or 0.0


async def test_more_than_one_statement_takes_is_written_in_several(make_tally: MakeTally, owner: Any):
    tally = await opened(make_tally())
    for label in range(2_500):
        tally.add(TENANT, USES, str(label))
    assert await tally.flush()
    assert len(await stored(owner)) == 2_500


async def test_it_writes_by_itself_and_at_its_end(make_tally: MakeTally, owner: Any):
    tally = await opened(make_tally(every=0.01))
    await tally.open()
    tally.add(TENANT, USES, "a")

    async def written() -> bool:
        return bool(await stored(owner))

    await eventually_async(written)
    tally.add(TENANT, USES, "b")
    await tally.close()
    assert set(await stored(owner)) == {(TENANT, "uses", "a"), (TENANT, "uses", "b")}


@pytest.mark.parametrize("label", ["", "two words", "Müller", "x" * 65, "a\nb", "{a}"])
async def test_words_that_somebody_wrote_are_no_labels(make_tally: MakeTally, label: str):
    with pytest.raises(ValueError, match="label"):
        make_tally().add(TENANT, USES, label)


async def test_a_clinic_is_shown_its_own_counts_over_the_buckets_asked_for(
    make_kernel: MakeKernel, owner: Any, manual_clock: ManualClock
):
    kernel = make_kernel()
    start = manual_clock.now()
    for minutes in (0, 1, 1, 5):
        kernel.tally.add(TENANT, USES, "a", "ok")
        kernel.tally.add(OTHER_TENANT, USES, "a", "ok")
        manual_clock.advance(minutes=minutes)
    assert await kernel.tally.flush()
    search = Search("uses", actor(), origin(), Permission("Note", "s"))
    minute = timedelta(minutes=1)
    assert await kernel.search(search, lambda connection: counts(connection, USES, start + minute)) == [
        Count(("a", "ok"), 2, start + minute, start + 2 * minute)
    ]
    found = await kernel.search(search, lambda connection: counts(connection, USES, start))
    assert [(count.labels, count.amount) for count in found] == [(("a", "ok"), 4)]


async def test_a_kernel_writes_its_counts_when_it_closes(make_kernel: MakeKernel, owner: Any):
    kernel = make_kernel()
    kernel.tally.add(TENANT, USES, "a")
    await kernel.close()
    assert await stored(owner) == {(TENANT, "uses", "a"): 1}


async def test_old_buckets_go_and_others_stay(make_tally: MakeTally, owner: Any, manual_clock: ManualClock):
    tally = await opened(make_tally())
    for kind in (USES, DAILY):
        tally.add(TENANT, kind, "old")
    manual_clock.advance(hours=2)
    tally.add(TENANT, USES, "new")
    assert await tally.flush()
    async with tally._database.connection() as connection:
        assert await purge(connection, USES, manual_clock.now(), 100) == 1
        assert await purge(connection, DAILY, manual_clock.now(), 100) == 0
    assert set(await stored(owner)) == {(TENANT, "daily", "old"), (TENANT, "uses", "new")}


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware by the strategy
    st.sampled_from((USES, DAILY)),
)
def test_every_instant_lies_in_one_bucket(instant: datetime, kind: TallyKind):
    bucket = bucket_of(kind, instant)
    assert bucket <= instant < bucket + kind.width
    assert bucket_of(kind, bucket) == bucket
    later = next_bucket(kind, instant)
    assert instant < later <= instant + kind.width
    assert bucket_of(kind, later) == later
