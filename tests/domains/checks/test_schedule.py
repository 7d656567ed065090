"""What is due is put before the workers by the monitor's own grid; what could not be checked is told, never passed over."""

from datetime import timedelta
from typing import Any

from keepwell.domains.checks.models import RequestCheck
from keepwell.domains.monitors.models import ChangeMonitor, Changes, CreateMonitor, Heartbeat, PauseMonitor, ResumeMonitor
from keepwell.kit.ids import new_id
from tests.support.cluster import DatabaseUrls
from tests.support.watching import TODAY, Watch, configuration, service_over, watching

STATUSES = "SELECT status, sum(instants) FROM check_result WHERE region <> '' GROUP BY status ORDER BY status"


async def test_each_instant_of_the_grid_is_checked_once_whoever_schedules(watch: Watch):
    await watch.add(interval_s=30)
    schedulers = [service_over(watch.database, watch.clock).store for _ in range(3)]
    async with watch.working(2):
        for _ in range(20):
            watch.clock.advance(seconds=15)
            for store in schedulers:
                await store.tick(0.5, 1_000)
        await watch.settled()
    instants = [row[0] for row in await watch.rows("SELECT scheduled_at FROM check_result ORDER BY scheduled_at")]
    assert instants == [TODAY + timedelta(seconds=60 + 30 * number) for number in range(9)]


async def test_what_passed_while_no_scheduler_ran_is_missed_and_one_row_says_how_many(watch: Watch):
    monitor = await watch.add(interval_s=30)
    async with watch.working():
        await watch.tick(minutes=1)
        await watch.tick(minutes=10, seconds=5)
        await watch.settled()
    assert await watch.rows(STATUSES) == [("missed", 19), ("up", 2)]
    missed = await watch.rows("SELECT scheduled_at, instants, reason FROM check_result WHERE status = 'missed'")
    assert missed == [(TODAY + timedelta(minutes=10, seconds=30), 19, "no-scheduler")]
    assert await watch.value("SELECT next_at FROM check_schedule") == TODAY + timedelta(minutes=11, seconds=30)
    assert await watch.story(monitor) == ["up"]


async def test_what_no_worker_begins_is_missed_and_opens_nothing(watch: Watch):
    await watch.add(regions=("nowhere",))
    for _ in range(4):
        await watch.tick(minutes=1)
        await watch.service.scheduler.expire()
    assert await watch.rows(STATUSES) == [("missed", 1)]
    assert await watch.value("SELECT count(*) FROM check_run") == 3
    await watch.service.scheduler.judge()
    assert await watch.incidents() == []


async def test_many_new_monitors_begin_spread_over_their_interval(watch: Watch):
    monitors = [await watch.add(interval_s=60) for _ in range(3)]
    await watch.everything.execute("DELETE FROM check_schedule")
    await watch.everything.execute(
        "INSERT INTO monitor (tenant_id, id, kind, interval_s, regions, priority, paused, deleted, active, version)"
        " SELECT $1, gen_random_uuid(), 'tcp', 60, 'default', 'normal', false, false, true, 1 FROM generate_series(1, 600)",
        watch.tenant,
    )
    await watch.service.store.follow()
    first, last = (await watch.rows("SELECT min(next_at), max(next_at) FROM check_schedule"))[0]
    assert len(monitors) + 600 == await watch.value("SELECT count(*) FROM check_schedule")
    assert timedelta(seconds=15) < last - first <= timedelta(seconds=31)


async def test_a_monitor_that_changed_is_checked_as_it_is_now(watch: Watch):
    monitor = await watch.add(interval_s=30)
    await watch.do(ChangeMonitor(monitor, Changes(interval_s=120, priority="high")))
    await watch.tick()
    assert await watch.rows("SELECT interval_s, priority FROM check_schedule") == [(120, 10)]


async def test_a_paused_monitor_is_not_checked_and_goes_on_when_it_is_resumed(watch: Watch):
    monitor = await watch.add()
    async with watch.working():
        await watch.tick(minutes=1)
        await watch.settled()
        await watch.do(PauseMonitor(monitor))
        await watch.tick(minutes=10)
        await watch.service.scheduler.judge()
        await watch.do(ResumeMonitor(monitor))
        await watch.tick(minutes=1)
        await watch.tick(minutes=1)
        await watch.settled()
    assert await watch.story(monitor) == ["up", "paused", "up"]
    assert await watch.rows(STATUSES) == [("up", 2)]


async def test_what_somebody_asks_for_overtakes_everything_and_is_checked_once(watch: Watch):
    monitors = [await watch.add() for _ in range(20)]
    await watch.tick(minutes=1)
    watch.clock.advance(seconds=1)
    await watch.do(RequestCheck(new_id(), monitors[7]))
    for _ in range(2):
        await watch.service.store.tick(0, 1_000)
    [first] = await watch.service.store.claim("default", 1, new_id(), 60.0)
    assert (first.monitor, first.scheduled_at) == (monitors[7], watch.clock.now())
    assert await watch.value("SELECT count(*) FROM check_run") == 21


async def test_what_took_five_workers_with_it_is_held_until_somebody_has_it_checked_again(watch: Watch):
    monitor = await watch.add()
    await watch.tick(minutes=1)
    store = watch.service.store
    for _ in range(5):
        assert len(await store.claim("default", 10, new_id(), 5.0)) == 1
        watch.clock.advance(seconds=6)
    assert await store.claim("default", 10, new_id(), 5.0) == []
    [held] = await store.held()
    assert (held[1], held[4], held[5]) == (monitor, 5, "WorkerLost")
    assert await watch.rows("SELECT status, reason FROM check_result") == [("missed", "worker-lost")]
    watch.clock.advance(seconds=1)
    await watch.do(RequestCheck(new_id(), monitor))
    async with watch.working():
        await watch.tick()
        await watch.settled()
    assert await store.held() == []
    assert await watch.story(monitor) == ["up"]


async def test_a_grid_that_lies_in_the_future_begins_anew(watch: Watch):
    await watch.add(interval_s=60)
    await watch.everything.execute("UPDATE check_schedule SET next_at = next_at + interval '1 year'")
    await watch.service.scheduler.expire()
    assert await watch.value("SELECT next_at FROM check_schedule") <= TODAY + timedelta(minutes=1)


async def test_a_heartbeat_that_stays_away_is_an_outage_until_it_comes_again(watch: Watch):
    monitor = await watch.add(kind="heartbeat", target="", heartbeat=Heartbeat(period_s=60, grace_s=30))
    service = watch.service
    for seconds, beats in ((0, False), (50, True), (80, False), (15, False), (61, False), (5, True), (85, False)):
        watch.clock.advance(seconds=seconds)
        await service.store.follow()
        if beats:
            await service.keep_beat(watch.tenant, monitor, watch.clock.now())
        await service.scheduler.watch_beats()
    assert await watch.story(monitor) == ["up", "down", "up"]
    assert await watch.incidents() == [("resolved", 1)]
    rows = await watch.rows("SELECT status, reason, scheduled_at FROM check_result ORDER BY scheduled_at")
    assert rows[1] == ("down", "no-beat", TODAY + timedelta(seconds=50 + 90))


async def test_a_heartbeat_counts_from_the_moment_it_was_made(watch: Watch):
    """Also before any scheduler has noticed that there is another monitor."""
    monitor, said = new_id(), configuration(kind="heartbeat", target="", heartbeat=Heartbeat(period_s=60, grace_s=30))
    await watch.do(CreateMonitor(monitor, said, heartbeat_digest=bytes(32), private=True))
    await watch.service.keep_beat(watch.tenant, monitor, watch.clock.now())
    assert await watch.story(monitor) == ["up"]


async def test_a_heartbeat_that_was_paused_has_a_whole_period_when_it_goes_on(watch: Watch):
    monitor = await watch.add(kind="heartbeat", target="", heartbeat=Heartbeat(period_s=60, grace_s=30))
    service = watch.service
    await watch.do(PauseMonitor(monitor))
    await service.store.follow()
    watch.clock.advance(days=1)
    await watch.do(ResumeMonitor(monitor))
    await service.store.follow()
    for _ in range(2):
        watch.clock.advance(seconds=40)
        await service.scheduler.watch_beats()
    assert "down" not in await watch.story(monitor)


async def test_days_are_made_ahead_and_dropped_when_they_were_kept_long_enough(fresh_database: DatabaseUrls):
    names = "SELECT count(*) FROM pg_class WHERE relname ~ '^check_result_[0-9]' AND relkind = 'r'"
    async with watching(fresh_database) as watch:
        await watch.service.store.partitions(TODAY + timedelta(days=40), 3, 14)
        assert await watch.value(names) == 5
        await watch.service.store.partitions(TODAY, 3, 14)
        await watch.service.store.partitions(TODAY, 3, 14)
        assert await watch.value(names) == 10


async def test_a_clinic_with_too_many_results_loses_those_of_its_oldest_days(watch: Watch):
    await watch.add()
    old: list[Any] = [TODAY - timedelta(days=age) for age in (5, 4, 3)]
    for at in old:
        await watch.everything.execute(
            "SELECT check_record(array_agg(ROW($1, $2, $3::timestamptz + n * interval '1 second', 'default', 'up', NULL, 1, 1,"
            " NULL, NULL, NULL, NULL, NULL, NULL, NULL, $3)::check_result)) FROM generate_series(1, 10) n",
            watch.tenant,
            new_id(),
            at,
        )
    assert await watch.service.store.trim(25) == 10
    assert await watch.value("SELECT min(scheduled_at) FROM check_result") > old[1]
